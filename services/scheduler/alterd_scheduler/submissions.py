"""A checked request becomes records, whole or not at all. Pure."""

from __future__ import annotations

from alterd_contracts.errors import ErrorInfo, UuidTaken
from alterd_contracts.events import Fact, RequestRefused
from alterd_contracts.inputs import RefusedRequest, Submission, Submitted, Target
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Refusal
from alterd_contracts.states import Status
from alterd_scheduler.controls import retried
from alterd_scheduler.decisions import Decision, Known
from alterd_scheduler.facts import Moment, changed
from alterd_scheduler.singletons import pending_against

ANSWERED = 16
"""Ids of requests that a record keeps besides the first."""


def decide_submission(submission: Submission, known: Known, moment: Moment, next_id: int) -> Decision:
    """Every statement on every shard becomes a queued record.

    What this very request already recorded stays as it is. A uuid that another request recorded acts as a retry, once,
    if statement and context are the same, and refuses the whole submission if they are not.
    """
    taken = [error for item in submission.submitted if (error := _taken(submission, item, known))]
    taken = taken or pending_against(submission, known)
    if taken:
        return refuse(
            RefusedRequest(
                request_id=submission.request_id,
                keyspace=submission.keyspace,
                errors=tuple(taken),
                caller=submission.caller,
            ),
            moment,
        )
    records: list[Migration] = []
    for item in submission.submitted:
        rows = known.rows(submission.keyspace, item.migration_uuid)
        if rows:
            number = rows[0].id
        else:
            number, next_id = next_id, next_id + 1
        for target in submission.targets:
            row = known.get(submission.keyspace, target.shard, item.migration_uuid)
            if row is None:
                records.append(_queued(submission, item, target, number, moment))
            elif not row.has_answered(submission.request_id) and row.input_seq < moment.input_seq:
                records.append(_again(row, submission, moment))
    return Decision(records=tuple(records), outcome=submission.accepted(), next_id=next_id)


def refuse(request: RefusedRequest, moment: Moment) -> Decision:
    """Nothing is queued; the fact is kept."""
    event = RequestRefused(
        id=f"{request.keyspace}:{request.request_id}:{moment.input_seq}:{Fact.REFUSED}",
        time=moment.now,
        keyspace=request.keyspace,
        request_id=request.request_id,
        errors=request.errors,
        caller=request.caller,
        sql=request.sql,
    )
    return Decision(refused=event, outcome=Refusal(errors=request.errors))


def _taken(submission: Submission, item: Submitted, known: Known) -> ErrorInfo | None:
    for row in known.rows(submission.keyspace, item.migration_uuid):
        if row.has_answered(submission.request_id):
            continue
        for what, ours, theirs in (
            ("context", submission.migration_context, row.migration_context),
            ("statement", item.statement.sql, row.migration_statement),
        ):
            if ours != theirs:
                return UuidTaken(
                    f"migration {item.migration_uuid} is there already, with another {what}",
                    hint="leave --uuid out, or give the same statement and context to retry it",
                    uuid=item.migration_uuid,
                    shard=row.shard,
                ).info()
    return None


def _again(row: Migration, submission: Submission, moment: Moment) -> Migration:
    """The row after another request named it: queued again, or as it is. It keeps the request's id either way."""
    new = retried(row, moment, submission.caller) or row.evolve(input_seq=moment.input_seq)
    return new.evolve(answered=(*row.answered, submission.request_id)[-ANSWERED:])


def _queued(submission: Submission, item: Submitted, target: Target, number: int, moment: Moment) -> Migration:
    statement = item.statement
    record = Migration(
        id=number,
        migration_uuid=item.migration_uuid,
        keyspace=submission.keyspace,
        shard=target.shard,
        mysql_schema=target.mysql_schema,
        mysql_table=statement.table,
        migration_statement=statement.sql,
        strategy=submission.strategy,
        options=submission.options,
        added_timestamp=moment.now,
        requested_timestamp=submission.requested_at,
        reviewed_timestamp=moment.now,
        migration_status=Status.QUEUED,
        migration_context=submission.migration_context,
        ddl_action=statement.ddl_action,
        is_view=statement.is_view,
        statement_kind=statement.kind,
        if_exists=statement.if_exists,
        if_not_exists=statement.if_not_exists,
        request_id=submission.request_id,
        caller=submission.caller,
        retain_artifacts_seconds=item.choices.retain_artifacts_seconds,
        retain_artifacts_submitted=item.choices.retain_artifacts_seconds,
        postpone_completion=item.choices.postpone_completion,
        cutover_threshold_seconds=item.choices.cutover_threshold_seconds,
        postpone_launch=item.choices.postpone_launch,
        allow_concurrent=item.choices.allow_concurrent,
        in_order_completion=item.choices.in_order_completion,
        is_immediate_operation=item.choices.is_immediate_operation,
        ready_to_complete=item.choices.is_immediate_operation,
        exclusive_phases=item.choices.exclusive_phases,
        tail_phases=item.choices.tail_phases,
        resumable=item.choices.resumable,
        pausable=item.choices.pausable,
        postponable=item.choices.postponable,
        cuts_over=item.choices.cuts_over,
        special_plan=item.choices.special_plan,
        singletons=submission.singletons,
    )
    return changed(record, Fact.QUEUED, moment, caller=submission.caller)
