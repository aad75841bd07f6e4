"""What of a run's turns is told as facts: few, and in pairs."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from alterd_executor.turns import LASTING, OVER, PAIR_EVERY, CutoverTurn, ThrottleTurn, Turn, Turns

BEGUN = ThrottleTurn(throttled=True, component="copy", reason="lag 7 > 5")
ENDED = ThrottleTurn(throttled=False)


def waits(turns: Turns, now: float) -> None:
    turns.throttled(now, "copy", "lag 7 > 5")


def test_a_short_wait_is_not_told() -> None:
    turns = Turns()
    waits(turns, 0)
    assert turns.due(LASTING - 0.1) == []
    turns.free(LASTING - 0.05)
    assert [turns.due(now) for now in (LASTING + 1, LASTING + 20)] == [[], []]
    assert turns.last() == []


def test_a_wait_is_told_once_it_has_lasted_and_its_end_once_it_stays_away() -> None:
    turns = Turns()
    waits(turns, 0)
    assert turns.due(LASTING) == [BEGUN]
    assert turns.due(LASTING + 1) == []
    turns.free(10)
    assert turns.due(10 + OVER - 0.1) == []
    assert turns.due(10 + OVER) == [ENDED]
    assert turns.due(30) == turns.last() == []


def test_a_moment_of_go_between_two_chunks_is_no_end() -> None:
    turns = Turns()
    told: list[Turn] = []
    for second in range(10):
        waits(turns, second)
        turns.free(second + 0.7)
        waits(turns, second + 0.9)
        told += turns.due(second + 0.95)
    assert told == [BEGUN]


def test_a_wait_that_comes_back_soon_is_told_when_its_time_has_come() -> None:
    turns = Turns()
    waits(turns, 0)
    assert turns.due(LASTING) == [BEGUN]
    turns.free(3)
    assert turns.due(5) == [ENDED]
    waits(turns, 6)
    assert turns.due(9) == turns.due(LASTING + PAIR_EVERY - 0.1) == []
    assert turns.due(LASTING + PAIR_EVERY) == [BEGUN]


def test_the_end_of_the_run_ends_its_wait() -> None:
    turns = Turns()
    waits(turns, 0)
    assert turns.due(LASTING) == [BEGUN]
    assert turns.last() == [ENDED]


@given(st.lists(st.tuples(st.sampled_from(["wait", "free", "look"]), st.floats(0.01, 3)), max_size=200))
def test_told_waits_alternate_and_never_come_faster_than_a_pair_in_ten_seconds(steps: list[tuple[str, float]]) -> None:
    turns, now = Turns(), 0.0
    told: list[tuple[float, Turn]] = []
    for what, seconds in steps:
        now += seconds
        if what == "wait":
            waits(turns, now)
        elif what == "free":
            turns.free(now)
        else:
            told += [(now, turn) for turn in turns.due(now)]
    told += [(now, turn) for turn in turns.last()]
    kinds = [turn.throttled for _, turn in told if isinstance(turn, ThrottleTurn)]
    assert kinds == [number % 2 == 0 for number in range(len(kinds))]
    assert len(kinds) % 2 == 0
    begun = [at for at, turn in told if turn == BEGUN]
    assert all(later - sooner >= PAIR_EVERY for sooner, later in pairwise(begun))


def test_attempts_to_cut_over_are_told_with_what_was_in_their_way() -> None:
    turns = Turns()
    turns.attempted(0, "copying")
    assert turns.due(1) == []
    turns.attempted(1, "")
    turns.attempted(1, "waits for connection 7")
    turns.attempted(1, "")
    assert turns.due(2) == [CutoverTurn(attempts=1, message="waits for connection 7")]
    assert turns.due(3) == []
    turns.attempted(2, "waits for connection 7")
    turns.attempted(3, "")
    assert turns.due(4) == [CutoverTurn(attempts=3)]


def test_the_last_attempt_is_told_with_the_ending() -> None:
    turns = Turns()
    turns.attempted(1, "")
    assert turns.last() == [CutoverTurn(attempts=1)]


def test_attempts_of_earlier_runs_are_told_already() -> None:
    turns = Turns(cutover_attempts=3)
    turns.attempted(0, "")
    turns.attempted(3, "")
    assert turns.due(1) == []
    turns.attempted(4, "")
    assert turns.due(2) == [CutoverTurn(attempts=4)]
