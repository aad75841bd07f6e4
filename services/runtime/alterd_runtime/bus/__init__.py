"""NATS JetStream as alterd uses it. Nothing outside this package imports nats-py.

* `connection`  connect, reconnect for ever, say what went wrong
* `streams`     create streams and buckets, again and again without harm
* `bus`         publish with an id, ask and answer
* `tail`        read a stream in order, for ever
* `worker`      take work from a queue, a bounded number at once
* `bucket`      keys and values, watches
* `flight`      many messages on their way at once
* `fenced`      the state bucket, whose every write proves that nobody else wrote
* `lease`       liveness with a time to live
"""

from alterd_runtime.bus.bucket import BucketStore, Entry
from alterd_runtime.bus.bus import Ack, Bus, Outgoing, Sending
from alterd_runtime.bus.connection import NatsSettings
from alterd_runtime.bus.errors import LeaseLost, StaleWrite
from alterd_runtime.bus.fenced import FencedState, Write
from alterd_runtime.bus.lease import Lease
from alterd_runtime.bus.tail import Message, Tail
from alterd_runtime.bus.worker import Delivery, Place, Slots, Unreadable, Worker

__all__ = [
    "Ack",
    "BucketStore",
    "Bus",
    "Delivery",
    "Entry",
    "FencedState",
    "Lease",
    "LeaseLost",
    "Message",
    "NatsSettings",
    "Outgoing",
    "Place",
    "Sending",
    "Slots",
    "StaleWrite",
    "Tail",
    "Unreadable",
    "Worker",
    "Write",
]
