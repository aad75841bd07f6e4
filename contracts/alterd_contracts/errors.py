"""The errors that cross a process border, as one tree.

AlterdError
├── InvalidInput                 the caller can mend it             exit code 2
│   ├── InvalidName              a name, uuid or context is malformed
│   ├── InvalidSetting           a setting, flag or topology entry is wrong
│   ├── SyntaxRefused            the statement cannot be read
│   ├── UnsupportedStatement     no schema change, or one nobody offers
│   └── InvalidStrategy          ddl_strategy cannot be used like this
├── NotFound                     exit code 3
│   ├── UnknownKeyspace
│   ├── UnknownStrategy
│   ├── UnknownMigration
│   └── UnknownTable
├── Refused                      well formed, but not now or not here  exit code 4
│   ├── StatementRefused         MySQL or a preflight check refused the statement
│   ├── UuidTaken                the uuid belongs to another request
│   ├── SingletonPending         a singleton is asked for, and another migration is pending
│   ├── UnsafeShard              a shard is in a state alterd will not touch
│   ├── MissingPrivilege         alterd's account on a shard lacks a grant
│   └── NothingToDo              the command has no effect in this state
├── Unreachable                  exit code 5
│   ├── BusUnreachable           NATS
│   ├── ServiceUnreachable       nobody answers on a subject
│   └── ShardUnreachable         MySQL: network, account or primary missing
├── MigrationFailed              exit code 1
│   ├── StatementFailed          MySQL refused the statement while it ran
│   ├── RunDied                  the run's process ended without a word
│   ├── RunLost                  it cannot be resumed, and executor or primary died under it twice
│   ├── StaleRun                 the run showed no sign of life
│   ├── PriorFailed              one before it in its context failed or was cancelled
│   └── Ambiguous                the facts on the server do not tell what happened: never retried
└── Interrupted                  a run stopped before its end; says by whom, fails nothing
    ├── Fenced                   a later attempt owns the migration: write nothing more
    ├── Cancelled                the user's cancel was obeyed
    ├── Released                 the executor gives the work back
    └── LostSession              a MySQL session ended under us

A class's docstring is its default message, ``code`` is stable and documented, ``retryable`` tells whether the
same thing may succeed later without a change by the caller.
"""

from __future__ import annotations

from typing import ClassVar, Self

import msgspec


class ErrorInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error on the wire: what, where and what to do. Never holds a secret."""

    code: str
    message: str
    hint: str = ""
    retryable: bool = False
    where: dict[str, str] = {}
    """Names what is wrong: keys such as ``statement``, ``flag``, ``setting``, ``keyspace``, ``shard``, ``table``."""


class AlterdError(Exception):
    """Something went wrong inside alterd."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str = "", *, hint: str = "", **where: object) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.hint = hint
        self.where = {name: str(value) for name, value in where.items()}
        super().__init__(self.message)

    def info(self) -> ErrorInfo:
        """The error as it goes over the wire."""
        return ErrorInfo(
            code=self.code, message=self.message, hint=self.hint, retryable=self.retryable, where=self.where
        )

    @classmethod
    def of(cls, info: ErrorInfo) -> AlterdError:
        """The error that `info` describes; an unknown code becomes a plain AlterdError that keeps the text."""
        found = by_code().get(info.code, AlterdError)
        return found._rebuild(info)

    @classmethod
    def _rebuild(cls, info: ErrorInfo) -> Self:
        error = cls(info.message, hint=info.hint)
        error.where = dict(info.where)
        return error


def by_code() -> dict[str, type[AlterdError]]:
    """Every error class by its stable code."""

    def walk(cls: type[AlterdError]) -> dict[str, type[AlterdError]]:
        found = {cls.code: cls} if "code" in vars(cls) else {}  # a finer class with its parent's code is the parent
        for child in cls.__subclasses__():
            found.update(walk(child))
        return found

    return walk(AlterdError)


class InvalidInput(AlterdError):
    """The request cannot be read."""

    code = "invalid_input"
    exit_code = 2


class InvalidName(InvalidInput):
    """The name is malformed."""

    code = "invalid_name"


class InvalidSetting(InvalidInput):
    """A setting is wrong."""

    code = "invalid_setting"


class SyntaxRefused(InvalidInput):
    """The statement cannot be read."""

    code = "syntax_error"


class UnsupportedStatement(InvalidInput):
    """The statement is no schema change that can be managed."""

    code = "unsupported_statement"


class InvalidStrategy(InvalidInput):
    """The ddl_strategy cannot be used like this."""

    code = "invalid_strategy"


class NotFound(AlterdError):
    """What was named does not exist."""

    code = "not_found"
    exit_code = 3


class UnknownKeyspace(NotFound):
    """There is no such keyspace."""

    code = "unknown_keyspace"


class UnknownStrategy(NotFound):
    """No running executor offers this strategy."""

    code = "unknown_strategy"


class UnknownMigration(NotFound):
    """There is no such migration."""

    code = "unknown_migration"


class UnknownTable(NotFound):
    """There is no such table."""

    code = "unknown_table"


class Refused(AlterdError):
    """The request was refused."""

    code = "refused"
    exit_code = 4


class StatementRefused(Refused):
    """The statement would fail on this schema."""

    code = "statement_refused"


class UuidTaken(Refused):
    """The uuid belongs to another migration."""

    code = "uuid_taken"


class SingletonPending(Refused):
    """Another migration is pending."""

    code = "singleton_pending"
    retryable = True


class UnsafeShard(Refused):
    """The shard is in a state that alterd does not touch."""

    code = "unsafe_shard"


class MissingPrivilege(Refused):
    """alterd's account on the shard lacks a privilege."""

    code = "missing_privilege"


class NothingToDo(Refused):
    """The command has no effect on a migration in this state."""

    code = "nothing_to_do"


class Unreachable(AlterdError):
    """Something that is needed does not answer."""

    code = "unreachable"
    retryable = True
    exit_code = 5


class BusUnreachable(Unreachable):
    """NATS does not answer."""

    code = "nats_unreachable"


class ServiceUnreachable(Unreachable):
    """No service answers."""

    code = "service_unreachable"


class ShardUnreachable(Unreachable):
    """The shard's MySQL does not answer."""

    code = "shard_unreachable"


class MigrationFailed(AlterdError):
    """The migration failed."""

    code = "migration_failed"


class StatementFailed(MigrationFailed):
    """MySQL refused the statement."""

    code = "statement_failed"


class RunDied(MigrationFailed):
    """The run's process died again and again."""

    code = "run_died"
    retryable = True


class RunLost(MigrationFailed):
    """The executor or the primary died under the run again, and it cannot be resumed."""

    code = "run_lost"
    retryable = True


class StaleRun(MigrationFailed):
    """The run showed no sign of life."""

    code = "stale_run"
    retryable = True


class PriorFailed(MigrationFailed):
    """A migration before this one in its context failed or was cancelled."""

    code = "prior_failed"


class Ambiguous(MigrationFailed):
    """The facts on the server do not tell what happened; a person has to look."""

    code = "ambiguous"


class Interrupted(AlterdError):
    """The run stopped before its end."""

    code = "interrupted"
    retryable = True


class Fenced(Interrupted):
    """A later attempt owns this migration; this one writes nothing more."""

    code = "fenced"


class Cancelled(Interrupted):
    """The migration was cancelled."""

    code = "cancelled"


class Released(Interrupted):
    """The executor gave the work back."""

    code = "released"


class LostSession(Interrupted):
    """A MySQL session ended under the run."""

    code = "lost_session"
