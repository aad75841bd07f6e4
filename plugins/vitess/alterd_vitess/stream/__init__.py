"""The change stream: which keys of a table were touched, transaction by transaction, from the binlog.

The run's process starts a reader as a process of its own, and gets frames of whole transactions from it.

* `stream`        `ChangeStream`: the run's end; `frames` what goes over the pipes, `errors` what ends a stream
* `reader`        the process; `dump` asks the server for its binlog, `wire` takes packets off the socket
* `transactions`  from events to frames; `events` reads their heads, `queries` the statements among them
* `statements`    what a statement of others means to the table. Pure
* `tablemaps` `decoder`    from row events to keys, by code made for each table map and each set of NULLs
* `layout`        what the server says of the table; `prepared` of XA transactions older than the stream
"""
