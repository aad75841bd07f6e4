"""Whether an attempt is offered, ours or gone, by its record alone. Pure."""

from __future__ import annotations

from enum import StrEnum

from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from alterd_contracts.work import Work
from alterd_executor.identity import Identity


class Standing(StrEnum):
    """What an attempt is to this executor."""

    OFFERED = "offered"
    """The record waits for an executor."""
    OURS = "ours"
    """The scheduler granted it to this process."""
    GONE = "gone"
    """Decided otherwise: nothing may be done, nobody is told."""


def standing(record: Migration | None, work: Work, identity: Identity) -> Standing:
    """What `work` is to the executor of `identity`; `record` None: there is no open record."""
    if record is None or record.attempt > work.attempt:
        return Standing.GONE
    if record.attempt < work.attempt:
        return Standing.OFFERED  # a copy of the record that is behind
    if record.migration_status is Status.READY:
        return Standing.OFFERED
    ours = (record.tablet, record.incarnation) == (identity.executor, identity.incarnation)
    return Standing.OURS if record.migration_status is Status.RUNNING and ours else Standing.GONE
