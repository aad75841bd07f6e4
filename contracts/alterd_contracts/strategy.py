"""What a strategy is, and all that it sees of alterd.

One runner drives every strategy through the same steps, in a process of its own::

    check ──► plan            served on request, no side effects
    recover ──► run           recover first when an attempt came before
       └────────┴──► recover  after an error, a cancel or a lost session: what do the facts say?
    cleanup                   after every ending that leaves the table as it was

Strategies are async classes; hooks only register them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import msgspec

from alterd_contracts.declaration import Declaration, ToolDeclaration
from alterd_contracts.errors import AlterdError
from alterd_contracts.migration import Migration
from alterd_contracts.names import ArtifactKind
from alterd_contracts.requests import PlanStep
from alterd_contracts.statement import Statement


class Session(Protocol):
    """A named MySQL session that can be killed and never reconnects. One statement at a time.

    A refused statement raises `StatementFailed`, a lost connection `LostSession`. Cancelling the waiting task kills
    the statement on the server and leaves the session usable.
    """

    @property
    def connection_id(self) -> int: ...
    async def query(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]: ...
    async def value(self, sql: str, params: Sequence[Any] = ()) -> Any: ...
    async def execute(self, sql: str, params: Sequence[Any] = ()) -> int: ...
    async def close(self) -> None: ...


class Throttle(Protocol):
    """Whether to write now."""

    @property
    def url(self) -> str:
        """For tools on this host: 200 go, 429 wait."""
        ...

    async def wait(self, app: str) -> float:
        """Returns at once, or when the throttler says go: the seconds waited. No verdict means wait."""
        ...


class Log(Protocol):
    """The migration's own log, shown by ``alterd logs``."""

    def info(self, text: str) -> None: ...
    def warning(self, text: str) -> None: ...
    def error(self, text: str) -> None: ...


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the users want of the run, out of the record."""

    cancel_requested: bool = False
    may_complete: bool = True
    """False while completion is postponed, or in order and not its turn, or while it is paused."""
    force_cutover: bool = False
    cutover_threshold_seconds: int = 0
    paused: bool = False
    exclusive: bool = True
    """False: an exclusive phase has to wait for the shard's one place."""

    @classmethod
    def of(cls, record: Migration) -> Wanted:
        return cls(
            cancel_requested=record.cancel_requested,
            may_complete=not record.postpone_completion
            and not record.paused
            and not (record.in_order_completion and record.in_order_completion_pending_count),
            force_cutover=record.force_cutover,
            cutover_threshold_seconds=record.cutover_threshold_seconds,
            paused=record.paused,
            exclusive=record.exclusive or not record.exclusive_phases,
        )


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a completed run tells."""

    message: str = ""
    rows_copied: int = 0
    table_rows: int = 0
    columns: dict[str, str | int | bool] = {}
    """Further columns of the record."""


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """The dead attempt's work is taken up where it stood."""


class AlreadyCompleted(msgspec.Struct, frozen=True, kw_only=True):
    """The change has happened."""

    facts: Facts


class StartOver(msgspec.Struct, frozen=True, kw_only=True):
    """The table is as it was."""


Recovery = Resume | AlreadyCompleted | StartOver
"""What `Strategy.recover` finds; it raises `Ambiguous` where the facts do not tell."""


