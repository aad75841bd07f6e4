"""``alterd demo``: everything from nothing, a table altered under load, every row proven, nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from alterd_cli.demo import ROWS, STRATEGY

Environ = dict[str, str]


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[Environ]:
    """A temporary folder of the demo's own, in which nothing is left."""
    found = {name: value for name, value in os.environ.items() if not name.startswith("ALTERD_")}
    # MySQL's socket lies in this folder too, and its path is limited to about 100 characters
    short = str(tmp_path) if len(str(tmp_path)) < 60 else None
    with tempfile.TemporaryDirectory(prefix="dm", dir=None if short else "/tmp") as folder:
        found["TMPDIR"] = short or folder
        yield found
        assert not list(Path(found["TMPDIR"]).glob("alterd-*"))
        assert not processes(found["TMPDIR"])


def processes(folder: str) -> list[str]:
    """Command lines that name the folder."""
    lines = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if folder in line]


def run_demo(environ: Environ, *arguments: str, timeout: float = 220) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alterd_cli", "demo", *arguments],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def check_story(done: subprocess.CompletedProcess[str], rows: int, strategy: str) -> None:
    told = done.stdout
    assert done.returncode == 0, told + done.stderr
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", told), "control characters where no terminal is"
    assert f"Filling the table customer with {rows:,} rows" in told
    assert f"$ alterd submit -k commerce --ddl-strategy {strategy} " in told
    assert "$ alterd watch " in told
    assert re.search(r"commerce/0 alter customer complete", told)
    assert re.search(r"the transaction that was in its way: committed", told)
    assert re.search(r"the change is complete; the transaction that was open all the time .*: committed", told)
    for name in ("rows", "statements", "longest write stall", "cut-over attempts", "events", "proof"):
        assert re.search(rf"^ *{name}: .*\d", told, re.MULTILINE), name
    expected, found = re.search(r"once and holds what it must: ([\d,]+) of ([\d,]+)\. All is stopped", told).groups()  # type: ignore[union-attr]
    assert expected == found
    assert int(found.replace(",", "")) > rows / 2


@pytest.mark.timeout(240)
@pytest.mark.parametrize("strategy", [pytest.param("mysql", marks=pytest.mark.slow), STRATEGY])
def test_a_small_table_is_altered_under_load_and_proven(environ: Environ, strategy: str) -> None:
    done = run_demo(environ, "--rows", "5000", "--rate", "300", "--ddl-strategy", strategy)
    check_story(done, 5_000, strategy)


@pytest.mark.timeout(240)
def test_sabotage_ends_with_exit_code_1_and_names_the_row(environ: Environ) -> None:
    done = run_demo(environ, "--rows", "2000", "--ddl-strategy", "mysql", "--sabotage", "change")
    assert done.returncode == 1, done.stdout + done.stderr
    key = re.search(r"^  row id=(\d+) was given a cent$", done.stdout, re.MULTILINE)
    assert key
    assert f"\nrow id={key[1]}: balance is " in done.stdout
    assert f"error: the table does not hold what was acknowledged: row id={key[1]}: balance is " in done.stderr


@pytest.mark.timeout(240)
@pytest.mark.parametrize("moment", ["Starting MySQL", pytest.param("$ alterd watch", marks=pytest.mark.slow)])
def test_an_interrupt_stops_everything(environ: Environ, moment: str) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "alterd_cli", "demo", "--rows", "2000", "--ddl-strategy", "mysql"],
        env={**environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if moment in line:
                break
        demo.send_signal(signal.SIGINT)
        told = demo.stdout.read()
    assert demo.returncode == 130, told
    assert "stopping everything" in told
    assert "Traceback" not in told


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_demo_as_it_is_shown(environ: Environ) -> None:
    done = run_demo(environ, timeout=380)
    check_story(done, ROWS, STRATEGY)
    assert re.search(r"throttled: lag \d", done.stdout)
    assert re.search(r"the swap waits: .*connection \d+", done.stdout)
