"""What died with its executor or primary and cannot be resumed begins anew once by itself."""

from __future__ import annotations

from alterd_contracts.errors import LostSession, ShardUnreachable
from alterd_contracts.inputs import ReleasedReport
from alterd_contracts.requests import Command
from alterd_contracts.states import Status
from alterd_scheduler.admission import orphaned
from alterd_scheduler.decisions import Known
from alterd_scheduler.reports import Limits, decide_report
from tests.unit.test_scheduler_commands import after, control
from tests.unit.test_scheduler_rules import at, report, row, running


def test_the_record_counts_them_in_a_try() -> None:
    for resumable in (True, False):
        new = orphaned(running(resumable=resumable), lambda _who, _which: False, at(0))
        assert new is not None
        assert (new.losses, new.attempt, new.tablet_failure) == (1, 2, not resumable)


def test_a_session_that_the_primary_ended_is_one_and_a_shard_that_was_never_reached_is_none() -> None:
    for error, losses in ((LostSession("gone"), 1), (ShardUnreachable("down"), 0)):
        sent = report(ReleasedReport, reason="x", error=error.info())
        [new] = decide_report(sent, Known([running(resumable=False)]), at(), Limits()).records
        assert (new.losses, new.tablet_failure) == (losses, bool(losses))


def test_a_retry_counts_anew() -> None:
    new, _ = after(row(Status.FAILED, losses=2, tablet_failure=True, attempt=3), control(Command.RETRY))
    assert new is not None
    assert (new.losses, new.tablet_failure, new.retries, new.first_attempt, new.attempt) == (0, False, 1, 4, 3)
