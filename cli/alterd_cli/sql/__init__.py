"""SQL as Vitess's users write it: migrations are set up, ordered about and looked at by statements.

* `script`      a text cut into statements, each named for messages
* `statements`  what a statement may be; `grammar` and `orders` read them, `vexec` those of ``alterd vexec``
* `dialect`     MySQL's expressions put into SQLite's words, `functions` MySQL's functions there
* `table`       the records as a table that SQLite selects from
* `session`     carries statements out over NATS; `running` a script of them; `shell` what is typed
* `grid`        results as the mysql client prints them

Up to `table` all of it is pure.
"""
