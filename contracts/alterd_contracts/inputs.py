"""What the scheduler reads: one ordered log of submissions, controls and reports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from alterd_contracts.errors import ErrorInfo
from alterd_contracts.requests import Accepted, Command, SubmittedMigration
from alterd_contracts.statement import Statement
from alterd_contracts.work import Reached

Time = Annotated[datetime, msgspec.Meta(tz=True)]


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What the flags of the ddl_strategy put into the record of one statement, under the columns' names."""

    retain_artifacts_seconds: int = 0
    postpone_completion: bool = False
    cutover_threshold_seconds: int = 0
    postpone_launch: bool = False
    allow_concurrent: bool = False
    """Asked for, and declared for such a statement."""
    in_order_completion: bool = False
    is_immediate_operation: bool = False
    """This and the phases are what the strategy declares of such a statement."""
    exclusive_phases: tuple[str, ...] = ()
    tail_phases: tuple[str, ...] = ()
    resumable: bool = True
    """False: what dies with its executor or primary begins anew, once by itself."""
    pausable: bool = True
    """False: once a run of it has begun it cannot wait."""
    postponable: bool = True
    """False: its completion cannot be held back."""
    cuts_over: bool = True
    """False: there is no cut-over to force or to give a threshold."""
    special_plan: str = ""
    """What MySQL does at once by itself, as the shards that could be asked agree; the column's text."""


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    """A statement with its uuid."""

    migration_uuid: str
    statement: Statement
    choices: Choices = Choices()


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A shard as it was resolved at submission."""

    shard: str
    mysql_schema: str


class Submission(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.input.submission.v1", tag_field="type"):
    """A checked request: every statement on every shard becomes a record."""

    request_id: str
    keyspace: str
    strategy: str
    options: str
    migration_context: str
    submitted: tuple[Submitted, ...]
    targets: tuple[Target, ...]
    requested_at: Time
    caller: str = ""
    singletons: tuple[str, ...] = ()
    """Names of the singleton flags that were given."""

    def accepted(self, *, decided: bool = True, wait: bool = False, warnings: tuple[str, ...] = ()) -> Accepted:
        """What its caller is told."""
        return Accepted(
            request_id=self.request_id,
            keyspace=self.keyspace,
            strategy=self.strategy,
            migration_context=self.migration_context,
            migrations=tuple(
                SubmittedMigration(
                    migration_uuid=item.migration_uuid,
                    mysql_table=item.statement.table,
                    ddl_action=item.statement.ddl_action,
                    migration_statement=item.statement.sql,
                )
                for item in self.submitted
            ),
            shards=tuple(target.shard for target in self.targets),
            decided=decided,
            wait=wait,
            warnings=warnings,
        )


class RefusedRequest(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.input.refused.v1", tag_field="type"):
    """A request that intake refused: nothing is queued, the fact is kept."""

    request_id: str
    keyspace: str
    errors: tuple[ErrorInfo, ...]
    caller: str = ""
    sql: str = ""


class Control(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.input.control.v1", tag_field="type"):
    """A user's command."""

    command: Command
    keyspace: str
    migration_uuid: str = ""
    """Empty: every pending migration of the keyspace on which the command has an effect."""
    migration_context: str = ""
    """With a command to all: only those of this context. Empty: of any."""
    shards: tuple[str, ...] = ()
    """Empty: all."""
    caller: str = ""
    message: str = ""
    cutover_threshold_seconds: int = 0
    """With `Command.CUTOVER_THRESHOLD`; 0 means the default."""
    gate: bool = False
    """With `Command.COMPLETE`: the holds of all shards go in one step, once each of them is ready."""
    priority: int = 0
    """With `Command.PRIORITY`: higher ones begin earlier; 0 is what a migration has at first."""
    expire_seconds: int = 0
    """With `Command.THROTTLE`: when it ends by itself; 0 means the default."""
    ratio: float = 1.0
    """With `Command.THROTTLE`: which part of the questions is answered with wait, above 0 to 1."""


