"""Singletons: what a submission may find pending, over all shards of its keyspace at once. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from alterd_contracts.errors import ErrorInfo, SingletonPending
from alterd_contracts.flags import SINGLETON, SINGLETON_CONTEXT, SINGLETON_TABLE
from alterd_contracts.inputs import Submission, Submitted
from alterd_scheduler.board import Board
from alterd_scheduler.decisions import Known


def pending_against(submission: Submission, known: Known) -> list[ErrorInfo]:
    """One error for each statement that a singleton flag forbids now.

    The statements of one submission come one after the other: a later one finds the earlier ones pending. A submission
    that is recorded already is not judged again.
    """
    if not submission.singletons or _recorded(submission, known):
        return []
    errors = []
    for place, item in enumerate(submission.submitted):
        for check in (_any, _of_other_context, _of_same_table):
            if error := check(submission, item, submission.submitted[:place], known.board):
                errors.append(error.info())
                break
    return errors


def _recorded(submission: Submission, known: Known) -> bool:
    return any(
        row.has_answered(submission.request_id)
        for item in submission.submitted
        for row in known.rows(submission.keyspace, item.migration_uuid)
    )


def _any(
    submission: Submission, item: Submitted, earlier: tuple[Submitted, ...], board: Board
) -> SingletonPending | None:
    if SINGLETON.name not in submission.singletons:
        return None
    found = _other(board.uuids(submission.keyspace), item) or next((each.migration_uuid for each in earlier), "")
    if not found:
        return None
    text = f"singleton migration rejected: found pending migrations [sample: {found}]"
    return _refused(text, item, found, SINGLETON.name)


def _of_other_context(
    submission: Submission, item: Submitted, _earlier: tuple[Submitted, ...], board: Board
) -> SingletonPending | None:
    """A pending revert without this flag of its own does not count."""
    if SINGLETON_CONTEXT.name not in submission.singletons:
        return None
    for context, uuids in board.contexts(submission.keyspace).items():
        if context == submission.migration_context:
            continue
        for uuid in uuids:
            row = board.of_uuid(submission.keyspace, uuid)[0]
            if row.reverted_uuid and SINGLETON_CONTEXT.name not in row.singletons:
                continue
            text = (
                f"singleton-context migration rejected: found pending migration: {uuid} in different context: {context}"
            )
            return _refused(text, item, uuid, SINGLETON_CONTEXT.name)
    return None


def _of_same_table(
    submission: Submission, item: Submitted, earlier: tuple[Submitted, ...], board: Board
) -> SingletonPending | None:
    if SINGLETON_TABLE.name not in submission.singletons:
        return None
    table = item.statement.table
    found = _other(board.uuids_of_table(submission.keyspace, table), item) or next(
        (each.migration_uuid for each in earlier if each.statement.table.casefold() == table.casefold()), ""
    )
    if not found:
        return None
    text = f"singleton-table migration rejected: found pending migration: {found} for the same table: {table}"
    return _refused(text, item, found, SINGLETON_TABLE.name)


def _other(uuids: Iterable[str], item: Submitted) -> str:
    """The first that is not the statement's own, which is pending when it is submitted again."""
    return next((uuid for uuid in uuids if uuid != item.migration_uuid), "")


def _refused(text: str, item: Submitted, uuid: str, flag: str) -> SingletonPending:
    return SingletonPending(
        text,
        hint=f"wait for it, cancel it, or leave --{flag} out",
        uuid=uuid,
        flag=flag,
        statement=item.statement.label,
    )
