"""``vitess`` (alias ``online``): the native engine. MySQL copies and applies, the binlog tells the touched keys."""
