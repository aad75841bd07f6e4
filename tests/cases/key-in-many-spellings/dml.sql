UPDATE t SET k = CONCAT(IF(@round % 2, 'A', 'a'), SUBSTR(k, 2)), v = v + 1;
DO SLEEP(0.4);
