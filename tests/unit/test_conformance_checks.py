"""The conformance kit's checks, on runs that are made up: what is honest passes, and each breach is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from alterd_contracts.declaration import Declaration, KindDeclaration, Phase
from alterd_contracts.errors import ErrorInfo
from alterd_contracts.statement import StatementKind
from alterd_contracts.testing import (
    Attempted,
    Ending,
    Left,
    Point,
    Promise,
    Ran,
    Report,
    Scenario,
    Side,
    Step,
    Subject,
    Table,
    Waiting,
    judge,
    judge_all,
    representative,
    scenarios,
)
from alterd_contracts.testing.lab import OTHERS, setup
from alterd_contracts.testing.orders import Orders, read_orders
from alterd_contracts.testing.steps import find, journal, points, read_steps
from alterd_contracts.work import Reached

NAMES = ("prepare", "copy", "cut-over")
KIND = KindDeclaration(
    kind=StatementKind.ALTER_TABLE,
    phases=tuple(Phase(name=name, exclusive=name == "copy") for name in NAMES),
    postpone_completion=True,
)
DECLARED = Declaration(
    strategy="made-up",
    version="1",
    kinds=(KIND,),
    resumable=True,
    throttleable=True,
    reserved_flags=("host",),
    passes_unknown_flags=True,
)
BEFORE, AFTER = Table(definition="before", rows=3, digest="x"), Table(definition="after", rows=3, digest="y")
COMPLETED = Ending(how="completed")


def step(call: str, at: float = 0.0, **fields: Any) -> Step:
    return Step(**{"attempt": 1, "at": at, "within": "run", "call": call, **fields})


def entering(*names: str) -> tuple[Step, ...]:
    return tuple(
        step("phase", at=1.0 + place, name=name, phase=name, side=Side.BEGUN) for place, name in enumerate(names)
    )


def ran(*steps: Step, ending: Ending | None = COMPLETED, after: Table = AFTER, **fields: Any) -> Ran:
    attempts = fields.pop("attempts", (Attempted(number=1, steps=steps, ending=ending, after=after),))
    return Ran(
        **{
            "scenario": "made up",
            "declaration": DECLARED,
            "kind": StatementKind.ALTER_TABLE,
            "before": BEFORE,
            "expected": AFTER,
            "attempts": attempts,
            **fields,
        }
    )


def broken(seen: Ran) -> dict[Promise, list[str]]:
    found: dict[Promise, list[str]] = {}
    for violation in judge(seen):
        found.setdefault(violation.promise, []).append(violation.words)
    return found


HONEST = ran(
    step("run", side=Side.BEGUN),
    *entering(*NAMES),
    step("may_complete", side=Side.DONE, answer="True"),
    step("run", side=Side.DONE),
)


def test_nothing_speaks_against_what_is_honest() -> None:
    assert judge_all([HONEST], whole=True) == []


@given(st.permutations(NAMES))
def test_phases_come_in_their_order(names: list[str]) -> None:
    assert (Promise.PHASES in broken(ran(*entering(*names)))) == (names != list(NAMES))


@given(st.sets(st.sampled_from(NAMES)))
def test_each_declared_phase_is_entered_by_some_run(left_out: set[str]) -> None:
    runs = [ran(*entering(name)) for name in NAMES if name not in left_out]
    found = [each.words for each in judge_all([*runs, ran(step("run", side=Side.BEGUN))], whole=True)]
    missing = [name for name in NAMES if name in left_out]
    assert found == ([f"alter_table: declared and never entered: {', '.join(missing)}"] if missing else [])


def test_what_is_ready_may_come_back_to_an_earlier_phase() -> None:
    steps = (*entering(*NAMES), step("ready", answer="True", side=Side.BEGUN), *entering("copy", "cut-over"))
    assert broken(ran(*steps)) == {}


@given(st.lists(st.integers(min_value=0, max_value=50), max_size=6))
def test_rows_never_fall_and_nothing_told_of_them_is_no_fall(rows: list[int]) -> None:
    told = [each for each in rows if each]
    found = broken(ran(*entering("copy"), *(step("progress", rows=each) for each in rows)))
    assert (Promise.PROGRESS in found) == (told != sorted(told))


@given(st.lists(st.floats(min_value=-10, max_value=110), max_size=5))
def test_percent_never_falls_and_is_within_its_bounds(percents: list[float]) -> None:
    found = broken(ran(*entering("copy"), *(step("progress", percent=each) for each in percents)))
    shown = [each for each in percents if each > 0]
    well = all(0 <= each <= 100 for each in percents) and shown == sorted(shown)
    assert (Promise.PROGRESS not in found) == well


def test_percent_fits_the_rows() -> None:
    table = Table(definition="before", rows=1000)
    told = [step("progress", rows=rows, percent=percent) for rows, percent in ((10, 40.0), (700, 99.0), (2000, 100.0))]
    assert broken(ran(*entering("copy"), *told, before=table)) == {}
    [words] = broken(ran(*entering("copy"), step("progress", rows=10, percent=99.0), before=table))[Promise.PROGRESS]
    assert words == "it tells of 99 percent when 10 of 1000 rows are copied"


def test_percent_may_begin_anew_with_a_phase() -> None:
    copied, compared = step("progress", percent=100.0), step("progress", percent=3.0)
    assert broken(ran(*entering("prepare", "copy"), copied, *entering("cut-over"), compared)) == {}
    assert Promise.PROGRESS in broken(ran(*entering("prepare", "copy"), copied, compared))


def test_what_users_are_shown_never_falls_over_attempts() -> None:
    first, second = (
        Attempted(
            number=number, steps=(), ending=COMPLETED, after=AFTER, shown=(Reached(rows_copied=rows, progress=10),)
        )
        for number, rows in ((1, 30), (2, 20))
    )
    assert Promise.PROGRESS in broken(ran(attempts=(first, second)))
    assert Promise.PROGRESS not in broken(ran(attempts=(second, first)))


def test_an_exclusive_phase_is_waited_for() -> None:
    early = (*entering("prepare", "copy"), step("subprocess", at=3.0, side=Side.BEGUN))
    placed = Waiting(told=True, table=BEFORE, until=4.0)
    assert Promise.EXCLUSIVE in broken(ran(*early, placed=placed))
    copying = (*entering("prepare", "copy"), step("progress", at=3.0, rows=5))
    assert Promise.EXCLUSIVE in broken(ran(*copying, placed=placed))
    signs = (step("alive", at=3.0), step("progress", at=3.0))
    late = (*entering("prepare", "copy"), *signs, step("subprocess", at=5.0, side=Side.BEGUN))
    assert Promise.EXCLUSIVE not in broken(ran(*late, placed=placed))
    changed = msgspec.structs.replace(placed, table=AFTER)
    assert Promise.EXCLUSIVE in broken(ran(*late, placed=changed))


def test_a_held_completion() -> None:
    asked = [step("may_complete", side=Side.DONE, answer=answer) for answer in ("False", "True")]
    held = Waiting(told=True, table=BEFORE)
    phases = entering(*NAMES)
    assert broken(ran(*phases, *asked, held=held)) == {}
    assert Promise.HOLDS in broken(ran(*phases, asked[0], held=held))
    assert Promise.HOLDS in broken(ran(*phases, *asked, held=Waiting(told=False, table=BEFORE)))
    assert Promise.HOLDS in broken(ran(*phases, *asked, held=Waiting(told=True, table=AFTER)))
    assert Promise.HOLDS in broken(ran(*phases, *asked, held=held, ending=None))


def test_a_throttled_run() -> None:
    phases = entering(*NAMES)
    assert broken(ran(*phases, throttled=Waiting(told=True, copied=(5, 5, 5)))) == {}
    assert Promise.THROTTLES in broken(ran(*phases, throttled=Waiting(told=True, copied=(5, 5, 6))))
    assert Promise.THROTTLES in broken(ran(*phases, throttled=Waiting(told=False)))


def test_a_cancel() -> None:
    cancelled = Ending(how="cancelled")
    times: dict[str, Any] = {"cancelled_at": 5.0, "ended_at": 6.0}
    assert broken(ran(ending=cancelled, after=BEFORE, **times)) == {}
    assert broken(ran(*entering(*NAMES), **times)) == {}, "it had completed"
    assert Promise.CANCELS in broken(ran(ending=cancelled, after=AFTER, **times))
    assert Promise.CANCELS in broken(ran(ending=cancelled, after=BEFORE, cancelled_at=5.0, ended_at=50.0))
    assert Promise.CANCELS in broken(ran(ending=None, after=BEFORE, **times))
    assert Promise.CANCELS in broken(ran(ending=Ending(how="failed"), after=BEFORE, **times))


def answering(*answers: str, number: int = 2, ending: Ending = COMPLETED, after: Table = AFTER) -> Attempted:
    asked = [step("recover", attempt=number, within="recover", side=Side.DONE, answer=answer) for answer in answers]
    steps = (*asked, step("run", attempt=number, side=Side.BEGUN), *entering(*NAMES), step("progress", rows=9))
    return Attempted(number=number, steps=steps, ending=ending, after=after)


def test_what_recover_answers_fits_the_facts() -> None:
    dead = Attempted(number=1, steps=(), ending=Ending(how="died"), after=BEFORE)
    done = msgspec.structs.replace(dead, after=AFTER)
    assert broken(ran(attempts=(dead, answering("StartOver", "StartOver")))) == {}
    assert broken(ran(attempts=(done, answering("AlreadyCompleted", "AlreadyCompleted")))) == {}
    for first, answers in (
        (dead, ("AlreadyCompleted",)),
        (done, ("StartOver",)),
        (done, ("Resume",)),
        (dead, ("Resume", "StartOver")),
    ):
        assert list(broken(ran(attempts=(first, answering(*answers))))) == [Promise.RECOVERS], answers
    failed = answering("StartOver", ending=Ending(how="failed", error=ErrorInfo(code="x", message="why")))
    assert Promise.RECOVERS in broken(ran(attempts=(dead, failed)))


def test_work_is_taken_up_where_that_is_declared_and_only_there() -> None:
    dead = Attempted(number=1, steps=(step("progress", rows=9),), ending=Ending(how="died"), after=BEFORE)
    assert broken(ran(attempts=(dead, answering("Resume")), resumable=True)) == {}
    assert Promise.RESUMES in broken(ran(attempts=(dead, answering("StartOver")), resumable=True))
    other = msgspec.structs.replace(DECLARED, resumable=False)
    assert Promise.RESUMES in broken(ran(attempts=(dead, answering("Resume")), declaration=other))
    assert broken(ran(attempts=(dead, answering("StartOver")), declaration=other, resumable=True)) == {}


def test_what_could_not_be_shown_counts_as_broken() -> None:
    assert list(broken(ran(*entering(*NAMES), missed=Promise.RESUMES))) == [Promise.RESUMES]


def test_traces() -> None:
    phases = entering(*NAMES)
    seen = step("artifact", looked=True, undeclared=("_x",), side=Side.BEGUN)
    assert list(broken(ran(*phases, seen))) == [Promise.ARTIFACTS]
    for what in Left.__struct_fields__:
        assert list(broken(ran(*phases, left=Left(**{what: ("thing",)})))) == [Promise.LEAVES_NOTHING]


@given(st.sampled_from(["argv", "log", "progress", "message", "command line", "report", "error"]))
def test_a_secret_is_found_wherever_it_is(where: str) -> None:
    secret = "s3cret!"
    text = f"with {secret} in it"
    phases = entering(*NAMES)
    seen = {
        "argv": ran(*phases, step("subprocess", argv=("x", text))),
        "log": ran(*phases, log=(text,)),
        "progress": ran(*phases, step("progress", said=text)),
        "message": ran(*phases, ending=Ending(how="completed", message=text)),
        "command line": ran(*phases, command_lines=(text,)),
        "report": ran(*phases, told=(text,)),
        "error": ran(*phases, ending=Ending(how="failed", error=ErrorInfo(code="x", message=text)), fails=True),
    }[where]
    told = msgspec.structs.replace(seen, secrets=(secret,))
    assert list(broken(told)) == [Promise.SECRETS]
    assert secret not in str(judge(told))
    assert secret not in repr(told)
    assert broken(seen) == {}, "nobody knows that it is one"


def test_flags() -> None:
    phases = entering(*NAMES)
    argument = "--probe=a b; $(x)"
    call = step("subprocess", argv=("tool", argument), side=Side.BEGUN)
    assert broken(ran(*phases, call, passed=(argument,))) == {}
    assert Promise.FLAGS in broken(ran(*phases, passed=(argument,)))
    torn = step("subprocess", argv=("tool", "--probe=a", "b;", "$(x)"), side=Side.BEGUN)
    assert Promise.FLAGS in broken(ran(*phases, torn, passed=(argument,)))
    assert broken(ran(*phases, refused=(("host", "not --host"),))) == {}
    assert Promise.FLAGS in broken(ran(*phases, refused=(("host", ""),)))
    assert Promise.FLAGS in broken(ran(*phases, refused=(("host", "a flag is wrong"),)))


def test_a_report_tells_what_was_kept_broken_and_never_promised() -> None:
    [violation] = judge(ran(*entering(*NAMES), after=BEFORE))
    report = Report.of("made-up", [Promise.COMPLETES, Promise.PHASES], [violation])
    assert report.kept == (Promise.PHASES,)
    assert report.broken == (violation,)
    assert Promise.RESUMES in report.not_declared
    assert "completes (made up): the table is not as MySQL's own statement leaves it: before" in str(report)


def names_of(todo: list[Scenario]) -> set[str]:
    return {scenario.name for scenario in todo}


def test_scenarios_are_those_that_a_declaration_asks_for() -> None:
    subject = Subject(strategy="made-up")
    asked = names_of(scenarios(DECLARED, subject))
    assert asked == {
        "alter_table",
        *(f"cancelled in {name}" for name in NAMES),
        *("cancelled in mid-copy", "throttled", "dies in mid-copy", "dies and is cancelled"),
        *("cancelled while held", "flags"),
    }
    plain = Declaration(
        strategy="plain", version="1", kinds=tuple(KindDeclaration(kind=change.kind, phases=()) for change in OTHERS)
    )
    assert names_of(scenarios(plain, subject)) == {str(change.kind) for change in OTHERS}
    assert len(representative(DECLARED, subject)) == 3


def test_points_are_found_again(tmp_path: Path) -> None:
    steps = [*entering(*NAMES), *(step("throttle.wait", at=5.0 + n, side=Side.BEGUN, phase="copy") for n in range(4))]
    file = journal(tmp_path, "u", 1)
    assert read_steps(file) == ()
    file.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in steps) + b'{"half')
    read = read_steps(file)
    assert read == tuple(steps)
    assert len(points(read)) == 4
    third = Point(within="run", call="throttle.wait", side=Side.BEGUN, nth=3)
    assert find(read, third) == steps[5]
    assert find(read, msgspec.structs.replace(third, nth=1, after=2.5)) == steps[6]
    assert find(read, msgspec.structs.replace(third, nth=5)) is None
    orders = Orders(known=("item",), die=third, twice=True)
    orders.write(tmp_path, "u", 1)
    assert read_orders(tmp_path, "u", 1) == orders
    assert read_orders(tmp_path, "u", 2) == Orders()


def test_a_table_has_as_many_rows_as_asked_for() -> None:
    assert "n <= 300" in setup(300)[1]
