BEGIN;
SET @x = 1 + FLOOR(RAND() * 990);
SET @y = @x + 1 + FLOOR(RAND() * 9);
SELECT a INTO @one FROM t WHERE id = @x FOR UPDATE;
SELECT a INTO @two FROM t WHERE id = @y FOR UPDATE;
UPDATE t SET a = @two WHERE id = @x;
UPDATE t SET a = @one WHERE id = @y;
COMMIT;
