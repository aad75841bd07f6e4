"""What the tools' accounts get, alterd's own account can give when it has exactly the documented privileges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alterd_contracts.statement import StatementKind
from alterd_executor.protocol import RunCompleted
from alterd_ghost.command import SCHEMA_GRANTS
from alterd_runtime.mysql.grants import Part, for_accounts, needs
from tests.integration.executor_support import next_attempt, record_of
from tests.integration.ghost_support import failure, whole
from tests.integration.grants_support import account
from tests.support.ghost import gate, get_gh_ost
from tests.support.shop import Shop
from tests.support.tools import any_pt_osc

TOOLS: dict[str, tuple[str, Callable[[], object]]] = {
    "gh-ost": ("ALTERD_GHOST__PATH", get_gh_ost),
    "pt-osc": ("ALTERD_PTOSC__PATH", any_pt_osc),
}


@pytest.fixture(params=TOOLS)
def strategy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    setting, program = TOOLS[request.param]
    monkeypatch.setenv(setting, str(program()))
    return str(request.param)


@contextmanager
def least(shop: Shop, strategy: str) -> Iterator[Shop]:
    shop.run("DROP SCHEMA IF EXISTS _alterd")
    with account(shop, [*needs(strategy=strategy, part=Part.EXECUTOR), *for_accounts(strategy)]) as found:
        if strategy == "pt-osc":  # or SUPER, as its page says
            shop.run("SET GLOBAL log_bin_trust_function_creators = ON")
        try:
            yield found
        finally:
            shop.run("SET GLOBAL log_bin_trust_function_creators = DEFAULT")


async def test_a_change_by_the_least_account(shop: Shop, tmp_path: Path, strategy: str) -> None:
    assert "_" in shop.schema, "a name that is a pattern unless it is escaped"
    with least(shop, strategy) as signed_in, gate() as throttle:
        record = record_of(
            signed_in, StatementKind.ALTER_TABLE, "customer", "ALTER TABLE customer ADD COLUMN b INT", strategy=strategy
        )
        if strategy == "gh-ost":
            _, ending = await whole(signed_in, throttle, record, tmp_path)
            assert failure(ending).code == "missing_privilege"
            assert f"`{shop.schema}`.*" in failure(ending).hint
            shop.run(f"GRANT {', '.join(SCHEMA_GRANTS)} ON `{shop.schema}`.* TO '{signed_in.user}'@'%'")
            record = next_attempt(record)
        _, ending = await whole(signed_in, throttle, record, tmp_path)
    assert isinstance(ending, RunCompleted), ending
    assert shop.columns() == ["id", "a", "name", "b"]
