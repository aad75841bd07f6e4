"""What is open: the leader's memory, rebuilt from the records at the start of each term.

Indexed by all that a decision asks for, so that none of them reads through what does not concern it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Hashable, Iterator
from operator import attrgetter
from typing import TypeVar

from alterd_contracts.migration import Migration
from alterd_contracts.states import Status

LaneKey = tuple[str, str]
"""Keyspace and shard."""

K = TypeVar("K", bound=Hashable)
_ID = attrgetter("id")


class Board:
    """Open records by lane, by uuid, by context and by table. Done ones are looked up where they lie, when an input
    names them.
    """

    def __init__(self) -> None:
        self._lanes: dict[LaneKey, list[Migration]] = {}
        """In the order of submission."""
        self._rows: dict[tuple[str, str], dict[str, Migration]] = {}
        """Keyspace and uuid → shard → record."""
        self._uuids: dict[str, dict[str, None]] = {}
        """Keyspace → uuids, as they came."""
        self._contexts: dict[str, dict[str, dict[str, None]]] = {}
        self._tables: dict[tuple[str, str], dict[str, None]] = {}
        self._busy: dict[str, Migration] = {}
        """Open key → what is ready or running."""
        self._counts: Counter[Status] = Counter()

    def put(self, record: Migration) -> None:
        """The record as it is now; one that has ended leaves."""
        before = self.get(record.keyspace, record.shard, record.migration_uuid)
        if before is not None:
            self._take(before)
        if record.migration_status.pending:
            self._add(record)

    def get(self, keyspace: str, shard: str, migration_uuid: str) -> Migration | None:
        return self._rows.get((keyspace, migration_uuid), {}).get(shard)

    def lane(self, key: LaneKey) -> list[Migration]:
        """The lane's open records in order of submission."""
        return list(self._lanes.get(key, ()))

    def lanes(self) -> list[LaneKey]:
        return list(self._lanes)

    def of_uuid(self, keyspace: str, migration_uuid: str) -> list[Migration]:
        """The open rows of one migration, by shard."""
        return [row for _, row in sorted(self._rows.get((keyspace, migration_uuid), {}).items())]

    def of_keyspace(self, keyspace: str) -> list[Migration]:
        """The open rows of all its migrations."""
        return [row for uuid in self._uuids.get(keyspace, ()) for row in self.of_uuid(keyspace, uuid)]

    def uuids(self, keyspace: str) -> Iterator[str]:
        """Of the keyspace's open migrations; the first one costs nothing."""
        return iter(self._uuids.get(keyspace, ()))

    def contexts(self, keyspace: str) -> dict[str, dict[str, None]]:
        """The keyspace's open migrations: context → uuids."""
        return self._contexts.get(keyspace, {})

    def uuids_of_table(self, keyspace: str, table: str) -> Iterator[str]:
        return iter(self._tables.get((keyspace, table.casefold()), ()))

    def busy(self) -> list[Migration]:
        """What is ready or running, on all shards."""
        return list(self._busy.values())

    @property
    def counts(self) -> Counter[Status]:
        """Open records by state."""
        return self._counts

    def __iter__(self) -> Iterator[Migration]:
        for lane in self._lanes.values():
            yield from lane

    def _add(self, record: Migration) -> None:
        keyspace, uuid = record.keyspace, record.migration_uuid
        insort(self._lanes.setdefault((keyspace, record.shard), []), record, key=_ID)
        rows = self._rows.setdefault((keyspace, uuid), {})
        if not rows:
            self._uuids.setdefault(keyspace, {})[uuid] = None
            self._contexts.setdefault(keyspace, {}).setdefault(record.migration_context, {})[uuid] = None
            self._tables.setdefault((keyspace, record.mysql_table.casefold()), {})[uuid] = None
        rows[record.shard] = record
        if record.migration_status is not Status.QUEUED:
            self._busy[record.open_key] = record
        self._counts[record.migration_status] += 1

    def _take(self, record: Migration) -> None:
        keyspace, uuid = record.keyspace, record.migration_uuid
        lane = self._lanes[(keyspace, record.shard)]
        place = bisect_left(lane, record.id, key=_ID)
        while lane[place] is not record:  # rows of several statements never share an id on one shard, but old ones may
            place += 1
        del lane[place]
        if not lane:
            del self._lanes[(keyspace, record.shard)]
        rows = self._rows[(keyspace, uuid)]
        del rows[record.shard]
        if not rows:
            del self._rows[(keyspace, uuid)]
            contexts = self._contexts[keyspace]
            _drop(self._uuids, keyspace, uuid)
            _drop(contexts, record.migration_context, uuid)
            _drop(self._tables, (keyspace, record.mysql_table.casefold()), uuid)
            if not contexts:
                del self._contexts[keyspace]
        self._busy.pop(record.open_key, None)
        self._counts[record.migration_status] -= 1


def _drop(index: dict[K, dict[str, None]], key: K, uuid: str) -> None:
    uuids = index[key]
    del uuids[uuid]
    if not uuids:
        del index[key]