class Task(Protocol):
    """All that a running strategy sees of alterd."""

    @property
    def migration(self) -> Migration: ...
    @property
    def statement(self) -> Statement: ...
    @property
    def attempt(self) -> int: ...
    @property
    def workdir(self) -> Path:
        """A folder of this attempt, removed afterwards."""
        ...

    @property
    def throttle(self) -> Throttle: ...
    @property
    def log(self) -> Log: ...
    @property
    def wanted(self) -> Wanted:
        """As last heard; `may_complete` asks afresh."""
        ...

    async def wanted_changed(self) -> Wanted:
        """Returns when `wanted` differs from what it was at the call."""
        ...

    async def primary(self, variables: Mapping[str, str | int] | None = None) -> Session:
        """A new fenced session on the primary, with these session variables. Raises `Fenced`, `ShardUnreachable`."""
        ...

    async def replica(self) -> Session | None:
        """A new session on a replica; None where the shard has none."""
        ...

    async def replicas(self) -> dict[str, Session]:
        """A new session on each replica that answers, by its ``host:port``."""
        ...

    def fenced(self, session: Session) -> AbstractAsyncContextManager[None]:
        """A transaction that begins by reading the fence, and raises `Fenced` if a later attempt owns it."""
        ...

    async def check_fence(self, session: Session) -> None:
        """Raises `Fenced` unless this attempt owns the migration; begins no transaction, so it may run under a lock."""
        ...

    def login(self) -> Login:
        """How a program of the strategy's own reaches the primary: as this task's sessions do, under their name."""
        ...

    def replica_logins(self) -> Sequence[Login]:
        """The same for each replica; none of them was asked whether it answers."""
        ...

    async def phase(self, name: str) -> None:
        """A declared phase begins. One that is exclusive waits until the shard has no other in such a phase."""
        ...

    async def ready(self, ready: bool = True) -> None:
        """Whether only the completion is left."""
        ...

    async def shadow_analyzed(self) -> None:
        """The new table has its statistics: a column of the record says since when."""
        ...

    async def may_complete(self) -> bool:
        """Read fresh, right before the point of no return; waits while NATS does not answer."""
        ...

    def progress(
        self,
        *,
        rows_copied: int = 0,
        table_rows: int = 0,
        percent: float | None = None,
        eta_seconds: int = -1,
        lag_seconds: float = 0.0,
        stage: str = "",
        cutover_attempts: int = 0,
        keys_waiting: int = 0,
        message: str = "",
        rows_repaired: int = 0,
    ) -> None:
        """How far the run is; also a sign of life. Each call says all of it, several a second are well.

        `rows_copied` and `table_rows` (an estimate) give `percent` unless it is told. Users never see rows fall within
        a try, so a call that leaves them out changes nothing about them. `lag_seconds`: how far the change stream is
        behind; `keys_waiting`: keys that are still to be applied. `cutover_attempts`: of the whole try, a later
        attempt goes on from `migration.cutover_attempts`. `message`: what the run waits for, in words for users (who
        blocks the cut-over). `rows_repaired`: rows of this attempt that a
        comparison found different, and were written anew.
        """
        ...

    def alive(self) -> None:
        """A sign of life."""
        ...

    async def artifact(self, kind: ArtifactKind) -> str:
        """A name for an artifact that may exist from now on: written down on the shard before it is returned."""
        ...

    async def tool_artifacts(self, endings: Sequence[str]) -> tuple[str, ...]:
        """The same for the tables of a tool that makes their names from a beginning: one name for each of `endings`
        (three small letters), alike but for that: ``_alterd_<uuid>_<time>_gho``. All of them are written down.
        """
        ...

    async def foreign_artifacts(self, names: Sequence[str]) -> None:
        """The same for tables of a tool that takes their names from nobody: they are written down as they are.

        All of them or none: raises `Refused` where there is a table or view of such a name that this migration has not
        written down before, or another migration uses the name. So what is there afterwards is this migration's, and
        the call may be repeated, by a clean-up too. A run that is over leaves nothing under such a name: it drops or
        renames what is there, and forgets the name.
        """
        ...

    async def forget_artifact(self, name: str) -> None:
        """The artifact does not exist (any more)."""
        ...

    async def account(self, grants: Sequence[str]) -> Account:
        """A MySQL account of this attempt with these grants (``SELECT ON `s`.*``), dropped whatever happens.

        An attempt has one: asked again, it is made anew. Before `recover` is called it is locked, and its sessions are
        gone; it is dropped after `cleanup`, so what was made with it as its definer goes on until then.
        """
        ...

    async def subprocess(
        self, argv: Sequence[str], env: Mapping[str, str], tell: Callable[[str], None] | None = None
    ) -> int:
        """Runs a program in a process group of its own, in `workdir`; dies with the run. Returns the exit code.

        Its output goes to the log line by line, or to `tell` in its place. Secrets belong into `env` or a file in
        `workdir`, never into `argv`.
        """
        ...


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A MySQL account of one attempt."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Account(user={self.user!r}, password=***)"


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach a server. A session of that name is ended with the attempt."""

    host: str
    port: int
    user: str
    password: str
    name: str
    """The `program_name` of the session."""

    def __repr__(self) -> str:
        return f"Login({self.host}:{self.port}, user={self.user!r}, password=***, name={self.name!r})"


class ShardView(Protocol):
    """A shard as `check` and `plan` see it: empty copies of its tables in a scratch schema."""

    @property
    def keyspace(self) -> str: ...
    @property
    def shard(self) -> str: ...
    @property
    def schema(self) -> str: ...
    @property
    def scratch(self) -> Session:
        """Its current schema is the scratch schema, where the script's earlier statements have been applied."""
        ...

    async def definition(self, table: str) -> str | None:
        """SHOW CREATE TABLE of the real table, None where there is none."""
        ...

    def warn(self, text: str) -> None:
        """Tells whoever submits what speaks against nothing and is worth knowing."""
        ...


class Strategy(ABC):
    """How a change is carried out. One instance serves many attempts: it keeps no state between them."""

    @abstractmethod
    def declare(self) -> Declaration:
        """What this strategy offers. The same for ever in one process."""

    async def tool_version(self, tool: ToolDeclaration) -> str:  # noqa: ARG002
        """The version of the declared program that runs take on this host, for `alterd doctor`; empty: not looked at.

        Raises what `check` answers where it does not run or is not taken. Asked only if the declaration names a path.
        """
        return ""

    async def check(self, change: Migration, shard: ShardView) -> Sequence[AlterdError]:  # noqa: ARG002
        """What speaks against `change`, beyond MySQL's own word on the empty copy. No side effects."""
        return ()

    async def special_plan(self, change: Migration, shard: ShardView) -> str:  # noqa: ARG002
        """What the server does at once by itself, as the column `special_plan` tells it: ``{"operation":"…"}``.

        Asked before `check`, which finds it in `change`. Such a migration is immediate: while its completion is held
        back it is not begun. Empty: no such thing. No side effects.
        """
        return ""

    async def plan(self, change: Migration, shard: ShardView) -> Sequence[PlanStep]:  # noqa: ARG002
        """What `run` would do. No side effects."""
        return (PlanStep(statement=1, action="run", sql=change.migration_statement),)

    @abstractmethod
    async def run(self, task: Task) -> Facts:
        """Carries the change out. Raises an AlterdError; what it raises, and a cancel, is followed by `recover`."""

    @abstractmethod
    async def recover(self, task: Task, last_attempt: int) -> Recovery:
        """What attempt `last_attempt` left, by facts on the server; its sessions, those of its accounts too, are gone
        when this is called.

        Raises `Ambiguous` where the facts do not tell.
        """

    async def cleanup(self, task: Task) -> None:  # noqa: B027
        """Removes what no longer serves, after every ending that left the table as it was. Idempotent."""
