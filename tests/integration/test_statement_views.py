"""Views under the managed strategies: replaced by an exchange, dropped by a RENAME, on a real server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pymysql
import pytest

from alterd_contracts.migration import Migration
from alterd_contracts.names import Artifact
from alterd_contracts.statement import StatementKind
from alterd_contracts.strategy import Wanted
from alterd_executor.protocol import ArtifactNow, Ending, RunCancelled, RunCompleted, RunFailed
from tests.integration.executor_support import Attempt, new_uuid, record_of, run
from tests.integration.test_statement_recovery import dies
from tests.support import eventually
from tests.support.shop import Shop

CREATE, ALTER, DROP = StatementKind.CREATE_VIEW, StatementKind.ALTER_VIEW, StatementKind.DROP_VIEW
VIEWS = {
    "plain": "VIEW {} AS SELECT id, name FROM customer",
    "whole": "ALGORITHM=MERGE DEFINER={definer} SQL SECURITY INVOKER VIEW {} (p, q) AS SELECT id, a FROM customer"
    " WHERE id > 0 WITH LOCAL CHECK OPTION",
    "temptable": "ALGORITHM=TEMPTABLE SQL SECURITY DEFINER VIEW {} AS SELECT id FROM customer",
}
CHANGES = [
    (ALTER, "ALTER VIEW {} AS SELECT name FROM customer"),
    (ALTER, "ALTER VIEW `{}`(`x y`)AS SELECT name FROM customer WHERE name <> 'VIEW v AS' WITH CASCADED CHECK OPTION"),
    (
        ALTER,
        "ALTER ALGORITHM = UNDEFINED DEFINER = CURRENT_USER() SQL SECURITY DEFINER VIEW {} AS SELECT a FROM customer",
    ),
    (ALTER, "ALTER ALGORITHM=MERGE VIEW {} AS SELECT a, count(*) AS n FROM customer GROUP BY a"),
    (CREATE, "CREATE OR REPLACE VIEW {} AS SELECT a FROM customer"),
    (CREATE, "create or replace algorithm=temptable sql security invoker view {} as select id from customer"),
]


def view_record(shop: Shop, kind: StatementKind, sql: str, name: str = "v", **fields: Any) -> Migration:
    return record_of(shop, kind, name, sql.format(name), **fields)


def shown(shop: Shop, name: str = "v") -> str:
    return str(shop.run(f"SHOW CREATE VIEW `{name}`")[0][1]).replace(f"`{name}`", "`v`")


def held_of(shop: Shop) -> list[str]:
    return [name for name in shop.tables() if Artifact.parse(name) is not None]


def failure(ending: Ending) -> str:
    assert isinstance(ending, RunFailed)
    return ending.error.message


def mysqls_refusal(shop: Shop, sql: str) -> int:
    """MySQL's error number; 0 when the statement has run."""
    try:
        shop.run(sql)
    except pymysql.MySQLError as error:
        return int(error.args[0])
    return 0


@pytest.fixture
def definer(shop: Shop) -> Any:
    """An account that is not the one we sign in with."""
    account = f"'definer_{new_uuid()[:8]}'@'%'"
    shop.run(f"CREATE USER {account}")
    shop.run(f"GRANT SELECT ON `{shop.schema}`.* TO {account}")
    yield account
    shop.run(f"DROP USER {account}")


async def test_a_replaced_view_is_what_mysql_makes_of_it(shop: Shop, tmp_path: Path, definer: str) -> None:
    """Definer, security, algorithm, columns and check option, beside MySQL's own ALTER and OR REPLACE."""
    for name, view in VIEWS.items():
        for kind, sql in CHANGES:
            for each in ("v", "theirs"):
                shop.run(f"CREATE OR REPLACE {view.format(each, definer=definer)}")
            before, refused = shown(shop), mysqls_refusal(shop, sql.format("theirs"))
            ending = await run(shop, view_record(shop, kind, sql), tmp_path)
            if refused:
                assert str(refused) in failure(ending)
                assert shown(shop) == before
                continue
            [held] = held_of(shop)
            assert ending == RunCompleted(message=f"the view v is replaced; what it was is held as {held}")
            assert shown(shop) == shown(shop, "theirs"), (name, sql)
            assert shown(shop, held) == before
            shop.run(f"DROP VIEW `{held}`")


