"""The real pt-online-schema-change on a real MySQL, through an attempt: changes that come to their end."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from alterd_contracts.strategy import Task, Wanted
from alterd_executor.protocol import ReadyNow, RunCompleted, ThrottledNow, VerdictNow
from alterd_ptosc import ptosc, tables
from alterd_ptosc.passing import RESERVED, SWITCHES, VALUED, arguments
from alterd_ptosc.program import check_flags, find
from alterd_ptosc.ptosc import PtOsc
from alterd_runtime.ddl_strategy import options_of
from alterd_tools import programs
from tests.integration.ptosc_support import SLOWLY, altering, filled, nothing_left, triggers
from tests.integration.vitess_support import Running, phases, progress
from tests.support import eventually
from tests.support.processes import command_lines
from tests.support.shop import Shop
from tests.support.tools import any_pt_osc, newest_pt_osc
from tests.support.writers import SHAPES, Writers

FLAG = re.compile(r"^  --(\[no\])?([\w-]+)(=\w)?(?:\s+-(\w))?", re.MULTILINE)
"""A flag in the tool's help: whether it may be negated, its name, its value's type, its short name."""
GO = VerdictNow(go=True, reason="", valid_seconds=3600.0)
WAIT = VerdictNow(go=False, reason="replica lag 9 s", valid_seconds=3600.0)


@pytest.fixture(params=["any", "newest"])
def tool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What this machine has, which may be old, and the newest version."""
    path = any_pt_osc() if request.param == "any" else newest_pt_osc()
    monkeypatch.setenv("ALTERD_PTOSC__PATH", path)
    return path


async def test_each_flag_of_the_tool_has_its_place(tool: str) -> None:
    """None is passed on only because nobody thought of it: refused, a switch, or one with a value."""
    _, said = await programs.answer(Path(tool), ("--config=/dev/null", "--help"), "it", hint="")
    flags = FLAG.findall(said.partition("Options and values")[0])
    assert len(flags) > 60
    for negatable, name, value, short in flags:
        names = [name, *((f"no-{name}", f"no{name}") if negatable else ()), *short.split()]
        for each in names:
            assert [each in RESERVED, each in SWITCHES, each in VALUED].count(True) == 1, each
            assert each in RESERVED or (each in VALUED) == bool(value), each


@pytest.mark.usefixtures("tool")
async def test_a_change_under_writes_keeps_every_row(shop: Shop, tmp_path: Path) -> None:
    writers = Writers(shop, SHAPES["int"], pause=0.002)
    await asyncio.to_thread(writers.create, 1200)
    shop.run("ANALYZE TABLE item")
    record = altering(shop, **SLOWLY)
    with writers.writing():
        running = await Running.start(shop, record, tmp_path)
        await running.until_copied(100)
        ending = await running.ending(90)
        await asyncio.sleep(0.3)  # writes to the new table
    assert isinstance(ending, RunCompleted), ending
    assert writers.failures == []
    writers.check("c = 7")
    assert shop.columns("item")[0] == "c"
    assert "by_a" in shop.indexes("item")
    assert phases(running.attempt) == ["prepare", "copy", "cut-over"]
    copied = [each.rows_copied for each in progress(running.attempt)]
    assert copied == sorted(copied)
    [(counted,)] = {(ending.rows_copied,)}
    assert counted == ending.table_rows > 0
    nothing_left(shop, record, tmp_path)


@pytest.mark.usefixtures("tool")
async def test_a_new_account_signs_in_with_and_without_tls(shop: Shop, tmp_path: Path, tls: str) -> None:
    filled(shop)
    record = altering(shop)
    running = await Running.start(shop, record, tmp_path)
    ending = await running.ending()
    assert isinstance(ending, RunCompleted), (ending, tls)
    nothing_left(shop, record, tmp_path)


@pytest.mark.usefixtures("tool")
async def test_a_held_swap_waits_while_writes_go_on(shop: Shop, tmp_path: Path) -> None:
    filled(shop)
    record = altering(shop)
    running = await Running.start(shop, record, tmp_path, postponed=True)
    await eventually(lambda: ReadyNow(ready=True) in running.attempt.sent, 30)
    shop.run("INSERT INTO item (a, b) VALUES (-1, 'late')")
    shop.run("UPDATE item SET b = 'changed' WHERE id = 7")
    shop.run("DELETE FROM item WHERE id = 8")
    assert shop.columns("item") == ["id", "a", "b"]
    assert len(triggers(shop)) == 3
    await running.attempt.permit()
    assert isinstance(await running.ending(), RunCompleted)
    assert shop.run("SELECT COUNT(*), SUM(b = 'late'), SUM(b = 'changed'), SUM(c = 7) FROM item") == [(400, 1, 1, 400)]
    nothing_left(shop, record, tmp_path)


async def test_users_flags_reach_the_tool(shop: Shop, tmp_path: Path, tool: str) -> None:
    flags = (
        "--max-load Threads_running=200 --chunk-size 50 --set-vars \"wait_timeout=500,time_format='x'\""
        " --null-to-not-null --alter-foreign-keys-method auto --statistics --tries='swap_tables:3:0.5' --print"
    )
    filled(shop, 120)
    shop.run("ALTER TABLE item ADD n INT NULL DEFAULT 5")
    shop.run("UPDATE item SET n = NULL WHERE id = 7")
    record = altering(shop, "ALTER TABLE item MODIFY n INT NOT NULL DEFAULT 5", options=flags)
    await check_flags(await find(tool), arguments(options_of(record, PtOsc().declare())))
    running = await Running.start(shop, record, tmp_path)
    ending = await running.ending()
    assert isinstance(ending, RunCompleted), ending
    # the user asked for it: MySQL's own ALTER would refuse the row
    assert shop.run("SELECT COUNT(*), SUM(n = 0) FROM item") == [(120, 1)]
    log = running.attempt.log()
    assert "INSERT LOW_PRIORITY IGNORE INTO" in log
    assert "# Event" in log
    nothing_left(shop, record, tmp_path)


