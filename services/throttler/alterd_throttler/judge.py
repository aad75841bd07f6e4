"""Go or wait: the decision, apart from the measuring. What is not known counts against writing."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

LAG = "lag"
THREADS_RUNNING = "threads_running"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One measure on one server."""

    name: str
    server: str
    """``host:port``."""
    value: float | None
    """None: it could not be measured, for the reason in `why`."""
    why: str = ""


class Measurements(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a shard at one moment."""

    readings: tuple[Reading, ...] = ()
    trouble: str = ""
    """What is wrong with the shard as a whole: no primary, two of them."""

    def worst(self) -> dict[str, float]:
        """By name the highest value over all servers; what is not known is left out."""
        found: dict[str, float] = {}
        for reading in self.readings:
            if reading.value is not None and math.isfinite(reading.value):
                found[reading.name] = max(reading.value, found.get(reading.name, -math.inf))
        return found


class Decision(msgspec.Struct, frozen=True):
    """`reason` is empty when it is go."""

    go: bool
    reason: str = ""


def judge(measurements: Measurements, thresholds: Mapping[str, float]) -> Decision:
    """Go only if everything is known and nothing is above its threshold; else wait, with all the reasons."""
    reasons = [measurements.trouble] if measurements.trouble else []
    reasons += [why for reading in measurements.readings if (why := _against(reading, thresholds))]
    if not measurements.readings and not reasons:
        reasons = ["nothing is measured"]
    return Decision(go=not reasons, reason="; ".join(reasons))


def _against(reading: Reading, thresholds: Mapping[str, float]) -> str:
    """What a reading says against writing, empty for nothing."""
    place = f"{reading.name} on {reading.server}"
    threshold = thresholds.get(reading.name, math.nan)
    if reading.value is None:
        return f"{place} is not known: {reading.why or 'not measured'}"
    if math.isnan(reading.value):
        return f"{place} is not a number"
    if math.isnan(threshold):
        return f"{place} has no threshold"
    if reading.value > threshold:
        return f"{reading.name} {_shown(reading)} > {threshold:g} on {reading.server}"
    return ""


def _shown(reading: Reading) -> str:
    value = reading.value or 0.0
    return f"{value:.2f}" if reading.name == LAG else f"{value:g}"
