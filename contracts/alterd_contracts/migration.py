"""The migration record: one shard migration, with Vitess's column names.

The scheduler alone writes it. Columns that only a later capability fills keep their defaults. Times are UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec

from alterd_contracts import subjects
from alterd_contracts.events import MigrationEvent
from alterd_contracts.statement import StatementKind
from alterd_contracts.states import Status
from alterd_contracts.work import Reached

Timestamp = Annotated[datetime, msgspec.Meta(tz=True)]


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One shard migration. Fields up to `keys_waiting` are the columns a user sees."""

    id: int
    """Order of submission over the whole system; the rows of one migration share it."""
    migration_uuid: str
    keyspace: str
    shard: str
    mysql_schema: str
    mysql_table: str
    migration_statement: str
    strategy: str
    options: str = ""
    added_timestamp: Timestamp | None = None
    requested_timestamp: Timestamp | None = None
    ready_timestamp: Timestamp | None = None
    started_timestamp: Timestamp | None = None
    liveness_timestamp: Timestamp | None = None
    completed_timestamp: Timestamp | None = None
    cleanup_timestamp: Timestamp | None = None
    migration_status: Status = Status.QUEUED
    log_path: str = ""
    log_file: str = ""
    artifacts: str = ""
    """Names, each followed by a comma."""
    retries: int = 0
    tablet: str = ""
    """Id of the executor that owns or owned it."""
    tablet_failure: bool = False
    progress: float = 0.0
    """Percent, 0 to 100."""
    migration_context: str = ""
    ddl_action: str = ""
    message: str = ""
    message_timestamp: Timestamp | None = None
    eta_seconds: int = -1
    """-1 unknown, 0 now."""
    rows_copied: int = 0
    table_rows: int = 0
    vreplication_lag_seconds: int | float = 0
    """Seconds for which the run's change stream is behind. Records keep whole ones, a running one is shown finer."""
    added_unique_keys: int = 0
    removed_unique_keys: int = 0
    removed_unique_key_names: str = ""
    removed_foreign_key_names: str = ""
    dropped_no_default_column_names: str = ""
    expanded_column_names: str = ""
    revertible_notes: str = ""
    retain_artifacts_seconds: int = 0
    """-1 collect now, 0 the default."""
    postpone_launch: bool = False
    postpone_completion: bool = False
    allow_concurrent: bool = False
    reverted_uuid: str = ""
    is_view: bool = False
    ready_to_complete: bool = False
    ready_to_complete_timestamp: Timestamp | None = None
    vitess_liveness_indicator: int = 0
    user_throttle_ratio: float = 0.0
    special_plan: str = ""
    last_throttled_timestamp: Timestamp | None = None
    component_throttled: str = ""
    reason_throttled: str = ""
    cancelled_timestamp: Timestamp | None = None
    stage: str = ""
    cutover_attempts: int = 0
    last_cutover_attempt_timestamp: Timestamp | None = None
    is_immediate_operation: bool = False
    reviewed_timestamp: Timestamp | None = None
    shadow_analyzed_timestamp: Timestamp | None = None
    force_cutover: bool = False
    cutover_threshold_seconds: int = 0
    in_order_completion_pending_count: int = 0
    keys_waiting: int = 0
    """Not Vitess's: keys of rows that were written meanwhile, and wait to be applied. Of a running one only."""

    # What alterd keeps beside the columns.
    request_id: str = ""
    answered: tuple[str, ...] = ()
    """Ids of the last requests that named this migration again: each acts as a retry once, however often it comes."""
    retain_artifacts_submitted: int = 0
    """`retain_artifacts_seconds` as it was submitted: a retry after a cleanup goes back to it."""
    statement_kind: StatementKind = StatementKind.ALTER_TABLE
    if_exists: bool = False
    if_not_exists: bool = False
    attempt: int = 0
    """Of the last dispatch; rises for ever, also over retries."""
    first_attempt: int = 1
    """The attempt at which the current try began: a retry starts over, what came before is only cleaned up."""
    deaths: int = 0
    """Runs of this try that ended without a word."""
    losses: int = 0
    """How often in this try the executor or the primary died under a run."""
    resumable: bool = True
    """A dead attempt's work is taken up where it stood, or is done in an instant."""
    incarnation: str = ""
    """Of the executor in `tablet`: tells a restarted one from the one that was granted the attempt."""
    error_code: str = ""
    cancel_requested: bool = False
    cancel_message: str = ""
    paused: bool = False
    """By a user, or because its shard is held: it does not begin, a run of it waits."""
    pause_requested: bool = False
    """By a user; stays when a hold ends."""
    pausable: bool = True
    """A run of it can wait; what MySQL carries out alone cannot."""
    postponable: bool = True
    """Its completion can be held back, as its strategy declared when it was submitted."""
    cuts_over: bool = True
    """It ends with a cut-over, as its strategy declared when it was submitted."""
    parked: bool = False
    """Paused while it had a place on its shard, which others have now; it goes on when there is one for it again."""
    held: bool = False
    """Its keyspace or shard is on hold."""
    priority: int = 0
    """Of what may begin, the higher ones first."""
    gated: bool = False
    """Its completion waits until all shards of the migration are ready."""
    singletons: tuple[str, ...] = ()
    """Names of the singleton flags that it was submitted with."""
    in_order_completion: bool = False
    exclusive_phases: tuple[str, ...] = ()
    """As its strategy declared them when it was submitted; so are `tail_phases`, those after the last exclusive one."""
    tail_phases: tuple[str, ...] = ()
    exclusive: bool = False
    """It has the shard's one exclusive place: from its admission until it has left its last exclusive phase."""
    exclusive_wanted: bool = False
    """A later attempt has to go through an exclusive phase again, and waits for the place."""
    gate_id: int = 0
    """The input that asked for the gate: its rows share it, also once it is open. 0: there is none."""
    gate_shards: tuple[str, ...] = ()
    """The shards that the gate was asked for. Empty in records of earlier releases."""
    gate_spread_ms: float = -1.0
    """Milliseconds between the first completion of its gate and its own; -1: there was no gate."""
    dispatch_delay: float = 0.0
    """Seconds that a ready attempt waits before it is put into the work queue, by the leader's monotonic clock; kept
    until the attempt has entered a phase."""
    caller: str = ""
    input_seq: int = 0
    """The last input that changed this record: what the log delivers again is skipped."""
    event: MigrationEvent | None = None
    """The fact of the last write, published after it."""

    @property
    def open_key(self) -> str:
        return subjects.open_key(self.keyspace, self.shard, self.migration_uuid)

    @property
    def done_key(self) -> str:
        return subjects.done_key(self.keyspace, self.shard, self.migration_uuid)

    @property
    def reached(self) -> Reached:
        return Reached(rows_copied=self.rows_copied, table_rows=self.table_rows, progress=self.progress)

    @property
    def ever_dispatched(self) -> bool:
        """Some attempt of the current try may have touched the shard."""
        return self.attempt >= self.first_attempt

    def has_answered(self, request_id: str) -> bool:
        """Whether this very request was decided for this migration before."""
        return request_id == self.request_id or request_id in self.answered

    def evolve(self, **changes: Any) -> Migration:
        return msgspec.structs.replace(self, **changes)


COLUMNS: tuple[str, ...] = Migration.__struct_fields__[: Migration.__struct_fields__.index("keys_waiting") + 1]
"""The columns a user sees, in order."""


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A keyspace, or one shard of it, in which nothing goes on."""

    keyspace: str
    shard: str
    """`subjects.EVERYWHERE`: all of them, also those that it gets later."""
    since: Timestamp
    caller: str = ""
    message: str = ""

    def covers(self, keyspace: str, shard: str) -> bool:
        return keyspace == self.keyspace and self.shard in (subjects.EVERYWHERE, shard)


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """How far the leader has come: all inputs up to `input_seq` are decided, their events published."""

    input_seq: int = 0
    next_id: int = 1


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """Who leads."""

    leader: str
    started_at: Timestamp
