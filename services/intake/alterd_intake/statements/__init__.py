"""Scripts as users write them, read without a server. Pure.

* `script`       from text to statements; stands on `alterd_runtime.sql` and
* `comments`     a script without comments, executable ones unwrapped
* `definitions`  CREATE, ALTER, DROP of tables and views; `indexes` the statements about indexes
"""

from alterd_intake.statements.script import Script, read_script

__all__ = ["Script", "read_script"]
