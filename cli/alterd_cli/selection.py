"""Which migration records are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from alterd_contracts import names, subjects
from alterd_contracts.migration import Migration
from alterd_contracts.states import PENDING, Status

RECENT = timedelta(days=7)


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which records are asked for."""

    uuid: str = ""
    status: Status | None = None
    context: str = ""
    recent: bool = False
    ended: bool | None = None
    """Only what has ended, or only what is pending."""
    keyspace: str = ""
    shards: tuple[str, ...] = ()

    @classmethod
    def read(cls, word: str, keyspace: str = "", shards: Iterable[str] = ()) -> Selection:
        """From ``all``, ``recent``, a state, a uuid or a context. Raises `InvalidName`."""
        if keyspace:
            names.check_keyspace(keyspace)
        where = {"keyspace": keyspace, "shards": tuple(names.check_shard(shard) for shard in shards)}
        if word == "all":
            return msgspec.convert(where, cls)
        if word == "recent":
            return msgspec.convert({**where, "recent": True}, cls)
        if word in set(Status):
            return msgspec.convert({**where, "status": word}, cls)
        if names.UUID.fullmatch(word.replace("-", "_").lower()):
            return msgspec.convert({**where, "uuid": names.check_uuid(word)}, cls)
        return msgspec.convert({**where, "context": names.check_context(word)}, cls)

    def patterns(self) -> tuple[str, ...]:
        """Keys of the state bucket that can match."""
        rest = (self.keyspace or "*", self.shards[0] if len(self.shards) == 1 else "*", self.uuid or "*")
        ended = self.ended if self.status is None else self.status not in PENDING
        if ended is None:
            return subjects.open_key(*rest), subjects.done_key(*rest)
        return (subjects.done_key(*rest) if ended else subjects.open_key(*rest),)

    def matches(self, record: Migration, now: datetime) -> bool:
        asked = record.requested_timestamp or record.added_timestamp
        return (
            (not self.status or record.migration_status is self.status)
            and (self.ended is None or record.migration_status.terminal is self.ended)
            and (not self.context or record.migration_context == self.context)
            and (not self.shards or record.shard in self.shards)
            and (not self.recent or asked is None or now - asked <= RECENT)
        )
