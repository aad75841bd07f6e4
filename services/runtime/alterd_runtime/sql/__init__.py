"""Statements read without a server: what intake and strategies both need of them. Pure.

* `words`    the words of a statement (sqlglot's tokenizer; its parser is never asked)
* `alters`   ALTER TABLE split into clauses, `clauses` what each one does
"""

from alterd_runtime.sql.alters import Alter, at_once, by_copy, split_alter
from alterd_runtime.sql.clauses import Clause, ClauseKind

__all__ = ["Alter", "Clause", "ClauseKind", "at_once", "by_copy", "split_alter"]
