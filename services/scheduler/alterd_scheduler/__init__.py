"""The scheduler: one ordered log of inputs, one decider.

* `board`       what is open, by shard, in memory
* `facts`       how a record changes together with the fact that tells of it
* `submissions`, `controls`, `reports`   pure decisions, one kind of input each
* `decide`      which of them an input goes to
* `admission`   what should happen next on a shard, from the records alone
* `liveness`    which executors live
* `term`        one term of leadership: loads, decides, writes, publishes
* `service`     competes for the lease and leads
"""
