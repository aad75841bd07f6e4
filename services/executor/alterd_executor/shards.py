"""Keyspaces and shards as the operator described them."""

from __future__ import annotations

import msgspec

from alterd_contracts.errors import InvalidSetting, UnknownKeyspace
from alterd_contracts.topology import Keyspace, Shard
from alterd_runtime.bus import BucketStore, Entry

_decoder = msgspec.json.Decoder(Keyspace)


async def keyspaces(store: BucketStore) -> list[Keyspace]:
    """All of them. Raises `InvalidSetting`, `BusUnreachable`."""
    return [_decoded(entry) for entry in await store.list()]


async def find_shard(store: BucketStore, keyspace: str, shard: str) -> Shard:
    """Raises `UnknownKeyspace`, `InvalidSetting` (no such shard), `BusUnreachable`."""
    entry = await store.get(keyspace)
    if entry is None:
        raise UnknownKeyspace(f"there is no keyspace {keyspace!r}", keyspace=keyspace)
    found = _decoded(entry).shard(shard)
    if found is None:
        raise InvalidSetting(
            f"the keyspace {keyspace} has no shard {shard!r} any more",
            hint=f"see `alterd keyspace show {keyspace}`",
            keyspace=keyspace,
            shard=shard,
        )
    return found


def _decoded(entry: Entry) -> Keyspace:
    try:
        return _decoder.decode(entry.value or b"")
    except msgspec.DecodeError as error:
        raise InvalidSetting(f"the topology of {entry.key} cannot be read: {error}", keyspace=entry.key) from None
