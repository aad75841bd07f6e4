ALTER TABLE t ADD FULLTEXT INDEX in_title (title), ADD FULLTEXT KEY in_body (body) WITH PARSER ngram;
