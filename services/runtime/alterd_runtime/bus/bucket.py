"""Keys and values with revisions, on JetStream's own messages.

nats-py's KeyValue loses a key's TTL on update and shows an expired key as an empty entry; both matter to leases.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext, api

from alterd_contracts.subjects import Bucket
from alterd_runtime.bus.errors import translated
from alterd_runtime.bus.interruptible import interruptible
from alterd_runtime.bus.tail import Message, Tail

OPERATION = "KV-Operation"
MARKER = "Nats-Marker-Reason"
AT_ONCE = 256
"""Reads on their way at the same time."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A key's last write. `value` is None when the key was deleted or has expired."""

    key: str
    value: bytes | None
    revision: int
    """Sequence in the bucket's stream."""
    pending: int = 0


class BucketStore:
    """One bucket."""

    def __init__(self, nc: Client, js: JetStreamContext, bucket: Bucket) -> None:
        self._nc, self._js, self.bucket = nc, js, bucket
        self.stream = f"KV_{bucket.name}"
        self._prefix = f"$KV.{bucket.name}."

    def subject(self, key: str) -> str:
        return self._prefix + key

    async def get(self, key: str) -> Entry | None:
        """The key's last write, asked of the stream's leader; None where the key never was, or is gone."""
        with translated(f"read {self.bucket.name} {key}"):
            try:
                raw = await interruptible(self._js.get_last_msg(self.stream, self.subject(key)))
            except nats.js.errors.NotFoundError:
                return None
        headers = raw.headers or {}
        if OPERATION in headers or MARKER in headers or not raw.data:
            return None
        return Entry(key=key, value=raw.data, revision=raw.seq or 0)

    async def get_all(self, keys: Sequence[str]) -> list[Entry | None]:
        """`get` of each, many at once."""
        found: list[Entry | None] = []
        for start in range(0, len(keys), AT_ONCE):
            found += await asyncio.gather(*(self.get(key) for key in keys[start : start + AT_ONCE]))
        return found

    async def put(self, key: str, value: bytes, *, ttl: int = 0, expect: int | None = None) -> int:
        """Writes; the revision. `ttl` in whole seconds, 0 keeps. `expect`: only if the key's revision is this.

        Raises `StaleWrite` for an unexpected revision, `BusUnreachable`.
        """
        headers = {} if expect is None else {api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(expect)}
        return await self.publish(key, value, headers, ttl)

    async def delete(self, key: str, *, marker_ttl: int = 0) -> int:
        """Deletes; with `marker_ttl` the marker vanishes after so many seconds."""
        return await self.publish(key, b"", {OPERATION: "DEL"}, marker_ttl)

    async def publish(self, key: str, value: bytes, headers: dict[str, str], ttl: int) -> int:
        with translated(f"write {self.bucket.name} {key}"):
            ack = await interruptible(
                self._js.publish(self.subject(key), value, headers=headers or None, msg_ttl=ttl or None)
            )
        return int(ack.seq)

    def watch(self, *patterns: str, start: int = 0, new_only: bool = False) -> AsyncIterator[Entry | None]:
        """Current entries in the order of their writes, None once, then each change; survives outages.

        `start`: instead of the current entries, all writes from this revision on. `new_only`: none, None comes at once.
        """
        tail = Tail(
            self._nc,
            self._js,
            self.stream,
            tuple(self.subject(pattern) for pattern in patterns or (">",)),
            start=start,
            last_per_subject=not start and not new_only,
            new_only=new_only,
        )
        return self._entries(tail)

    async def list(self, *patterns: str, start: int = 0) -> list[Entry]:
        """The current entries (deleted ones left out), in the order of their writes."""
        found: dict[str, Entry] = {}
        watch = self.watch(*patterns, start=start)
        async for entry in watch:
            if entry is None:
                break
            found[entry.key] = entry
        await watch.aclose()  # type: ignore[attr-defined]
        return sorted((entry for entry in found.values() if entry.value is not None), key=lambda e: e.revision)

    async def count(self, *patterns: str, start: int = 1) -> int:
        """How many keys there are, deleted ones with them as long as their markers stand. `start`: written since."""
        wanted = api.ConsumerConfig(
            deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=start,
            ack_policy=api.AckPolicy.NONE,
            filter_subjects=[self.subject(pattern) for pattern in patterns or (">",)],
            inactive_threshold=5.0,
            mem_storage=True,
            num_replicas=1,
        )
        with translated(f"count in {self.bucket.name}"):
            info = await interruptible(self._js.add_consumer(self.stream, wanted))
            await interruptible(self._js.delete_consumer(self.stream, info.name))
        return int(info.num_pending or 0)

    async def newest(self, pattern: str, least: int) -> Sequence[Entry]:
        """The entries that were written last: at least so many where there are so many, at most a few times that."""
        with translated(f"look at {self.stream}"):
            last = int((await interruptible(self._js.stream_info(self.stream))).state.last_seq)
        span = least
        while span < last and await self.count(pattern, start=last - span + 1) < least:
            span *= 2
        return await self.list(pattern, start=max(1, last - span + 1))

    async def _entries(self, tail: Tail) -> AsyncIterator[Entry | None]:
        messages = aiter(tail)
        try:
            async for message in messages:
                yield None if message is None else self._entry(message)
        finally:
            await messages.aclose()  # type: ignore[attr-defined]

    def _entry(self, message: Message) -> Entry:
        gone = OPERATION in message.headers or MARKER in message.headers or not message.data
        return Entry(
            key=message.subject.removeprefix(self._prefix),
            value=None if gone else message.data,
            revision=message.sequence,
            pending=message.pending,
        )
