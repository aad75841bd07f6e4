"""What a command does to one row."""

from __future__ import annotations

from typing import Any

from alterd_contracts.events import CommandGiven, Fact
from alterd_contracts.inputs import Control, RuleChanged
from alterd_contracts.migration import Migration
from alterd_scheduler.facts import Moment, changed

Effect = tuple[Migration | None, str]
"""The record afterwards, None where nothing changes, and what the caller is told of it."""


def ended(row: Migration) -> Effect:
    """The answer for what has ended."""
    return None, f"is {row.migration_status} already"


def no_cutover(row: Migration) -> str:
    """Why a command about the cut-over has no effect on what is pending; empty where it has one."""
    if row.cuts_over:
        return ""
    return (
        "has no cut-over of alterd's: MySQL or the strategy's own program carries out this statement alone, and nobody "
        "is ended for it"
    )


def turned(row: Migration, moment: Moment, control: Control, fact: Fact, text: str, **columns: Any) -> Migration:
    """The row in its state, with other columns; the fact says why, or `text`."""
    return changed(row, fact, moment, caller=control.caller, saying=control.message or text, **columns)


def told(
    control: Control | RuleChanged, fact: Fact, moment: Moment, text: str, shards: tuple[str, ...] = ()
) -> CommandGiven:
    """The fact of a command that no record tells of, with an id that is the same however often it is decided."""
    about = control.migration_uuid or "_"
    return CommandGiven(
        id=f"{control.keyspace}.{about}:{moment.input_seq}:{fact}",
        time=moment.now,
        fact=fact,
        command=control.command,
        keyspace=control.keyspace,
        migration_uuid=control.migration_uuid,
        shards=shards or control.shards,
        caller=control.caller,
        message=f"{text}: {control.message}" if control.message else text,
    )
