"""What is open, by shard: the leader's memory, rebuilt from the records at the start of each term."""

from __future__ import annotations

from collections.abc import Iterator

from alterd_contracts.migration import Migration

LaneKey = tuple[str, str]
"""Keyspace and shard."""


class Board:
    """Open records by lane. Done records are looked up where they lie, when an input names them."""

    def __init__(self) -> None:
        self._lanes: dict[LaneKey, dict[str, Migration]] = {}

    def put(self, record: Migration) -> None:
        lane = (record.keyspace, record.shard)
        if record.migration_status.pending:
            self._lanes.setdefault(lane, {})[record.migration_uuid] = record
            return
        open_ones = self._lanes.get(lane, {})
        open_ones.pop(record.migration_uuid, None)
        if not open_ones:
            self._lanes.pop(lane, None)

    def get(self, keyspace: str, shard: str, migration_uuid: str) -> Migration | None:
        return self._lanes.get((keyspace, shard), {}).get(migration_uuid)

    def lane(self, key: LaneKey) -> list[Migration]:
        """The lane's open records in order of submission."""
        return sorted(self._lanes.get(key, {}).values(), key=lambda record: record.id)

    def lanes(self) -> list[LaneKey]:
        return list(self._lanes)

    def of_uuid(self, keyspace: str, migration_uuid: str) -> list[Migration]:
        """The open rows of one migration, by shard."""
        return [
            lane[migration_uuid]
            for (lane_keyspace, _), lane in sorted(self._lanes.items())
            if lane_keyspace == keyspace and migration_uuid in lane
        ]

    def __iter__(self) -> Iterator[Migration]:
        for lane in self._lanes.values():
            yield from lane.values()
