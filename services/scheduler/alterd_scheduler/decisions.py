"""What a decision is: records to write, in order, and what to tell the caller."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from alterd_contracts.events import RequestRefused
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Outcome


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one input."""

    records: tuple[Migration, ...] = ()
    """Each with the event of its change."""
    refused: RequestRefused | None = None
    outcome: Outcome | None = None
    """For the caller, if one waits."""
    next_id: int = 0
    """0: unchanged."""
    ignored: str = ""
    """Why nothing was done; counted."""


class Known:
    """The records that one input may touch, open and done, by shard and uuid."""

    def __init__(self, records: Iterable[Migration]) -> None:
        self._records = {(record.keyspace, record.shard, record.migration_uuid): record for record in records}

    def get(self, keyspace: str, shard: str, migration_uuid: str) -> Migration | None:
        return self._records.get((keyspace, shard, migration_uuid))

    def rows(self, keyspace: str, migration_uuid: str) -> list[Migration]:
        """All rows of one migration, by shard."""
        return [
            record
            for (of_keyspace, _, uuid), record in sorted(self._records.items())
            if of_keyspace == keyspace and uuid == migration_uuid
        ]
