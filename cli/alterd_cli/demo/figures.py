"""How long statements took, in bounded memory, and what else the writers count."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import msgspec

SHORTEST = 1e-5
"""Seconds; what is shorter counts as this."""
STEP = 1.03
"""Each bucket's upper border over the one before: a percentile is at most so much too high."""
BUCKETS = math.ceil(math.log(100_000 / SHORTEST) / math.log(STEP))
"""Up to a day."""


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """How long a writer waited for one statement."""

    seconds: float = 0.0
    at: datetime | None = None
    """When it was sent; UTC, by the writers' clock."""
    after: float = 0.0
    """Seconds since the writers began."""
    statement: str = ""
    """Its first words."""


class Latencies:
    """A histogram with the longest wait. One thread adds; others may read."""

    def __init__(self) -> None:
        self.buckets = [0] * BUCKETS
        self.longest = Wait()

    def add(self, wait: Wait) -> None:
        place = math.ceil(math.log(max(wait.seconds, SHORTEST) / SHORTEST) / math.log(STEP))
        self.buckets[min(place, BUCKETS - 1)] += 1
        if wait.seconds > self.longest.seconds:
            self.longest = wait

    @property
    def count(self) -> int:
        return sum(self.buckets)

    def percentile(self, share: float) -> float:
        """The seconds within which `share` (0 to 1) of the statements were answered; 0 without any."""
        left = math.ceil(share * self.count)
        for place, count in enumerate(self.buckets):
            left -= count
            if count and left <= 0:
                return min(SHORTEST * STEP**place, self.longest.seconds or math.inf)
        return 0.0

    @classmethod
    def merged(cls, parts: Iterable[Latencies]) -> Latencies:
        whole = cls()
        for part in parts:
            whole.buckets = [one + other for one, other in zip(whole.buckets, list(part.buckets), strict=True)]
            whole.longest = max(whole.longest, part.longest, key=lambda wait: wait.seconds)
        return whole


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What the writers did."""

    seconds: float = 0.0
    statements: int = 0
    operations: dict[str, int] = {}
    """Committed ones, by kind; rolled back on purpose too."""
    interruptions: dict[str, int] = {}
    """What broke an operation off that was rolled back then: error codes, MySQL's error numbers."""
    sessions: int = 0
    """Opened by all writers together; more than there are writers when some were lost."""
    in_doubt: int = 0
    """Transactions whose COMMIT got no answer."""
    settled: dict[str, int] = {}
    """What became of those, by `ledger.Settled`."""
    p50: float = 0.0
    p99: float = 0.0
    longest: Wait = Wait()
    """The write stall: the longest time that a writer waited for one statement."""


def figures(seconds: float, latencies: Iterable[Latencies], counts: Iterable[Counter[str]]) -> Figures:
    """Of all writers together. Counters hold ``operation:KIND``, ``error:CODE``, ``settled:…``, and plain names."""
    whole = Latencies.merged(latencies)
    total: Counter[str] = Counter()
    for each in counts:
        total.update(dict(each))

    def of(prefix: str) -> dict[str, int]:
        found = {name.removeprefix(prefix): count for name, count in total.items() if name.startswith(prefix)}
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    return Figures(
        seconds=seconds,
        statements=whole.count,
        operations=of("operation:"),
        interruptions=of("error:"),
        sessions=total["sessions"],
        in_doubt=total["in doubt"],
        settled=of("settled:"),
        p50=whole.percentile(0.5),
        p99=whole.percentile(0.99),
        longest=whole.longest,
    )
