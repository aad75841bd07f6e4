"""SQL cases: folders of SQL, run through a real alterd while writers write, and compared with MySQL's own ALTER.

* `case`       a folder read, folders found
* `script`     SQL text split into statements and transactions; pure
* `system`     NATS, the services and MySQL, started once
* `writers`    sessions that run dml.sql, and how they are ended at the swap
* `course`     one case from its tables to its verdict
* `oracle`     what MySQL's own ALTER makes of the same rows
* `comparing`  definitions and rows compared; pure
* `verdict` `report`  what is told of it
"""
