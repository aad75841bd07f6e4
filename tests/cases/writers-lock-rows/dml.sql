BEGIN;
SET @job = NULL;
SELECT id INTO @job FROM t WHERE state = 'new' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED;
UPDATE t SET state = 'taken' WHERE id = @job;
COMMIT;
UPDATE t SET state = 'done', a = a + 1 WHERE id = @job;
INSERT INTO t (a) VALUES (@round);
