"""The figures, and the goals that they are held against. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from tests.bench.figures import median, quantile, table
from tests.bench.scheduler.reading import Read

STEP_P99_MS = 10.0
START_P50_MS = 50.0
LEAD_S = 3.0
GROWTH = 1.5
"""Times the median step without a history: what lies above is no noise."""
READ_S = 2.0
"""For commands that name what they want."""


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Of many timings, in milliseconds."""

    n: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Sitting(msgspec.Struct, kw_only=True):
    """All that was measured beside so many done records."""

    done: int
    shards: int
    pending: int
    """Migrations on each shard when the measuring began."""
    filled_s: float = 0.0
    submission_s: list[float] = []
    """To all shards: from the input to the answer. The first finds the shards idle and begins on each of them."""
    gate_ready_s: float = 0.0
    """From the last shard's report that it is ready to the last record of the open gate."""
    gate_command_s: float = 0.0
    """`complete --gate` while one shard is not ready: from the command to its answer."""
    gate_spread_ms: float = 0.0
    """Between the first record and the last one of the open gate, by the bucket's times."""
    steps: Spread | None = None
    steps_by_type: dict[str, Spread] = {}
    steps_per_second: float = 0.0
    scheduler_cpu: float = 0.0
    """Share of one core during the measured window."""
    start: Spread | None = None
    """From the report that frees a shard to the `started` event of the next one there."""
    lead_s: float = 0.0
    """A new leader: from the start of its process to its first answer."""
    load_s: float = 0.0
    """Of it, from the epoch to the first input."""
    memory_mib: float = 0.0
    memory_most_mib: float = 0.0
    nats_memory_mib: float = 0.0
    reads: list[Read] = []


class Report(msgspec.Struct, kw_only=True):
    began: str
    cores: int
    load_at_begin: float
    load_at_end: float = 0.0
    nats: str = ""
    sittings: list[Sitting] = []
    missed: list[str] = []


def spread(seconds: Iterable[float]) -> Spread:
    """Raises ValueError where nothing was measured."""
    ordered = sorted(seconds)
    if not ordered:
        raise ValueError("nothing was measured")
    return Spread(
        n=len(ordered),
        p50_ms=round(median(ordered) * 1000, 2),
        p99_ms=round(quantile(ordered, 0.99) * 1000, 2),
        max_ms=round(ordered[-1] * 1000, 2),
    )


def growth(sittings: Sequence[Sitting]) -> float | None:
    """The median step with the most done records, in median steps with none; None where one is missing."""
    least, most = min(sittings, key=lambda one: one.done), max(sittings, key=lambda one: one.done)
    if least.done or not most.done or least.steps is None or most.steps is None:
        return None
    return most.steps.p50_ms / least.steps.p50_ms


def missed(sittings: Sequence[Sitting]) -> list[str]:
    """Every goal that was not reached, by name."""
    found = []
    for one in sittings:
        beside = f"beside {one.done:,} done records"
        if one.steps is None or one.steps.p99_ms > STEP_P99_MS:
            found.append(f"step p99 {one.steps and one.steps.p99_ms} ms, goal {STEP_P99_MS:g} ms, {beside}")
        if one.start is None or one.start.p50_ms > START_P50_MS:
            found.append(
                f"report to next start p50 {one.start and one.start.p50_ms} ms, goal {START_P50_MS:g} ms, {beside}"
            )
        if not 0 < one.lead_s <= LEAD_S:
            found.append(f"a new leader took {one.lead_s:.2f} s, goal {LEAD_S:g} s, {beside}")
        found += [
            f"`{each.command}` took {each.seconds:.1f} s, goal {READ_S:g} s" for each in one.reads if _too_long(each)
        ]
        found += [f"`{each.command}` ended with {each.exit_code}" for each in one.reads if each.exit_code]
    grown = growth(sittings)
    if grown is not None and grown > GROWTH:
        found.append(f"a decision costs {grown:.2f} times as much beside the history, goal {GROWTH:g}")
    return found


def _too_long(read: Read) -> bool:
    return read.seconds > READ_S and " where " not in read.command


def text(report: Report) -> str:
    """For a person."""
    sittings = report.sittings

    def each(value: Callable[[Sitting], str]) -> list[str]:
        return [value(one) for one in sittings]

    lines = [
        ["step, p50", "", *each(lambda one: _ms(one.steps, "p50_ms"))],
        ["step, p99", f"{STEP_P99_MS:g} ms", *each(lambda one: _ms(one.steps, "p99_ms"))],
        ["step, longest", "", *each(lambda one: _ms(one.steps, "max_ms"))],
        ["steps measured", "", *each(lambda one: f"{one.steps.n:,}" if one.steps else "–")],
        ["steps a second", "", *each(lambda one: f"{one.steps_per_second:.0f}")],
        ["scheduler's share of a core", "", *each(lambda one: f"{one.scheduler_cpu:.0%}")],
        ["report to next start, p50", f"{START_P50_MS:g} ms", *each(lambda one: _ms(one.start, "p50_ms"))],
        ["report to next start, p99", "", *each(lambda one: _ms(one.start, "p99_ms"))],
        ["new leader, to its first answer", f"{LEAD_S:g} s", *each(lambda one: f"{one.lead_s:.2f} s")],
        ["of it, loading", "", *each(lambda one: f"{one.load_s:.2f} s")],
        ["scheduler's memory", "", *each(lambda one: f"{one.memory_mib:.0f} MiB")],
        ["at most", "", *each(lambda one: f"{one.memory_most_mib:.0f} MiB")],
        ["nats-server's memory", "", *each(lambda one: f"{one.nats_memory_mib:.0f} MiB")],
        ["submission to all shards, idle", "", *each(lambda one: f"{one.submission_s[0]:.2f} s")],
        ["submission, behind others", "", *each(lambda one: f"{median(sorted(one.submission_s[1:])):.2f} s")],
        ["complete --gate, answer", "", *each(lambda one: f"{one.gate_command_s:.2f} s")],
        ["gate, last ready to all open", "", *each(lambda one: f"{one.gate_ready_s:.2f} s")],
        ["gate, first to last record", "", *each(lambda one: f"{one.gate_spread_ms:.0f} ms")],
    ]
    head = ["", "goal", *each(lambda one: f"{one.done:,} done records")]
    parts = [
        f"{sittings[0].shards:,} shards, {sittings[0].pending} migrations pending on each; {report.cores} cores,"
        f" load {report.load_at_begin:.2f} at the beginning and {report.load_at_end:.2f} at the end; {report.nats}",
        table(head, lines),
    ]
    grown = growth(sittings)
    if grown is not None:
        parts.append(
            f"the median step beside the history takes {grown:.2f} times what it takes without (goal {GROWTH:g})"
        )
    for one in sittings:
        if one.reads:
            rows = [
                [each.command, f"{each.seconds:.2f}", f"{each.memory_mib:.0f}", f"{each.lines:,}", " ".join(each.notes)]
                for each in one.reads
            ]
            reads = table([f"beside {one.done:,} done records", "seconds", "MiB", "lines", "says"], rows)
            parts.append(reads)
    parts += [f"MISSED: {words}" for words in report.missed]
    return "\n\n".join(parts)


def _ms(found: Spread | None, which: str) -> str:
    return "–" if found is None else f"{getattr(found, which):.1f} ms"
