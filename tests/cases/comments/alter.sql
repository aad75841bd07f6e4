ALTER TABLE t MODIFY COLUMN a INT COMMENT 'it''s, (new); -- /* % ` ü', COMMENT = 'also "new", ENGINE=x; AUTO_INCREMENT=5';
