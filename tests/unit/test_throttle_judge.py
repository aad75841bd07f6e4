"""Go or wait: what is worse or unknown never turns wait into go."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alterd_throttler.judge import LAG, THREADS_RUNNING, Measurements, Reading, judge

THRESHOLDS = {LAG: 5.0, THREADS_RUNNING: 100.0, "queue": 7.0}


def lag(value: float | None, server: str = "127.0.0.1:3307", why: str = "") -> Reading:
    return Reading(name=LAG, server=server, value=value, why=why)


def threads(value: float | None) -> Reading:
    return Reading(name=THREADS_RUNNING, server="127.0.0.1:3306", value=value)


values = st.floats(allow_nan=False) | st.none()
readings = st.builds(
    Reading,
    name=st.sampled_from([*THRESHOLDS, "unheard of"]),
    server=st.sampled_from(["a:1", "b:2"]),
    value=values,
    why=st.sampled_from(["", "no answer"]),
)
measured = st.builds(
    Measurements,
    readings=st.lists(readings, max_size=5).map(tuple),
    trouble=st.sampled_from(["", "no writable server"]),
)


@pytest.mark.parametrize(
    ("measurements", "reason"),
    [
        (Measurements(readings=(lag(0.01), threads(3))), ""),
        (Measurements(readings=(lag(5.0), threads(100))), ""),
        (Measurements(readings=(lag(7.3), threads(3))), "lag 7.30 > 5 on 127.0.0.1:3307"),
        (Measurements(readings=(threads(130),)), "threads_running 130 > 100 on 127.0.0.1:3306"),
        (
            Measurements(readings=(lag(7.3), lag(math.inf, "127.0.0.1:3308"))),
            "lag 7.30 > 5 on 127.0.0.1:3307; lag inf > 5 on 127.0.0.1:3308",
        ),
        (
            Measurements(readings=(lag(None, why="no answer in 1 s"),)),
            "lag on 127.0.0.1:3307 is not known: no answer in 1 s",
        ),
        (Measurements(readings=(lag(math.nan),)), "lag on 127.0.0.1:3307 is not a number"),
        (
            Measurements(readings=(Reading(name="else", server="a:1", value=0),)),
            "else on a:1 has no threshold",
        ),
        (Measurements(trouble="2 writable servers: a:1 and b:2"), "2 writable servers: a:1 and b:2"),
        (Measurements(), "nothing is measured"),
    ],
)
def test_the_reason_says_what_how_much_and_where(measurements: Measurements, reason: str) -> None:
    decision = judge(measurements, THRESHOLDS)
    assert decision.reason == reason
    assert decision.go == (not reason)


@given(measured, st.data())
def test_worse_never_turns_wait_into_go(before: Measurements, data: st.DataObject) -> None:
    worse = tuple(
        msgspec.structs.replace(reading, value=data.draw(st.none() | st.just(math.nan) | st.floats(min_value=value)))
        if (value := reading.value) is not None
        else reading
        for reading in before.readings
    )
    after = judge(msgspec.structs.replace(before, readings=worse), THRESHOLDS)
    assert judge(before, THRESHOLDS).go >= after.go


@given(measured, readings)
def test_one_more_reading_never_turns_wait_into_go(before: Measurements, more: Reading) -> None:
    after = judge(msgspec.structs.replace(before, readings=(*before.readings, more)), THRESHOLDS)
    if before.readings:
        assert judge(before, THRESHOLDS).go >= after.go


@given(measured)
def test_what_is_not_known_means_wait(measurements: Measurements) -> None:
    decision = judge(measurements, THRESHOLDS)
    if measurements.trouble or any(reading.value is None for reading in measurements.readings):
        assert not decision.go
    assert decision.go == (not decision.reason)


@given(measured, st.floats(min_value=0, allow_nan=False))
def test_a_lower_threshold_never_turns_wait_into_go(measurements: Measurements, less: float) -> None:
    lower = {name: threshold - less for name, threshold in THRESHOLDS.items()}
    assert judge(measurements, THRESHOLDS).go >= judge(measurements, lower).go


@given(measured)
def test_shown_measures_are_numbers_that_json_can_hold(measurements: Measurements) -> None:
    worst = measurements.worst()
    assert all(math.isfinite(value) for value in worst.values())
    assert msgspec.json.decode(msgspec.json.encode(worst), type=dict[str, float]) == worst