async def test_a_view_is_created_and_one_that_is_there_is_left(shop: Shop, tmp_path: Path) -> None:
    create = view_record(shop, CREATE, "CREATE OR REPLACE VIEW {} AS SELECT id FROM customer")
    assert await run(shop, create, tmp_path) == RunCompleted()
    assert "1050" in failure(await run(shop, view_record(shop, CREATE, "CREATE VIEW {} AS SELECT 1"), tmp_path))
    assert shop.tables() == ["customer", "v"]
    assert shop.columns("v") == ["id"]


async def test_what_is_missing_or_no_view_is_refused_in_mysqls_words(shop: Shop, tmp_path: Path) -> None:
    for kind, name, sql, errno in (
        (ALTER, "gone", "ALTER VIEW {} AS SELECT 1", "1146"),
        (ALTER, "customer", "ALTER VIEW {} AS SELECT 1", "1347"),
        (CREATE, "customer", "CREATE OR REPLACE VIEW {} AS SELECT 1", "1347"),
        (DROP, "gone", "DROP VIEW {}", "1051"),
        (DROP, "customer", "DROP VIEW {}", "1347"),
    ):
        assert errno in failure(await run(shop, view_record(shop, kind, sql, name), tmp_path))
    assert shop.tables() == ["customer"]


async def test_a_dropped_view_is_held(shop: Shop, tmp_path: Path) -> None:
    shop.run("CREATE VIEW v AS SELECT id FROM customer")
    record = view_record(shop, DROP, "DROP VIEW {}")
    attempt = await Attempt.claim(shop, record, tmp_path)
    ending = await attempt.run()
    [held] = held_of(shop)
    assert ending == RunCompleted(message=f"the view v is held as {held}")
    assert ArtifactNow(name=held) in attempt.sent
    assert shop.run(f"SELECT count(*) FROM `{held}`") == [(3,)]
    assert "v" not in shop.tables()


async def test_drop_view_if_exists_leaves_tables_alone(shop: Shop, tmp_path: Path) -> None:
    for name, why in (("gone", "did not exist"), ("customer", "is a table, no view: it was left alone")):
        record = view_record(shop, DROP, "DROP VIEW IF EXISTS {}", name, if_exists=True)
        assert await run(shop, record, tmp_path) == RunCompleted(message=f"the view {name} {why}")
    assert shop.tables() == ["customer"]


async def test_a_broken_view_is_mended_and_dropped(shop: Shop, tmp_path: Path) -> None:
    shop.run("CREATE TABLE gone (id int)")
    for name in ("v", "w"):
        shop.run(f"CREATE VIEW {name} AS SELECT id FROM gone")
    shop.run("DROP TABLE gone")
    mend = view_record(shop, ALTER, "ALTER VIEW {} AS SELECT id FROM customer")
    assert isinstance(await run(shop, mend, tmp_path), RunCompleted)
    assert shop.run("SELECT count(*) FROM v") == [(3,)]
    assert isinstance(await run(shop, view_record(shop, DROP, "DROP VIEW {}", "w"), tmp_path), RunCompleted)
    assert "w" not in shop.tables()


async def test_a_view_that_would_select_from_itself_is_not_swapped_in(shop: Shop, tmp_path: Path) -> None:
    shop.run("CREATE VIEW v AS SELECT id FROM customer")
    shop.run("CREATE VIEW above AS SELECT id FROM v")
    before = shown(shop)
    for sql in ("CREATE OR REPLACE VIEW {} AS SELECT id FROM above", "CREATE OR REPLACE VIEW {} AS SELECT id FROM v"):
        assert "1462" in failure(await run(shop, view_record(shop, CREATE, sql), tmp_path))
    assert shown(shop) == before
    assert shop.run("SELECT count(*) FROM above") == [(3,)]


