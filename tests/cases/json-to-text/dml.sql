SET @id = 1 + FLOOR(RAND() * 1000);
UPDATE t SET j = JSON_SET(j, '$.x', @round), k = JSON_ARRAY_APPEND(k, '$', 1) WHERE id = @id;
INSERT INTO t (j, k) VALUES ('{"z": "ü"}', NULL);
DELETE FROM t WHERE id = @id + 7;
