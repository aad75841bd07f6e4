"""How the scheduler does on a thousand shards, beside a million done records: ``make bench-scheduler``.

* `history`     done records, as the scheduler itself would have written them
* `executors`   executors that do everything but MySQL
* `leader`      the scheduler's own process, watched from outside
* `course`      one sitting: what is measured, one after the other
* `reading`     the command line beside all those records
* `report`      the figures, and the goals that they are held against
"""
