"""The strategy `gh-ost`: the real gh-ost, watched, throttled, held and cleaned up.

* `ghost`      the strategy: declaration, checks, recovery
* `running`    one attempt: dry run, then the real run; `watching`, `asking`, `status`, `holding` and
               `counter` are its parts
* `command`    what gh-ost is called with; `flags` which of its flags are alterd's own
* `tables`     the tables that it makes, and what they tell of an attempt that is over
* `limits`     what of the server and the table speaks against it
* `trial`      what it cannot do, or would do to the rows' harm: by `reading` the ALTER, by `keys`, by `values`
"""
