"""``vitess`` (alias ``online``): the native engine. MySQL copies and applies, the binlog says which keys were touched."""
