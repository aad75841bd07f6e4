"""What the scheduler under test is told: requests of every shape, and what executors report."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from alterd_contracts.errors import MigrationFailed
from alterd_contracts.inputs import (
    ArtifactDeclared,
    CancelledReport,
    Choices,
    Completed,
    CutoverAttempted,
    Failed,
    Input,
    PhaseEntered,
    ReadyToComplete,
    ReleasedReport,
    Stale,
    Submission,
    Submitted,
    Target,
    Throttled,
)
from alterd_contracts.names import migration_uuid
from alterd_contracts.statement import Statement, StatementKind
from alterd_contracts.work import Reached
from tests.unit.scheduler_world import BEGIN

SHARDS = ("-80", "80-")
KEYSPACE = "commerce"
COUNT = 6
"""Requests that a machine may submit."""

SHAPES = {
    "create": Choices(is_immediate_operation=True, tail_phases=("running",), pausable=False),
    "alter": Choices(exclusive_phases=("copy",), tail_phases=("checksum", "cut-over")),
    "as it is": Choices(exclusive_phases=("running",), pausable=False, postponable=False),
    "at once": Choices(
        is_immediate_operation=True, exclusive_phases=("copy",), tail_phases=("checksum",), special_plan="instant"
    ),
}
SHAPE = st.sampled_from(sorted(SHAPES))
WRITES = st.integers(0, 30)
SINGLETON_FLAGS = ("singleton", "singleton-context", "singleton-table")
REQUESTS = st.integers(0, COUNT - 1)
ATTEMPTS = st.integers(1, 3)
EXECUTORS = st.sampled_from(["e1", "e2"])
ENDINGS = st.sampled_from(
    [
        "completed",
        "failed",
        "cancelled",
        "released",
        "died",
        "artifact",
        "copy",
        "checksum",
        "running",
        "ready",
        "unready",
        "throttled",
        "unthrottled",
        "cutover",
        "stale",
    ]
)
RARELY = st.sampled_from([False, False, False, True])


@st.composite
def submissions(draw: st.DrawFn) -> Submission:
    """Every shape with every flag; tables, contexts and statements meet often."""
    table = draw(st.sampled_from(["t", "u", "T"]))
    return submission(
        draw(REQUESTS),
        draw(SHAPE),
        table,
        sql=f"alter {table} {draw(st.sampled_from('ab'))}",
        context=draw(st.sampled_from("cd")),
        singleton=draw(st.sampled_from(SINGLETON_FLAGS)) if draw(RARELY) else "",
        allow_concurrent=draw(st.booleans()),
        in_order_completion=draw(st.booleans()),
        postpone_launch=draw(RARELY),
        postpone_completion=draw(RARELY),
    )


def submission(
    request: int, shape: str, table: str, *, sql: str = "", context: str = "c", singleton: str = "", **choices: Any
) -> Submission:
    statement = Statement(
        kind=StatementKind.ALTER_TABLE, ddl_action="alter", table=table, sql=sql or f"alter {request}", original=""
    )
    if not SHAPES[shape].postponable:  # intake refuses it
        choices["postpone_completion"] = False
    item = Submitted(
        migration_uuid=migration_uuid(f"r{request}", 0),
        statement=statement,
        choices=msgspec.structs.replace(SHAPES[shape], **choices),
    )
    return Submission(
        request_id=f"r{request}",
        keyspace=KEYSPACE,
        strategy="vitess",
        options="",
        migration_context=context,
        submitted=(item,),
        targets=tuple(Target(shard=shard, mysql_schema="s") for shard in SHARDS),
        requested_at=BEGIN,
        singletons=(singleton,) if singleton else (),
    )


def base(request: int, shard: str, attempt: int, executor: str) -> dict[str, Any]:
    """What every report names."""
    return {
        "keyspace": KEYSPACE,
        "shard": shard,
        "migration_uuid": migration_uuid(f"r{request}", 0),
        "attempt": attempt,
        "executor": executor,
        "incarnation": f"{executor}-1",
    }


def report(base: dict[str, Any], ending: str, number: int) -> Input:  # noqa: PLR0911 - one for each kind
    far: dict[str, Any] = {**base, "reached": Reached(rows_copied=number, table_rows=9)}
    match ending:
        case "completed":
            return Completed(**base, rows_copied=number)
        case "failed":
            return Failed(**far, error=MigrationFailed().info())
        case "cancelled":
            return CancelledReport(**far)
        case "artifact":
            return ArtifactDeclared(**base, name="_alterd_shd_x_")
        case "copy" | "checksum" | "running":
            return PhaseEntered(**far, phase=ending)
        case "ready" | "unready":
            return ReadyToComplete(**far, ready=ending == "ready")
        case "throttled" | "unthrottled":
            return Throttled(**far, throttled=ending == "throttled", reason="lag")
        case "stale":
            return Stale(**base, seconds=number)
        case "cutover":
            return CutoverAttempted(**far, attempts=number)
        case _:
            return ReleasedReport(**far, reason="r", died=ending == "died")
