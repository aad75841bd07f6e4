UPDATE t SET x = x + 1 WHERE id = 1 + FLOOR(RAND() * 1000);
