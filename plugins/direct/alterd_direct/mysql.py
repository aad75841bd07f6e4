"""``mysql``: queued, with held artifacts; its ALTER is sent as it is."""

from __future__ import annotations

from collections.abc import Sequence

from alterd_contracts import __version__
from alterd_contracts.declaration import Declaration, KindDeclaration, Phase
from alterd_contracts.flags import PREFER_INSTANT_DDL, QUEUE_FLAGS, RETAIN_ARTIFACTS
from alterd_contracts.migration import Migration
from alterd_contracts.requests import PlanStep
from alterd_contracts.statement import StatementKind
from alterd_contracts.strategy import Facts, ShardView, Task
from alterd_direct.asis import RUNNING, AsItIs
from alterd_direct.at_once import PHASE, carry_out, planned, special_plan
from alterd_direct.statement import managed_kinds
from alterd_runtime.ddl_strategy import options_of


class Mysql(AsItIs):
    """MySQL's own ALTER; CREATE, DROP and views by the common runner."""

    def declare(self) -> Declaration:
        phases = (Phase(name=PHASE), Phase(name=RUNNING, exclusive=True))
        altering = KindDeclaration(kind=StatementKind.ALTER_TABLE, phases=phases, cuts_over=False)
        return Declaration(
            strategy="mysql",
            version=__version__,
            kinds=(*managed_kinds(), altering),
            flags=(*QUEUE_FLAGS, PREFER_INSTANT_DDL, RETAIN_ARTIFACTS),
        )

    async def special_plan(self, change: Migration, shard: ShardView) -> str:
        return await special_plan(change, shard, instant=self._instant(change))

    async def plan(self, change: Migration, shard: ShardView) -> Sequence[PlanStep]:
        return planned(change) if change.special_plan else await super().plan(change, shard)

    async def run(self, task: Task) -> Facts:
        done = await carry_out(task, instant=self._instant(task.migration))
        if done is not None:
            return done
        facts = await super().run(task)
        return facts if not task.migration.special_plan else _not_special(facts)

    def _instant(self, record: Migration) -> bool:
        return options_of(record, self.declare()).on(PREFER_INSTANT_DDL.name)


def _not_special(facts: Facts) -> Facts:
    return Facts(message=facts.message, columns={**facts.columns, "special_plan": ""})
