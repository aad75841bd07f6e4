/* a comment; with a semicolon */ ALTER /* within */ TABLE t -- of a line
  ADD /*!50001 COLUMN */ b VARCHAR(30) DEFAULT '/* no -- comment # */', # another
  MODIFY a BIGINT;
