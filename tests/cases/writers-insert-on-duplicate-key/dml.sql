SET @id = 1 + FLOOR(RAND() * 1500);
INSERT INTO t (id, u) VALUES (@id, @id * 2) AS new ON DUPLICATE KEY UPDATE n = t.n + 1;
INSERT INTO t (id, u) VALUES (@id + 100000, @id * 2 + 2) AS new ON DUPLICATE KEY UPDATE n = t.n + 1, u = new.u + 100000;
DELETE FROM t WHERE id = @id + 5;
