UPDATE t SET a = a + 1, p = 3 - p WHERE id = 1 + FLOOR(RAND() * 100);
