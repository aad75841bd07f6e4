BEGIN;
SET @id = 1 + FLOOR(RAND() * 1000);
DELETE FROM t WHERE id = @id;
INSERT INTO t (id, a, b) VALUES (@id, @round, 'in one');
COMMIT;
SET @id = 1 + FLOOR(RAND() * 1000);
DELETE FROM t WHERE id = @id;
INSERT INTO t (id, a, b) VALUES (@id, @round, 'in two');
