BEGIN;
SET @x = 1 + FLOOR(RAND() * 999);
SELECT a INTO @one FROM t WHERE id = @x FOR UPDATE;
SELECT a INTO @two FROM t WHERE id = @x + 1 FOR UPDATE;
UPDATE t SET a = -1 - @session WHERE id = @x;
UPDATE t SET a = @one WHERE id = @x + 1;
UPDATE t SET a = @two WHERE id = @x;
COMMIT;
INSERT INTO t (a) VALUES (1000000 * @session + @round);
