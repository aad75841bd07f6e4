"""What of a script will not run on a shard, as it is there already: nothing is tried of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alterd_contracts import subjects
from alterd_contracts.migration import Migration
from alterd_contracts.requests import CheckRequest
from alterd_contracts.statement import Statement
from alterd_contracts.states import Status
from alterd_executor.watching import decoded
from alterd_runtime.bus import BucketStore

AGAIN = frozenset({Status.FAILED, Status.CANCELLED})
"""What runs again when it is submitted again."""


async def left_out(records: BucketStore, request: CheckRequest, pending: Sequence[Migration]) -> frozenset[int]:
    """Places in the script of what the scheduler takes for there, as `repeated` and the keys of twins say.

    `pending`: the shard's open records. Raises `BusUnreachable`, `UnreadableRecord`.
    """
    entries = await records.get_all(
        [subjects.done_key(request.keyspace, request.shard, uuid) for uuid in request.migration_uuids]
    )
    done = [decoded(entry.value, entry.key) for entry in entries if entry is not None and entry.value is not None]
    found = {place for place in range(len(request.statements)) if repeated(request, place, pending, done)}
    if request.migration_context:
        twins = await records.get_all([_twin_key(request, statement) for statement in request.statements])
        found.update(place for place, entry in enumerate(twins) if entry is not None and entry.value is not None)
    return frozenset(found)


def repeated(request: CheckRequest, place: int, pending: Iterable[Migration], done: Iterable[Migration]) -> bool:
    """Whether records say that the statement at `place` does not run. Pure.

    Its uuid is pending or complete, or belongs to something else (which is for the scheduler to refuse); or the same
    statement is pending in its context. One that has failed or was cancelled will run again, so it is tried.
    """
    text, context = request.statements[place].sql, request.migration_context
    uuid = request.migration_uuids[place] if place < len(request.migration_uuids) else ""
    for row in (*pending, *done):
        same = row.migration_statement == text and context in ("", row.migration_context)
        if row.migration_uuid == uuid and not (same and row.migration_status in AGAIN):
            return True
        if same and context and row.migration_status.pending:
            return True
    return False


def _twin_key(request: CheckRequest, statement: Statement) -> str:
    return subjects.twin_key(request.keyspace, request.shard, request.migration_context, statement.sql)
