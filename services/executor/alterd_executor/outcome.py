"""How an attempt ends: what stopped the run, and what the facts say. Pure.

| stopped by                | change has happened | table is as it was     | nobody can tell | not to be found out now |
|---------------------------|---------------------|------------------------|-----------------|-------------------------|
| the run's own error       | completed           | failed, cleaned up     | failed          | released                |
| cancel                    | completed           | cancelled, cleaned up  | failed          | released                |
| stop of the executor      | completed           | released               | failed          | released                |
| an interruption           | released without asking: the next attempt asks |
| the fence                 | silence: a later attempt owns the migration |
"""

from __future__ import annotations

import msgspec

from alterd_contracts.errors import AlterdError, Ambiguous, ErrorInfo, Fenced, Interrupted, Unreachable
from alterd_contracts.strategy import AlreadyCompleted, Facts, Recovery
from alterd_executor.protocol import (
    Ending,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunFenced,
    RunReleased,
)


class CancelWanted(msgspec.Struct, frozen=True):
    """The users want no more of it."""


class Stopped(msgspec.Struct, frozen=True):
    """The executor stops."""


class Broke(msgspec.Struct, frozen=True):
    """The run raised this."""

    error: AlterdError


Cause = CancelWanted | Stopped | Broke
Found = Recovery | AlterdError
"""What `Strategy.recover` returned or raised."""


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """The decision."""

    ending: Ending
    clean_up: bool = False


def passing(error: AlterdError) -> bool:
    """An error that says nothing of the migration: the next attempt asks for the facts."""
    return isinstance(error, Interrupted | Unreachable)


def at_once(cause: Cause) -> Ending | None:
    """The ending where asking for the facts is of no use; None where they decide."""
    if not isinstance(cause, Broke):
        return None
    error = cause.error
    if isinstance(error, Fenced):
        return RunFenced()
    if passing(error):
        return RunReleased(reason=error.message, error=error.info())
    if isinstance(error, Ambiguous):
        return RunFailed(error=error.info())
    return None


def settle(cause: Cause, found: Found) -> Settled:
    """The ending after the facts were asked for."""
    match found:
        case AlreadyCompleted(facts=facts):
            return Settled(ending=completed(facts))
        case Fenced():
            return Settled(ending=RunFenced())
        case AlterdError() as error if passing(error):
            return Settled(ending=RunReleased(reason=error.message, error=error.info()))
        case AlterdError() as error:
            return Settled(ending=RunFailed(error=_with(error.info(), cause)))
        case _:
            return _as_it_was(cause)


def completed(facts: Facts) -> RunCompleted:
    return RunCompleted(
        message=facts.message, rows_copied=facts.rows_copied, table_rows=facts.table_rows, columns=facts.columns
    )


def _as_it_was(cause: Cause) -> Settled:
    match cause:
        case CancelWanted():
            return Settled(ending=RunCancelled(), clean_up=True)
        case Stopped():
            return Settled(ending=RunReleased(reason="the executor stops"))
        case Broke(error=error):
            return Settled(ending=RunFailed(error=error.info()), clean_up=True)


def _with(info: ErrorInfo, cause: Cause) -> ErrorInfo:
    """`info`, and what went wrong before the facts were asked for."""
    if not isinstance(cause, Broke) or cause.error.message == info.message:
        return info
    return msgspec.structs.replace(info, message=f"{info.message} (after: {cause.error.message})")
