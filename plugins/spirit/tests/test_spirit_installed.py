"""The plugin as others have it: installed by pip into a folder, beside services that know nothing of it.

The program is the stand-in, as in `test_spirit_runs`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alterd_contracts.requests import Accepted, Command, Refusal
from alterd_contracts.states import Status
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.support import eventually
from tests.support.shop import Shop

from alterd_spirit.program import VARIABLE
from programs import running, stand_in

PLUGIN = Path(__file__).parents[1]
COPIES = "ALTER TABLE customer MODIFY a BIGINT, ADD INDEX by_a (a)"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(PLUGIN)], check=True, timeout=90)
    return target


@pytest.fixture
def settings(installed: Path, tmp_path: Path) -> dict[str, str]:
    """Of an executor that has it."""
    return {"PYTHONPATH": str(installed), VARIABLE: str(stand_in(tmp_path))}


async def refusal(client: Client, sql: str, strategy: str) -> str:
    answer = await client.ask(sql, strategy=strategy)
    assert isinstance(answer, Refusal), answer
    return " ".join(error.message for error in answer.errors)


async def test_a_migration_by_the_installed_plugin(
    fleet: Fleet, client: Client, shop: Shop, settings: dict[str, str]
) -> None:
    for service in ("scheduler", "intake"):
        fleet.start(service)
    fleet.start("executor", "plain")
    fleet.start("executor", "special", **settings)
    [held] = await client.submit(COPIES, strategy="spirit --postpone-completion --threads=2")
    row = await client.until(held, lambda row: row.ready_to_complete)
    assert (row.migration_status, row.tablet) == (Status.RUNNING, "special")
    assert shop.indexes() == ["PRIMARY"]

    assert "--password" in await refusal(client, COPIES, "spirit --password=x")
    assert "no --no-such" in await refusal(client, COPIES, "spirit --no-such=1")
    assert "is spirit's to say" in await refusal(client, "ALTER TABLE customer ADD d INT, ALGORITHM=COPY", "spirit")
    waits = await client.ask("ALTER TABLE customer MODIFY name VARCHAR(90) NOT NULL", strategy="spirit")
    assert isinstance(waits, Accepted), waits
    assert any("_customer_new" in warning for warning in waits.warnings), waits.warnings

    await client.control(Command.COMPLETE, held)
    row = await client.until(held, Status.COMPLETE)
    assert "spirit cut over" in row.message
    assert shop.indexes() == ["PRIMARY", "by_a"]
    await client.until(waits.migrations[0].migration_uuid, Status.COMPLETE)
    assert not {"_customer_new", "_customer_old", "_customer_chkpnt", "_spirit_sentinel"} & set(shop.tables())

    # what MySQL does at once is not begun while it is held back
    [instant] = await client.submit("ALTER TABLE customer ADD COLUMN b INT", strategy="spirit --postpone-completion")
    row = await client.until(instant, lambda row: row.ready_to_complete)
    assert (row.migration_status, row.special_plan) == (Status.QUEUED, '{"operation":"instant-ddl"}')
    await client.control(Command.COMPLETE, instant)
    assert "in place" in (await client.until(instant, Status.COMPLETE)).message

    [view] = await client.submit("CREATE VIEW names AS SELECT name FROM customer", strategy="spirit")
    await client.until(view, Status.COMPLETE)


@pytest.mark.slow
async def test_a_killed_executor_s_work_is_taken_up_by_another(
    fleet: Fleet, client: Client, shop: Shop, settings: dict[str, str]
) -> None:
    shop.run(f"INSERT INTO customer (a) VALUES {','.join(f'({n})' for n in range(400))}")
    for service in ("scheduler", "intake"):
        fleet.start(service)
    first = fleet.start("executor", "first", **settings)
    [uuid] = await client.submit(COPIES, strategy="spirit --target-chunk-size=3072")
    await eventually(lambda: bool(running(shop.schema)), 30)
    await eventually(lambda: "_customer_chkpnt" in shop.tables() and bool(shop.run("SELECT * FROM _customer_chkpnt")))
    first.kill()
    fleet.start("executor", "second", **settings)
    row = await client.until(uuid, lambda row: row.migration_status.terminal, timeout=60)
    assert (row.migration_status, row.tablet, row.attempt) == (Status.COMPLETE, "second", 2), row
    assert shop.run("SELECT COUNT(*) FROM customer") == [(403,)]
    assert shop.indexes() == ["PRIMARY", "by_a"]
    assert shop.accounts(uuid) == []
    assert running(shop.schema) == []
    assert not {"_customer_new", "_customer_old", "_customer_chkpnt", "_spirit_sentinel"} & set(shop.tables())
