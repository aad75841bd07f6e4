"""Where the kit's cases are run: a real executor, real runs, NATS and MySQL. The scheduler is played."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import pytest

from alterd_contracts import ENTRY_POINT_GROUP, subjects
from alterd_contracts.declaration import Declaration
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import AlterdError
from alterd_contracts.requests import ThrottleCheck, Verdict
from alterd_contracts.testing import Change, Table
from alterd_contracts.testing import plugin as conformance
from alterd_executor import throttling, turns
from alterd_runtime.ddl_strategy import check_options, parse_ddl_strategy
from tests.conformance.case import PATIENCE, LabCase
from tests.conformance.looking import table_of
from tests.integration.executor_support import Running, executor
from tests.support.shop import Shop

GO_FOR: Final = 3.0
"""Seconds for which a verdict is valid."""
ROOT: Final = Path(__file__).parents[2]


class Throttler:
    """Answers what executors ask of each keyspace."""

    def __init__(self, running: Running) -> None:
        self._bus = running.scheduler.bus
        self._denied: set[str] = set()
        self.asked = 0

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        stop = await self._bus.serve(subjects.THROTTLE_CHECK, Reader(ThrottleCheck), self._judge)
        try:
            yield
        finally:
            await stop()

    async def tell(self, keyspace: str, go: bool) -> None:
        """From now on, and to all who listen."""
        (self._denied.discard if go else self._denied.add)(keyspace)
        await self._bus.tell(subjects.throttle(keyspace, "0"), self._verdict(keyspace, "0"))

    async def again(self, patience: float = 1.5) -> None:
        """Returns when somebody has asked, or when nobody does."""
        before, deadline = self.asked, time.monotonic() + patience
        while self.asked == before and time.monotonic() < deadline:  # noqa: ASYNC110 - or in vain
            await asyncio.sleep(0.02)

    async def _judge(self, check: ThrottleCheck) -> Verdict:
        self.asked += 1
        return self._verdict(check.keyspace, check.shard)

    def _verdict(self, keyspace: str, shard: str) -> Verdict:
        go = keyspace not in self._denied
        reason = "" if go else "the lab says so"
        return Verdict(
            keyspace=keyspace, shard=shard, go=go, reason=reason, metrics={}, valid_seconds=GO_FOR, throttler="lab"
        )


class RealLab:
    """`alterd_contracts.testing.Lab` on an executor in this process."""

    def __init__(self, running: Running, shop: Shop, home: Path, throttler: Throttler, patience: float) -> None:
        self._running, self._shop, self._home, self._throttler = running, shop, home, throttler
        self._patience, self._number = patience, 0
        self._known: dict[str, Table] = {}

    async def declarations(self) -> dict[str, Declaration]:
        """What the executor offers, by name."""
        info = await self._running.info()
        assert info is not None
        assert info.broken_plugins == {}, info.broken_plugins
        return {declared.strategy: declared for declared in info.strategies}

    @contextlib.asynccontextmanager
    async def case(
        self, strategy: str, change: Change, *, postponed: bool = False, placed: bool = True
    ) -> AsyncIterator[LabCase]:
        declared = (await self.declarations())[strategy]
        self._number += 1
        with self._shop.fresh() as shop:
            case = LabCase(
                self._running,
                shop,
                self._home,
                self._throttler,
                keyspace=f"case-{self._number}",
                strategy=declared,
                change=change,
                patience=self._patience,
            )
            await case.prepare(postponed=postponed, placed=placed, expected=self._expected(change))
            try:
                yield case
            finally:
                await case.close()

    async def refusal(self, strategy: str, options: str) -> str:
        declared = (await self.declarations())[strategy]
        try:
            check_options(parse_ddl_strategy(f"{strategy} {options}"), declared)
        except AlterdError as error:
            return error.message
        return ""

    def _expected(self, change: Change) -> Table:
        what = f"{change.rows} {change.sql}"
        if what not in self._known:
            with self._shop.fresh() as twin:
                LabCase.fill(twin, change)
                twin.run(change.sql)
                self._known[what] = table_of(twin, change.table)
        return self._known[what]


@contextlib.asynccontextmanager
async def laboratory(
    nats_url: str,
    shop: Shop,
    home: Path,
    plugins: Iterable[str],
    *,
    patience: float = PATIENCE,
    paths: Iterable[Path] = (),
    **settings: Any,
) -> AsyncIterator[RealLab]:
    """A lab with the strategies of these plugins: names of installed entry points, or modules.

    `patience`: seconds for a run to come to a point, or to its end. `paths`: where modules are that nobody has
    installed. `settings`: what runs find in their environment.
    """
    points = {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
    site, journals, base, scratch = home / "site", home / "journals", home / "work", home / "tmp"
    for folder in (site, journals, base, scratch):
        folder.mkdir(parents=True)
    conformance.install(site)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(conformance.FOLDER, str(journals))
        patch.setenv(conformance.PLUGINS, ",".join(points.get(name, name) for name in plugins))
        patch.setenv("ALTERD_DISABLED_PLUGINS", ",".join(points))
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, (site, ROOT, *paths))))
        patch.setenv("TMPDIR", str(scratch))
        for name, value in settings.items():
            patch.setenv(name, str(value))
        patch.syspath_prepend(site)
        patch.setattr(throttling, "ASK_EVERY", 0.3)
        patch.setattr(turns, "LASTING", 0.1)
        patch.setattr(turns, "OVER", 0.1)
        async with executor(nats_url, shop, home / "executor", workdir=str(base), lock_wait_timeout=60) as running:
            throttler = Throttler(running)
            async with throttler.serving():
                yield RealLab(running, shop, home, throttler, patience)
