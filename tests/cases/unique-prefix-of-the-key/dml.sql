SET @b = 250 * (@session - 1) + FLOOR(RAND() * 200);
UPDATE t SET a = CONCAT('p', LEFT(SHA2(RAND(), 224), 12)), v = v + 1 WHERE b BETWEEN @b AND @b + 4;
DO SLEEP(0.03);