POINTS = ["run.artifact_declared", "statement.view_made", "statement.remembered", "statement.executed"]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize(
    ("kind", "sql"),
    [
        (ALTER, "ALTER VIEW {} AS SELECT name FROM customer"),
        (CREATE, "CREATE OR REPLACE VIEW {} AS SELECT name FROM customer"),
    ],
)
async def test_a_view_is_replaced_once(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, kind: StatementKind, sql: str
) -> None:
    shop.run("CREATE SQL SECURITY INVOKER VIEW v AS SELECT id FROM customer")
    before = shown(shop)
    record = view_record(shop, kind, sql)
    later = await dies(shop, record, tmp_path, monkeypatch, point)
    ending = await run(shop, later, tmp_path)
    assert isinstance(ending, RunCompleted)
    assert shop.columns("v") == ["name"]
    assert [name for name in held_of(shop) if shown(shop, name) == before and name in ending.message]
    assert len([name for name in held_of(shop) if shown(shop, name) == before]) == 1
    listed = [name for (name,) in shop.run("SELECT name FROM _alterd.artifacts")]
    assert set(held_of(shop)) <= set(listed)


@pytest.mark.parametrize("point", [POINTS[0], *POINTS[2:]])
async def test_a_view_is_held_once(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    shop.run("CREATE VIEW v AS SELECT id FROM customer")
    later = await dies(shop, view_record(shop, DROP, "DROP VIEW {}"), tmp_path, monkeypatch, point)
    ending = await run(shop, later, tmp_path)
    assert isinstance(ending, RunCompleted)
    [held] = held_of(shop)
    assert held in ending.message


async def test_a_view_that_somebody_else_replaced_after_the_swap_is_for_a_person(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.run("CREATE VIEW v AS SELECT id FROM customer")
    record = view_record(shop, ALTER, "ALTER VIEW {} AS SELECT name FROM customer")
    later = await dies(shop, record, tmp_path, monkeypatch, "statement.executed")
    shop.run("ALTER VIEW v AS SELECT a FROM customer")
    ending = await run(shop, later, tmp_path)
    assert isinstance(ending, RunFailed)
    assert ending.error.code == "ambiguous"
    assert shop.columns("v") == ["a"]


async def test_a_view_that_was_changed_while_completion_was_postponed_is_left(shop: Shop, tmp_path: Path) -> None:
    shop.run("CREATE VIEW v AS SELECT id FROM customer")
    record = view_record(shop, ALTER, "ALTER VIEW {} AS SELECT name FROM customer")
    attempt = await Attempt.claim(shop, record, tmp_path, postponed=True)
    running = await postponed(shop, attempt)
    shop.run("ALTER VIEW v AS SELECT a FROM customer")
    await attempt.permit()
    assert "changed by somebody else" in failure(await running)
    assert shop.columns("v") == ["a"]


async def test_a_cancelled_replacement_leaves_the_view_as_it_was(shop: Shop, tmp_path: Path) -> None:
    shop.run("CREATE VIEW v AS SELECT id FROM customer")
    record = view_record(shop, ALTER, "ALTER VIEW {} AS SELECT name FROM customer")
    attempt = await Attempt.claim(shop, record, tmp_path, postponed=True)
    running = await postponed(shop, attempt)
    await attempt.cancel()
    assert await running == RunCancelled()
    assert shop.columns("v") == ["id"]


async def postponed(shop: Shop, attempt: Attempt) -> Any:
    """The run, with the new view made and the swap waiting."""

    running = asyncio.create_task(attempt.run())
    await attempt.task.hear(Wanted(may_complete=False))
    await eventually(lambda: any(type(message).__name__ == "ReadyNow" for message in attempt.sent))
    assert held_of(shop)
    return running
