"""What a decision is: records to write, in order, and what to tell the caller."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from alterd_contracts.events import CommandGiven, RequestRefused
from alterd_contracts.migration import Hold, Migration
from alterd_contracts.requests import Outcome
from alterd_scheduler.board import Board


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one input."""

    records: tuple[Migration, ...] = ()
    """Each with the event of its change."""
    refused: RequestRefused | None = None
    told: CommandGiven | None = None
    """The fact of a command that no record tells of."""
    held: tuple[Hold, ...] = ()
    """Holds that begin."""
    released: tuple[Hold, ...] = ()
    """Holds that end."""
    purged: tuple[Migration, ...] = ()
    """Done records to be forgotten."""
    outcome: Outcome | None = None
    """For the caller, if one waits."""
    next_id: int = 0
    """0: unchanged."""
    ignored: str = ""
    """Why nothing was done; counted."""


class Known:
    """The records that one input may touch, open and done, by shard and uuid."""

    def __init__(self, records: Iterable[Migration], holds: Iterable[Hold] = (), board: Board | None = None) -> None:
        self.board = board or Board()
        """All that is open, to be read by its indexes only."""
        self.holds = tuple(holds)
        """All that stand, of any keyspace."""
        self._records = {(record.keyspace, record.shard, record.migration_uuid): record for record in records}

    def get(self, keyspace: str, shard: str, migration_uuid: str) -> Migration | None:
        return self._records.get((keyspace, shard, migration_uuid))

    def lane(self, keyspace: str, shard: str) -> list[Migration]:
        """What is open on a shard, in order of submission."""
        return self.board.lane((keyspace, shard))

    def pending(self, keyspace: str) -> list[Migration]:
        """What is open in a keyspace, in order of submission."""
        rows = (row for row in self._records.values() if row.keyspace == keyspace and row.migration_status.pending)
        return sorted(rows, key=lambda row: (row.id, row.shard))

    def rows(self, keyspace: str, migration_uuid: str) -> list[Migration]:
        """All rows of one migration, by shard."""
        return [
            record
            for (of_keyspace, _, uuid), record in sorted(self._records.items())
            if of_keyspace == keyspace and uuid == migration_uuid
        ]
