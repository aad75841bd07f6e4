"""All that was measured in one sitting, as a document and as text. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tests.bench.figures import (
    Summary,
    median,
    milliseconds,
    per_second,
    quantile,
    ratio,
    seconds,
    summary,
    table,
    times,
)

INPLACE = "ALGORITHM=INPLACE"
GHOST = "gh-ost"
"""What the names of its contestants begin with."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What it ran on."""

    cores: int
    memory_gib: float
    system: str
    python: str
    mysql: str
    ghost: str
    """Empty where there was none."""
    alterd: str


class Disturbance(msgspec.Struct, frozen=True, kw_only=True):
    """By other programs."""

    load: float
    """Runnable processes of the minute before the run on average, this bench's own among them."""
    others: float
    """Share of all cores that others used during the run."""


class Timing(msgspec.Struct, frozen=True, kw_only=True, tag="timing"):
    """One change of the large table, with nobody else writing."""

    contestant: str
    turn: int
    disturbance: Disturbance
    copy_s: float
    total_s: float
    phases: dict[str, float] = {}
    said: str = ""


class Stall(msgspec.Struct, frozen=True, kw_only=True, tag="stall"):
    """One change of the small table, with writers on it."""

    contestant: str
    turn: int
    disturbance: Disturbance
    total_s: float
    swap_s: float
    """Between the end of the copy and the end."""
    writes: int
    """During the change."""
    longest_s: float
    """The longest write during the change."""
    longest_at_swap_s: float
    """The longest write from the end of the copy to the end."""
    refused: int
    """Writes that MySQL refused."""
    said: str = ""


class Apply(msgspec.Struct, frozen=True, kw_only=True, tag="apply"):
    """A backlog that was applied."""

    contestant: str
    turn: int
    disturbance: Disturbance
    rows: int
    written_s: float
    """Seconds for which it was stopped while the backlog was written."""
    applied_s: float

    @property
    def rate(self) -> float:
        return self.rows / self.applied_s


class Report(msgspec.Struct, kw_only=True):
    """One sitting. What failed and what was left out stands in words."""

    began: str
    machine: Machine
    load_at_begin: float
    change: str
    rows: int
    table_mib: float
    small_rows: int
    backlog: int
    server: tuple[str, ...]
    """mysqld's options, beside those that every server of alterd's has."""
    contestants: dict[str, str]
    """By name, how they were run."""
    others_limit: float
    """Share of the cores that others may use during a run before it is made again."""
    disturbed: list[Timing | Stall | Apply] = []
    """What was measured in runs that were made again."""
    timings: list[Timing] = []
    stalls: list[Stall] = []
    applies: list[Apply] = []
    left_out: list[str] = []
    wrong: list[str] = []
    """Changes that failed, or left other rows."""

    def copies(self, name: str) -> Summary | None:
        return summary(each.copy_s for each in self.timings if each.contestant == name)

    def totals(self, name: str) -> Summary | None:
        return summary(each.total_s for each in self.timings if each.contestant == name)

    def rates(self, name: str) -> Summary | None:
        return summary(each.rate for each in self.applies if each.contestant == name)


def text(report: Report) -> str:
    """For a person."""
    machine = report.machine
    parts = [
        f"MySQL {machine.mysql}, {machine.cores} cores, {machine.memory_gib:.0f} GiB, load {report.load_at_begin:.2f}"
        f" at the beginning; {report.change}",
        "\n".join(f"{name}: {how}" for name, how in report.contestants.items()),
        _disturbed(report),
    ]
    if report.timings:
        parts.append(_copies(report))
        parts.append(_phases(report))
    if report.stalls:
        parts.append(_stalls(report))
    if report.applies:
        parts.append(_applies(report))
    parts += [f"not measured: {words}" for words in report.left_out]
    parts += [f"WRONG: {words}" for words in report.wrong]
    return "\n\n".join(part for part in parts if part)


def _disturbed(report: Report) -> str:
    runs: list[Timing | Stall | Apply] = [*report.timings, *report.stalls, *report.applies]
    others = sorted(each.disturbance.others for each in runs)
    if not others:
        return ""
    return (
        f"during the {len(runs)} runs other programs used {median(others):.0%} of the cores (median; at most"
        f" {others[-1]:.0%}); {len(report.disturbed)} more runs that met with more than {report.others_limit:.0%} were"
        " made again"
    )


def _copies(report: Report) -> str:
    names = _in_order(each.contestant for each in report.timings)
    ghosts = [name for name in names if name.startswith(GHOST)]
    measured = [[name, seconds(report.copies(name)), seconds(report.totals(name))] for name in names]
    others = [*ghosts, INPLACE]
    compared = [
        [name, *(times(ratio(kind(other), kind(name))) for other in others for kind in (report.copies, report.totals))]
        for name in names
    ]
    head = ["", *(column for other in others for column in (f"{other}: copy", "total"))]
    return "\n\n".join(
        (
            f"{report.rows:,} rows, {report.table_mib:.0f} MiB, nobody else writes; seconds, median (least–most)",
            table(["", "copy", "total"], measured),
            "median seconds of each of these, divided by its own: above 1 it is the faster one",
            table(head, compared),
        )
    )


def _phases(report: Report) -> str:
    lines = []
    for name in _in_order(each.contestant for each in report.timings):
        mine = [each.phases for each in report.timings if each.contestant == name]
        shown = [
            f"{phase} {median(sorted(phases.get(phase, 0.0) for phases in mine)):.2f}"
            for phase in _in_order(phase for phases in mine for phase in phases)
        ]
        if shown:
            lines.append(f"{name}, median seconds: {', '.join(shown)}")
    return "\n".join(lines)


def _stalls(report: Report) -> str:
    rows = []
    for name in _in_order(each.contestant for each in report.stalls):
        mine = [each for each in report.stalls if each.contestant == name]
        whole = sorted(each.longest_s for each in mine)
        swap = sorted(each.longest_at_swap_s for each in mine)
        rate = median(sorted(each.writes / each.total_s for each in mine))
        rows.append(
            [
                name,
                str(len(mine)),
                *(milliseconds(value) for value in (median(swap), quantile(swap, 0.9), swap[-1])),
                *(milliseconds(value) for value in (median(whole), whole[-1])),
                f"{rate:,.0f}",
                str(sum(each.refused for each in mine)),
            ]
        )
    head = ["", "runs", "at the swap: p50, ms", "p90", "max", "whole change: p50, ms", "max", "writes/s", "refused"]
    title = f"longest write, {report.small_rows:,} rows, 4 sessions that write"
    return f"{title}\n\n{table(head, rows)}"


def _applies(report: Report) -> str:
    names = _in_order(each.contestant for each in report.applies)
    ghosts = [name for name in names if name.startswith(GHOST)]
    rows = [
        [
            name,
            per_second(report.rates(name)),
            *(times(ratio(report.rates(name), report.rates(ghost))) for ghost in ghosts),
        ]
        for name in names
    ]
    head = ["", "rows/s", *(f"times {ghost}'s" for ghost in ghosts)]
    title = f"apply of a backlog of about {report.backlog:,} updated rows, end to end; median (least–most)"
    return f"{title}\n\n{table(head, rows)}"


def _in_order(names: Iterable[str]) -> list[str]:
    """Each once, as they come."""
    return list(dict.fromkeys(names))