class RuleChanged(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.input.rule.v1", tag_field="type"):
    """The throttler has done what a user asked of it; for the audit."""

    command: Command
    """`Command.THROTTLE` or `Command.UNTHROTTLE`."""
    keyspace: str
    migration_uuid: str = ""
    """Empty: every migration."""
    shards: tuple[str, ...] = ()
    """Empty: all."""
    ratio: float = 1.0
    expire_seconds: int = 0
    caller: str = ""
    message: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What every report names. Reports of another attempt than the record's are ignored and counted."""

    keyspace: str
    shard: str
    migration_uuid: str
    attempt: int
    executor: str
    incarnation: str
    """Of the executor's process: a restarted executor is another one."""


class Started(Report, frozen=True, kw_only=True, tag="alterd.report.started.v1", tag_field="type"):
    """The executor took the attempt and asks to be granted it."""


class ProgressReport(Report, frozen=True, kw_only=True):
    """A turn of the run, and how far it had come."""

    reached: Reached = Reached()


class PhaseEntered(ProgressReport, frozen=True, kw_only=True, tag="alterd.report.phase.v1", tag_field="type"):
    phase: str


class ReadyToComplete(ProgressReport, frozen=True, kw_only=True, tag="alterd.report.ready.v1", tag_field="type"):
    ready: bool


class Throttled(ProgressReport, frozen=True, kw_only=True, tag="alterd.report.throttled.v1", tag_field="type"):
    """The run waits for the throttler, or no longer does; short waits are not told."""

    throttled: bool
    component: str = ""
    """What waits."""
    reason: str = ""


class CutoverAttempted(ProgressReport, frozen=True, kw_only=True, tag="alterd.report.cutover.v1", tag_field="type"):
    """The run tried to cut over."""

    attempts: int
    """Of this try so far."""
    message: str = ""
    """What was in the way."""


class ShadowAnalyzed(ProgressReport, frozen=True, kw_only=True, tag="alterd.report.analyzed.v1", tag_field="type"):
    """The new table has its statistics, before it is put into place."""


class ArtifactDeclared(Report, frozen=True, kw_only=True, tag="alterd.report.artifact.v1", tag_field="type"):
    """An artifact is written down, and may exist from now on."""

    name: str


class Completed(Report, frozen=True, kw_only=True, tag="alterd.report.completed.v1", tag_field="type"):
    message: str = ""
    rows_copied: int = 0
    table_rows: int = 0
    columns: dict[str, str | int | bool] = {}
    """Further columns of the record that the strategy fills."""


class Failed(ProgressReport, frozen=True, kw_only=True, tag="alterd.report.failed.v1", tag_field="type"):
    error: ErrorInfo


class CancelledReport(ProgressReport, frozen=True, kw_only=True, tag="alterd.report.cancelled.v1", tag_field="type"):
    """The run obeyed the cancel; the table is as it was."""


class ReleasedReport(ProgressReport, frozen=True, kw_only=True, tag="alterd.report.released.v1", tag_field="type"):
    """The attempt is given back; another one decides by facts how to go on."""

    reason: str
    error: ErrorInfo | None = None
    died: bool = False
    """The run's process ended without a word: counted, so that a deadly statement does not run for ever."""


class Stale(Report, frozen=True, kw_only=True, tag="alterd.report.stale.v1", tag_field="type"):
    """The run shows no sign of life."""

    seconds: float


class Collected(Report, frozen=True, kw_only=True, tag="alterd.report.collected.v1", tag_field="type"):
    """Artifacts past their retention are gone. Not tied to an attempt."""

    names: tuple[str, ...]


AttemptReport = (
    Started
    | PhaseEntered
    | ReadyToComplete
    | Throttled
    | CutoverAttempted
    | ShadowAnalyzed
    | ArtifactDeclared
    | Completed
    | Failed
    | CancelledReport
    | ReleasedReport
    | Stale
)
Input = Submission | RefusedRequest | Control | RuleChanged | AttemptReport | Collected
