"""The bench's sums, its report, and its reading of gh-ost's output. Never timings."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec
import pytest

from tests.bench import figures, ghost
from tests.bench.ghost_output import Course, Status, locked_for, status_of
from tests.bench.machine import Use, family
from tests.bench.peers import main
from tests.bench.report import Apply, Disturbance, Machine, Report, Stall, Timing, text
from tests.bench.writers import PAD, Written, text_of

QUIET = Disturbance(load=0.1, others=0.02)

GHOST_SAYS = """\
2026-11-21 08:03:35 INFO starting gh-ost 1.1.10 (git commit: none)
2026-11-21 08:03:35 INFO First throttle metrics collected
# Migrating `bench`.`sb`; Ghost table is `bench`.`_sb_gho`
Copy: 0/1988152 0.0%; Applied: 0; Backlog: 0/1000; Time: 0s(total), 0s(copy); streamer: binlog.000002:3396; Lag: 0.01s, HeartbeatLag: 0.01s, State: migrating; ETA: N/A
2026-11-21 08:03:35 INFO Copy: 0/1988152 0.0%; Applied: 0; Backlog: 0/1000; Time: 0s(total), 0s(copy); streamer: binlog.000002:3396; Lag: 0.01s, HeartbeatLag: 0.01s, State: migrating; ETA: N/A []
Copy: 86000/1988152 4.3%; Applied: 12; Backlog: 3/1000; Time: 1s(total), 1s(copy); streamer: binlog.000002:77861; Lag: 0.01s, HeartbeatLag: 0.01s, State: throttled, lag=1.6s; ETA: 22s
2026-11-21 08:03:37 INFO Row copy complete
Copy: 2000000/2000000 100.0%; Applied: 12; Backlog: 0/1000; Time: 1s(total), 1s(copy); streamer: binlog.000002:3900645; Lag: 0.01s, HeartbeatLag: 0.09s, State: postponing cut-over; ETA: due
2026-11-21 08:03:38 INFO Tables renamed
2026-11-21 08:03:38 INFO Lock & rename duration: 1.004486026s. During mgtr time, queries on `sb` were blocked
2026-11-21 08:03:38 INFO Done migrating `bench`.`sb`
""".splitlines()  # noqa: E501 - as it prints them


def test_progress_of_gh_ost_is_read_from_its_output_and_not_from_its_log() -> None:
    assert [status_of(line) for line in GHOST_SAYS if status_of(line)] == [
        Status(copied=0, rows=1988152, applied=0, backlog=0, state="migrating"),
        Status(copied=86000, rows=1988152, applied=12, backlog=3, state="throttled, lag=1.6s"),
        Status(copied=2000000, rows=2000000, applied=12, backlog=0, state="postponing cut-over"),
    ]


def test_a_course_of_gh_ost_has_the_moments_of_its_lines() -> None:
    course = Course()
    for moment, line in enumerate(GHOST_SAYS):
        course.hear(float(moment), line)
    assert (course.copy_began, course.copy_ended, course.postponed) == (3.0, 6.0, 7.0)
    assert course.locked == pytest.approx(1.004486026)
    assert course.last_words[-1] == GHOST_SAYS[-1]


def test_a_course_that_broke_off_has_no_end() -> None:
    course = Course()
    for moment, line in enumerate([*GHOST_SAYS[:4], "2026-11-21 08:03:36 FATAL table is gone"]):
        course.hear(float(moment), line)
    assert (course.copy_began, course.copy_ended, course.locked) == (3.0, None, None)


@pytest.mark.parametrize(
    ("duration", "wanted"),
    [("980.5ms", 0.9805), ("2.01s", 2.01), ("1m3.5s", 63.5), ("1h0m0.25s", 3600.25), ("850µs", 0.00085)],
)
def test_durations_as_gh_ost_writes_them(duration: str, wanted: float) -> None:
    line = f"INFO Lock & rename duration: {duration}. During mgtr time, queries on `sb` were blocked"
    assert locked_for(line) == pytest.approx(wanted)


def test_where_gh_ost_cannot_be_had_the_reason_is_told(tmp_path: Path) -> None:
    script = tmp_path / "get"
    script.write_text("#!/bin/sh\necho building >&2\necho 'there is no go' >&2\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(ghost.NotHere, match=r"^there is no go$"):
        ghost.find(script)


def test_a_gh_ost_that_is_found_says_its_version(tmp_path: Path) -> None:
    program = tmp_path / "gh-ost"
    program.write_text("#!/bin/sh\necho '1.1.10 (git commit: none)'\n")
    script = tmp_path / "get"
    script.write_text(f"#!/bin/sh\necho {program}\n")
    for path in (program, script):
        path.chmod(0o755)
    assert ghost.find(script) == ghost.Program(path=program, version="1.1.10 (git commit: none)")


def test_summaries() -> None:
    assert figures.summary([]) is None
    found = figures.summary([3.0, 1.0, 2.0, 10.0])
    assert found == figures.Summary(n=4, least=1.0, median=2.5, p90=10.0, most=10.0)
    assert figures.quantile([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0], 0.9) == 9.0
    assert figures.quantile([5.0], 0.0) == 5.0


def test_a_ratio_needs_both_sides() -> None:
    one, other = figures.summary([4.0]), figures.summary([2.0])
    assert figures.ratio(one, other) == 2.0
    assert figures.ratio(one, None) is None
    assert figures.ratio(one, figures.summary([0.0])) is None


def test_numbers_as_they_are_shown() -> None:
    assert figures.seconds(None) == "–"
    assert figures.seconds(figures.summary([1.234])) == "1.23"
    assert figures.seconds(figures.summary([1.0, 2.0, 3.0])) == "2.00 (1.00–3.00)"
    assert [figures.milliseconds(each) for each in (0.00046, 0.0999, 1.0052)] == ["0.5", "99.9", "1,005"]
    assert figures.per_second(figures.summary([54627.2])) == "54,627"


def test_what_others_use_is_the_rest() -> None:
    before = Use(whole=1000, busy=300, ours=200)
    assert Use(whole=1100, busy=380, ours=230).others_since(before) == 0.5
    assert Use(whole=1100, busy=330, ours=231).others_since(before) == 0.0  # counted at slightly different moments
    assert before.others_since(before) == 0.0


def test_a_process_knows_its_own() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        assert next(family(os.getpid())) == os.getpid()
        assert child.pid in family(os.getpid())
        child.kill()
    assert child.pid not in family(os.getpid())
    assert 0 < Use.now().ours <= Use.now().busy


def test_a_table_is_aligned() -> None:
    shown = figures.table(["", "s"], [["a", "1.00"], ["long name", "12.00"]])
    assert shown.splitlines() == ["               s", "---------  -----", "a           1.00", "long name  12.00"]


def test_writes_are_counted_where_they_overlap_a_time() -> None:
    written = Written(writes=[(1.0, 0.5), (2.0, 0.1), (3.0, 2.0)], updated={}, inserted={}, refused=[])
    assert written.longest(1.4, 1.9) == 0.5
    assert written.longest(1.6, 1.9) == 0.0
    assert written.longest(4.0, 9.0) == 2.0
    assert written.count(1.0, 2.5) == 2


def test_what_writers_did_is_laid_over_the_source() -> None:
    written = Written(writes=[], updated={1: 70, 9: 80}, inserted={9: 60, 10: 90}, refused=[])
    assert written.applied_to({1: (5, "c", "p"), 2: (6, "d", "q")}) == {
        1: (70, "c", "p"),
        2: (6, "d", "q"),
        9: (80, text_of(60), PAD),
        10: (90, text_of(90), PAD),
    }


def a_timing(contestant: str, turn: int, copy: float, total: float, /, **phases: float) -> Timing:
    return Timing(contestant=contestant, turn=turn, disturbance=QUIET, copy_s=copy, total_s=total, phases=phases)


def a_stall(contestant: str, turn: int, longest: float, refused: int = 0) -> Stall:
    return Stall(
        contestant=contestant,
        turn=turn,
        disturbance=QUIET,
        total_s=2.0,
        swap_s=1.0,
        writes=1990,
        longest_s=longest * 2,
        longest_at_swap_s=longest,
        refused=refused,
    )


def an_apply(contestant: str, seconds: float) -> Apply:
    return Apply(contestant=contestant, turn=1, disturbance=QUIET, rows=200_000, written_s=3.0, applied_s=seconds)


def a_report() -> Report:
    return Report(
        began="2026-11-21T08:00:00+00:00",
        machine=Machine(
            cores=2, memory_gib=23.4, system="Linux 6", python="3.11.7", mysql="9.7.4", ghost="1.1.10", alterd="0.1"
        ),
        load_at_begin=0.25,
        change="ALTER TABLE sb …",
        rows=2_000_000,
        table_mib=496.0,
        small_rows=100_000,
        backlog=200_000,
        server=("--innodb-buffer-pool-size=2G",),
        others_limit=0.1,
        contestants={},
    )


def lines_of(shown: str, beginning: str) -> list[str]:
    return [" ".join(line.split()) for line in shown.splitlines() if line.startswith(beginning)]


def test_the_report_compares_with_gh_ost_and_with_in_place() -> None:
    report = a_report()
    for turn, factor in enumerate((1.0, 1.1, 0.9), start=1):
        report.timings += [
            a_timing("ALGORITHM=INPLACE", turn, 4.0 * factor, 4.0 * factor),
            a_timing("gh-ost", turn, 18.0 * factor, 20.0 * factor),
            a_timing("alterd vitess", turn, 5.0 * factor, 6.0 * factor, prepare=0.2, copy=5.0),
        ]
    shown = text(report)
    measured, compared, phases = lines_of(shown, "alterd vitess")
    assert measured == "alterd vitess 5.00 (4.50–5.50) 6.00 (5.40–6.60)"
    assert compared == "alterd vitess 3.60 3.33 0.80 0.67"
    assert phases == "alterd vitess, median seconds: prepare 0.20, copy 5.00"
    assert "during the 9 runs other programs used 2% of the cores (median; at most 2%); 0 more" in shown
    assert "longest write" not in shown
    assert "apply of" not in shown


def test_without_gh_ost_the_report_says_so_and_stands() -> None:
    report = a_report()
    report.timings.append(a_timing("ALGORITHM=INPLACE", 1, 4.0, 4.0))
    report.applies.append(an_apply("alterd vitess", 4.0))
    report.left_out.append("gh-ost: there is no go on the PATH")
    shown = text(report)
    assert "not measured: gh-ost: there is no go on the PATH" in shown
    assert lines_of(shown, "ALGORITHM=INPLACE") == ["ALGORITHM=INPLACE 4.00 4.00", "ALGORITHM=INPLACE 1.00 1.00"]
    assert lines_of(shown, "alterd vitess") == ["alterd vitess 50,000"]


def test_the_report_of_stalls_and_of_the_apply() -> None:
    report = a_report()
    report.stalls += [a_stall("alterd vitess", turn, turn / 1000, refused=turn == 3) for turn in range(1, 11)]
    report.stalls.append(a_stall("gh-ost", 1, 1.005))
    report.applies += [an_apply("gh-ost", 8.0), an_apply("alterd vitess", 4.0)]
    shown = text(report)
    stalls, applied = lines_of(shown, "alterd vitess")
    assert stalls == "alterd vitess 10 5.5 9.0 10.0 11.0 20.0 995 1"
    assert applied == "alterd vitess 50,000 2.00"
    assert lines_of(shown, "gh-ost ")[0] == "gh-ost 1 1,005 1,005 1,005 2,010 2,010 995 0"


def test_the_report_names_what_is_wrong_and_keeps_every_timing() -> None:
    report = a_report()
    report.timings.append(a_timing("alterd vitess", 1, 5.0, 6.0, copy=5.0))
    report.disturbed.append(a_stall("gh-ost", 1, 1.0))
    report.wrong.append("alterd vitess, turn 2: sb has 1999999 rows")
    assert "WRONG: alterd vitess, turn 2: sb has 1999999 rows" in text(report)
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def test_a_part_that_is_unknown_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--parts", "copy,swap"])
    assert "choose of copy,stall,apply" in capsys.readouterr().err
