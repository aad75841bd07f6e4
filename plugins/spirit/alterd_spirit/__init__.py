"""block/spirit as the strategy `spirit`: a plugin from outside.

It imports `alterd_contracts` and nothing else of alterd.

* `plugin`     the door: what it registers
* `strategy`   the strategy: declaration, checks, recovery, clean-up
* `running`    one attempt; `watching` the program while it runs, and its cut-over
* `tables`     the tables that spirit makes, and what of them is done at the end
* `memory`     what attempts write down on the server, so that `recover` can tell what happened; `verdict` tells it
* `program`    the spirit on this host, its version and its flags; `command` what it is called with
* `flags`      what users may put behind the strategy's name; `clauses` how much of an ALTER must be understood
* `output`     what spirit prints
* `obstacles`  what speaks against a change; `errors` what it may end with

What is said here of spirit was read in its public documentation and sources (block/spirit), of which each module names
the files.
"""

__version__ = "0.1.0"
