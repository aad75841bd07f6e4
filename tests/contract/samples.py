"""One sample of each message that crosses a process border."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from alterd_contracts import inputs, requests, work
from alterd_contracts.declaration import Declaration, KindDeclaration, Phase
from alterd_contracts.errors import StatementRefused
from alterd_contracts.events import CommandGiven, Fact, MigrationEvent, RequestRefused
from alterd_contracts.flags import FlagDeclaration, FlagKind
from alterd_contracts.migration import Cursor, Epoch, Hold, Migration
from alterd_contracts.statement import Statement, StatementKind
from alterd_contracts.states import Status

TIME = datetime(2026, 11, 21, 4, 5, 6, 700000, tzinfo=UTC)
UUID = "9e8a9249_3976_11ed_9442_0a43f95f28a3"
ERROR = StatementRefused(
    "MySQL error 1060 (42S21): Duplicate column name 'status'", hint="leave it out", statement="1: alter table demo …"
).info()
STATEMENT = Statement(
    kind=StatementKind.ALTER_TABLE,
    ddl_action="alter",
    table="demo",
    sql="ALTER TABLE demo ADD COLUMN note varchar(20)",
    original="ALTER TABLE commerce.demo ADD COLUMN note varchar(20) -- why",
    number=1,
    qualifier="commerce",
)
REPORT: dict[str, Any] = {
    "keyspace": "commerce",
    "shard": "-80",
    "migration_uuid": UUID,
    "attempt": 2,
    "executor": "host-1",
    "incarnation": "0123456789abcdef",
}
REACHED = work.Reached(rows_copied=100, table_rows=800, progress=12.5)
DECLARATION = Declaration(
    strategy="mysql",
    version="0.1.0",
    kinds=(
        KindDeclaration(kind=StatementKind.ALTER_TABLE, phases=(Phase(name="run", exclusive=True),)),
        KindDeclaration(kind=StatementKind.DROP_TABLE, phases=(Phase(name="run"),), runner="statement"),
    ),
    aliases=("native",),
    flags=(
        FlagDeclaration(
            name="cut-over-threshold",
            kind=FlagKind.DURATION,
            help="how long",
            minimum="5s",
            maximum="30s",
            default="10s",
        ),
    ),
    reserved_flags=("table",),
)
EVENT = MigrationEvent(
    id=f"commerce.-80.{UUID}:2:17:failed",
    time=TIME,
    fact=Fact.FAILED,
    keyspace="commerce",
    shard="-80",
    migration_uuid=UUID,
    migration_context="deploy-7",
    migration_status=Status.FAILED,
    strategy="mysql",
    ddl_action="alter",
    mysql_table="demo",
    attempt=2,
    tablet="host-1",
    message=ERROR.message,
    error=ERROR,
    caller="ann",
    stage="copy",
    ready_to_complete=True,
    cutover_attempts=3,
    rows_copied=100,
    table_rows=800,
)

MESSAGES: tuple[msgspec.Struct, ...] = (
    requests.DdlRequest(
        request_id="deploy-7",
        keyspace="commerce",
        sql="ALTER TABLE demo ADD COLUMN note varchar(20)",
        ddl_strategy="mysql",
        migration_context="deploy-7",
        uuids=(UUID,),
        caller="ann",
    ),
    requests.Accepted(
        request_id="deploy-7",
        keyspace="commerce",
        strategy="mysql",
        migration_context="deploy-7",
        migrations=(
            requests.SubmittedMigration(
                migration_uuid=UUID, mysql_table="demo", ddl_action="alter", migration_statement=STATEMENT.sql
            ),
        ),
        shards=("-80", "80-"),
        warnings=("shard 80- does not answer",),
    ),
    requests.Refusal(errors=(ERROR,)),
    requests.Answered(
        migration_uuid=UUID,
        effects=(
            requests.ShardEffect(shard="-80", affected=1, migration_status=Status.CANCELLED, message="cancelled"),
        ),
        affected=1,
    ),
    requests.CheckRequest(
        request_id="deploy-7",
        keyspace="commerce",
        shard="-80",
        strategy="mysql",
        options="--cut-over-threshold=10s",
        statements=(STATEMENT,),
        migration_uuids=(UUID,),
        migration_context="release-7",
    ),
    requests.CheckReply(errors=(ERROR,), warnings=("slow",), left_out=(1,)),
    requests.PlanReply(steps=(requests.PlanStep(statement=1, action="run", sql=STATEMENT.sql),)),
    requests.ThrottleCheck(keyspace="commerce", shard="-80", app="mysql"),
    requests.Verdict(
        keyspace="commerce",
        shard="-80",
        go=False,
        reason="lag 7.30 > 5 on 127.0.0.1:3307",
        metrics={"lag": 7.3},
        thresholds={"lag": 5.0},
        denied={"online-ddl": 0.5},
        valid_seconds=1.0,
        throttler="host-1",
    ),
    inputs.Submission(
        request_id="deploy-7",
        keyspace="commerce",
        strategy="mysql",
        options="",
        migration_context="deploy-7",
        submitted=(
            inputs.Submitted(
                migration_uuid=UUID,
                statement=STATEMENT,
                choices=inputs.Choices(
                    retain_artifacts_seconds=3600, postpone_completion=True, cutover_threshold_seconds=15
                ),
            ),
        ),
        targets=(inputs.Target(shard="-80", mysql_schema="commerce"),),
        requested_at=TIME,
        caller="ann",
    ),
    inputs.RefusedRequest(request_id="deploy-7", keyspace="commerce", errors=(ERROR,), caller="ann", sql="ALTER …"),
    inputs.Control(
        command=requests.Command.CUTOVER_THRESHOLD,
        keyspace="commerce",
        migration_uuid=UUID,
        shards=("-80",),
        caller="ann",
        cutover_threshold_seconds=15,
    ),
    inputs.RuleChanged(
        command=requests.Command.THROTTLE,
        keyspace="commerce",
        migration_uuid=UUID,
        shards=("-80",),
        ratio=0.5,
        expire_seconds=600,
        caller="ann",
        message="busy",
    ),
    inputs.Started(**REPORT),
    inputs.PhaseEntered(**REPORT, phase="copy", reached=REACHED),
    inputs.ReadyToComplete(**REPORT, ready=True),
    inputs.Throttled(
        **REPORT, throttled=True, component="copy", reason="lag 7.30 > 5 on 127.0.0.1:3307", reached=REACHED
    ),
    inputs.CutoverAttempted(**REPORT, attempts=3, message="waits for connection 17 of app@10.0.0.7", reached=REACHED),
    inputs.ShadowAnalyzed(**REPORT, reached=REACHED),
    inputs.ArtifactDeclared(**REPORT, name="_alterd_hld_9e8a9249397611ed94420a43f95f28a3_261121040506"),
    inputs.Completed(**REPORT, message="done", rows_copied=7, table_rows=8, columns={"removed_unique_keys": 1}),
    inputs.Failed(**REPORT, error=ERROR),
    inputs.CancelledReport(**REPORT),
    inputs.ReleasedReport(**REPORT, reason="the executor stops", error=ERROR, died=True),
    inputs.Stale(**REPORT, seconds=301.5),
    inputs.Collected(**REPORT, names=("_alterd_hld_9e8a9249397611ed94420a43f95f28a3_261121040506",)),
    work.Work(keyspace="commerce", shard="-80", migration_uuid=UUID, attempt=2, strategy="mysql"),
    work.ExecutorInfo(
        executor="host-1",
        incarnation="0123456789abcdef",
        host="host",
        pid=4711,
        version="0.1.0",
        slots=8,
        running=1,
        lease_ttl=15,
        started_at=TIME,
        strategies=(DECLARATION,),
        broken_plugins={"odd": "ImportError: no"},
    ),
    work.Progress(
        keyspace="commerce",
        shard="-80",
        migration_uuid=UUID,
        attempt=2,
        executor="host-1",
        liveness_timestamp=TIME,
        phase="copy",
        progress=12.5,
        rows_copied=100,
        table_rows=800,
        eta_seconds=42,
        keys_waiting=12,
        cutover_attempts=3,
        message="waits for connection 17 of app@10.0.0.7",
    ),
    work.LogLine(time=TIME, level="info", text="copying", attempt=2, executor="host-1"),
    work.DeadLetter(stream="ALTERD_INPUT", subject="alterd.input.c.report", sequence=9, reason="bad", payload="{"),
    EVENT,
    RequestRefused(
        id="commerce:deploy-7:3:refused",
        time=TIME,
        keyspace="commerce",
        request_id="deploy-7",
        errors=(ERROR,),
        caller="ann",
        sql="ALTER …",
    ),
    CommandGiven(
        id="commerce._:17:held",
        time=TIME,
        fact=Fact.HELD,
        command=requests.Command.HOLD,
        keyspace="commerce",
        shards=("-80",),
        caller="ann",
        message="on hold: incident 7",
    ),
)

STORED: tuple[msgspec.Struct, ...] = (
    Migration(
        id=3,
        migration_uuid=UUID,
        keyspace="commerce",
        shard="-80",
        mysql_schema="commerce",
        mysql_table="demo",
        migration_statement=STATEMENT.sql,
        strategy="mysql",
        migration_status=Status.FAILED,
        added_timestamp=TIME,
        completed_timestamp=TIME,
        message=ERROR.message,
        event=EVENT,
        request_id="deploy-7",
        attempt=2,
        input_seq=17,
    ),
    Hold(keyspace="commerce", shard="-80", since=TIME, caller="ann", message="incident 7"),
    requests.ThrottleRule(
        keyspace="commerce", shard="_", app=UUID, ratio=0.5, expire_at=TIME, caller="ann", message="busy"
    ),
    Cursor(input_seq=17, next_id=4),
    Epoch(leader="host-1", started_at=TIME),
)
"""Values of buckets that are no messages: their shape must stay readable too."""
