"""The strategy `pt-osc`: the real pt-online-schema-change, watched, throttled and cleaned up.

* `ptosc`      the strategy: declaration, checks, recovery
* `running`    one attempt: dry run, then the real run; `program`, `command`, `channel`, `output`, `exits` are its parts
* `talk.pm`    what the tool loads with --plugin: it asks before each chunk and before the swap
* `passing`    which of the tool's flags users may give, and how they reach it
* `obstacles`  what the tool cannot do, or would do to the rows' harm
* `triggers`   the tool's triggers, and how they are taken off
* `counting`   whether the new table has all rows
"""
