BEGIN;
SET @x = 1 + FLOOR(RAND() * 990);
SET @y = @x + 1 + FLOOR(RAND() * 9);
SELECT w INTO @one FROM t WHERE id = @x FOR UPDATE;
SELECT w INTO @two FROM t WHERE id = @y FOR UPDATE;
UPDATE t SET w = UPPER(@two) WHERE id = @x;
UPDATE t SET w = LOWER(@one) WHERE id = @y;
COMMIT;
