"""Whether an attempt is offered, ours or gone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from alterd_contracts.work import Work
from alterd_executor.granting import Standing, standing
from alterd_executor.identity import Identity

UUID = "9e8a9249_3976_11ed_9442_0a43f95f28a3"
ME = Identity(executor="e1", incarnation="now", started_at=datetime(2026, 1, 1, tzinfo=UTC))
WORK = Work(keyspace="commerce", shard="0", migration_uuid=UUID, attempt=3, strategy="mysql")


def record(status: Status, *, attempt: int = 3, tablet: str = "e1", incarnation: str = "now") -> Migration:
    return Migration(
        id=1,
        migration_uuid=UUID,
        keyspace="commerce",
        shard="0",
        mysql_schema="s",
        mysql_table="t",
        migration_statement="ALTER TABLE t FORCE",
        strategy="mysql",
        migration_status=status,
        attempt=attempt,
        tablet=tablet,
        incarnation=incarnation,
    )


@given(
    st.sampled_from(Status),
    st.integers(1, 5),
    st.sampled_from(["e1", "e2", ""]),
    st.sampled_from(["now", "before", ""]),
)
def test_only_a_running_record_of_this_attempt_and_this_process_is_ours(
    status: Status, attempt: int, tablet: str, incarnation: str
) -> None:
    found = standing(record(status, attempt=attempt, tablet=tablet, incarnation=incarnation), WORK, ME)
    ours = (status, attempt, tablet, incarnation) == (Status.RUNNING, 3, "e1", "now")
    assert (found is Standing.OURS) == ours


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (None, Standing.GONE),
        (record(Status.READY), Standing.OFFERED),
        (record(Status.READY, attempt=4), Standing.GONE),
        (record(Status.QUEUED), Standing.GONE),
        (record(Status.CANCELLED), Standing.GONE),
        (record(Status.RUNNING, tablet="e2"), Standing.GONE),
        (record(Status.RUNNING, incarnation="before"), Standing.GONE),
        (record(Status.QUEUED, attempt=2), Standing.OFFERED),
    ],
)
def test_standing(known: Migration | None, expected: Standing) -> None:
    assert standing(known, WORK, ME) is expected
