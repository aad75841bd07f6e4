"""How far a try has come, as users see it: rows never fall."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alterd_contracts.work import Reached

TOLD = st.builds(
    Reached,
    rows_copied=st.integers(0, 1000),
    table_rows=st.integers(0, 1000),
    progress=st.floats(0, 100, allow_nan=False),
)


def reached(rows: int, whole: int = 0, percent: float = 0.0) -> Reached:
    return Reached(rows_copied=rows, table_rows=whole, progress=percent)


@given(st.lists(TOLD, max_size=20))
def test_rows_never_fall_and_a_known_size_is_never_forgotten_nor_exceeded(told: list[Reached]) -> None:
    now = Reached()
    for one in told:
        then = now.then(one)
        assert then.rows_copied == max(now.rows_copied, one.rows_copied)
        assert bool(then.table_rows) == bool(now.table_rows or one.table_rows)
        assert not then.table_rows or then.table_rows >= then.rows_copied
        assert then.progress >= min(now.progress, one.progress)
        now = then


def test_a_run_that_begins_anew_shows_what_was_reached_until_it_is_further() -> None:
    before = reached(300, 500, 60.0)
    assert before.then(reached(0, 510)) == reached(300, 510, 60.0)
    assert before.then(reached(299, 510, 58.6)) == reached(300, 510, 60.0)
    assert before.then(reached(301, 600, 50.2)) == reached(301, 600, 50.2), "the estimate grew"


def test_a_word_without_rows_changes_nothing_of_them_but_may_be_further() -> None:
    assert reached(500, 500, 90.0).then(reached(0, 0, 97.0)) == reached(500, 500, 97.0)


def test_where_no_rows_are_counted_the_percentage_is_as_told() -> None:
    assert reached(0, 0, 60.0).then(reached(0, 0, 20.0)) == reached(0, 0, 20.0)
