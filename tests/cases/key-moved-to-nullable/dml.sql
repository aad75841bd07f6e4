BEGIN;
INSERT INTO t VALUES (100000 * @session + @round, NULL, 0);
UPDATE t SET u = CONCAT('s', @session, '-', @round) WHERE id = 100000 * @session + @round;
COMMIT;
