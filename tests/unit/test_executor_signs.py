"""Signs of life: one warning for each silence, an end after too long, no blame after a pause of our own."""

from __future__ import annotations

from alterd_executor.signs import Pulse, Signs


def watch(signs: Signs, start: int, end: int) -> list[Pulse]:
    return [signs.judge(float(second)) for second in range(start, end)]


def test_a_silence_is_warned_of_once_and_ends_the_run() -> None:
    signs = Signs(0.0, warn=10, fail=20)
    pulses = watch(signs, 0, 21)
    assert pulses.count(Pulse.WARN) == 1
    assert pulses.index(Pulse.WARN) == 10
    assert pulses.index(Pulse.DEAD) == 20


def test_each_silence_has_a_warning_of_its_own() -> None:
    signs = Signs(0.0, warn=10, fail=100)
    watch(signs, 0, 15)
    signs.seen(15.0)
    assert watch(signs, 15, 30).count(Pulse.WARN) == 1


def test_after_a_pause_of_the_executor_nobody_is_blamed() -> None:
    signs = Signs(0.0, warn=10, fail=20)
    watch(signs, 0, 5)
    assert signs.judge(1000.0) is Pulse.WELL
    assert watch(signs, 1001, 1011) == [Pulse.WELL] * 9 + [Pulse.WARN]
