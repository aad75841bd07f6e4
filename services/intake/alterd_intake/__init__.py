"""The intake: reads scripts, and turns them into submissions that are whole, checked and addressed.

* `statements/`  scripts, by tokens; ddl_strategy and its flags. Pure
* `resolve`      which strategy, shards and uuids a request means. Pure
* `requests`     one request from text to submission
* `world`        what intake knows: topology and live executors
* `service`      where requests come from
"""
