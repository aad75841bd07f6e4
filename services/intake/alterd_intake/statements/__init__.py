"""Scripts and strategies as users write them, read without a server. Pure.

* `script`         from text to statements; stands on
* `comments`       a script without comments, executable ones unwrapped
* `words`          the words of a statement (sqlglot's tokenizer; its parser is never asked)
* `definitions`    CREATE, ALTER, DROP of tables and views; `indexes` the statements about indexes
* `alters`         ALTER TABLE split into clauses, `clauses` what each one does
* `strategy_text`  ddl_strategy and its flags, `durations` their values
"""

from alterd_intake.statements.alters import Alter, split_alter
from alterd_intake.statements.clauses import Clause, ClauseKind
from alterd_intake.statements.script import Script, read_script

__all__ = ["Alter", "Clause", "ClauseKind", "Script", "read_script", "split_alter"]