async def test_throttled_it_copies_nothing_until_it_is_released(shop: Shop, tmp_path: Path) -> None:
    filled(shop, 1000)
    record = altering(shop, **SLOWLY)
    running = await Running.start(shop, record, tmp_path)
    await running.until_copied(100)
    running.attempt.task.throttle.hear(WAIT)
    sent = running.attempt.sent
    await eventually(lambda: any(isinstance(each, ThrottledNow) and each.reason == WAIT.reason for each in sent))
    before = rows_in_new_table(shop)
    await asyncio.sleep(0.8)
    assert rows_in_new_table(shop) == before < 1000
    running.attempt.task.throttle.hear(GO)
    assert isinstance(await running.ending(), RunCompleted)
    assert shop.run("SELECT COUNT(*) FROM item") == [(1000,)]
    nothing_left(shop, record, tmp_path)


async def test_paused_it_waits_before_the_swap_too(shop: Shop, tmp_path: Path) -> None:
    filled(shop)
    record = altering(shop)
    running = await Running.start(shop, record, tmp_path, postponed=True)
    await eventually(lambda: ReadyNow(ready=True) in running.attempt.sent, 30)
    await running.attempt.task.hear(Wanted(paused=True, may_complete=False))
    await asyncio.sleep(0.8)
    assert not running.task.done()
    await running.attempt.permit()
    assert isinstance(await running.ending(), RunCompleted)


async def test_the_password_is_on_no_command_line_and_in_no_log(shop: Shop, tmp_path: Path) -> None:
    filled(shop, 800)
    running = await Running.start(shop, altering(shop, **SLOWLY), tmp_path)
    await running.until_copied(50)
    defaults = tmp_path / "pt-osc.cnf"
    assert defaults.stat().st_mode & 0o777 == 0o600
    password = next(line for line in defaults.read_text().splitlines() if line.startswith("password"))
    secret = password.partition("=")[2].strip('"')
    assert len(secret) > 20
    assert not [words for words in command_lines().values() if secret in " ".join(words)]
    assert isinstance(await running.ending(), RunCompleted)
    assert secret not in running.attempt.log()
    assert secret not in repr(running.attempt.sent)


async def test_a_child_keeps_its_parent_free(shop: Shop, tmp_path: Path) -> None:
    """The old table's foreign keys are dropped: its rows do not keep parents from being deleted, here or in another
    schema.
    """
    with shop.fresh() as other:
        for place in (shop, other):
            place.run("CREATE TABLE parent (id INT PRIMARY KEY)")
            place.run("INSERT INTO parent VALUES (1), (2)")
        shop.run(
            "CREATE TABLE child (id INT PRIMARY KEY, p INT, CONSTRAINT fk FOREIGN KEY (p) REFERENCES parent (id),"
            f" CONSTRAINT far FOREIGN KEY (p) REFERENCES {other.schema}.parent (id))"
        )
        shop.run("INSERT INTO child VALUES (1, 1), (2, 2)")
        record = altering(shop, "ALTER TABLE child ADD c INT", "child")
        running = await Running.start(shop, record, tmp_path)
        ending = await running.ending()
        assert isinstance(ending, RunCompleted), ending
        shop.run("DELETE FROM child WHERE p = 2")
        for place in (shop, other):
            place.run("DELETE FROM parent WHERE id = 2")
        assert shop.run(
            "SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS"
            f" WHERE CONSTRAINT_SCHEMA = '{shop.schema}' AND TABLE_NAME = 'child'"
        ) == [(2,)]
        nothing_left(shop, record, tmp_path)
        shop.run("DROP TABLE child")


async def test_a_parent_in_use_does_not_undo_what_has_happened(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The swap stands; the old table's rows hold on to the parent, and the log says so."""
    monkeypatch.setattr(tables, "PATIENCE", 0.1)
    monkeypatch.setattr(ptosc, "TURN", 1)
    shop.run("CREATE TABLE parent (id INT PRIMARY KEY)")
    shop.run("CREATE TABLE child (id INT PRIMARY KEY, p INT, CONSTRAINT fk FOREIGN KEY (p) REFERENCES parent (id))")
    record = altering(shop, "ALTER TABLE child ADD c INT", "child")
    tidy = ptosc._tidy

    async def tidy_beside_a_reader(task: Task, *, swapped: bool) -> None:
        assert swapped
        with shop.table_in_use("parent"):
            await tidy(task, swapped=swapped)

    monkeypatch.setattr(ptosc, "_tidy", tidy_beside_a_reader)
    running = await Running.start(shop, record, tmp_path)
    ending = await running.ending()
    assert isinstance(ending, RunCompleted), ending
    assert "c" in shop.columns("child")
    assert "hold on to their parents until it is collected" in running.attempt.log()
    nothing_left(shop, record, tmp_path)
    shop.run("DROP TABLE child")


def rows_in_new_table(shop: Shop) -> int:
    [new] = [name for name in shop.tables() if name.startswith("_alterd_shd_")]
    return int(shop.run(f"SELECT COUNT(*) FROM {new}")[0][0])
