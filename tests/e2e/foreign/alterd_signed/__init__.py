"""A foreign plugin: it imports the contracts and nothing else of alterd."""

from __future__ import annotations

from alterd_contracts import hookimpl
from alterd_contracts.declaration import Declaration, KindDeclaration, Phase
from alterd_contracts.errors import AlterdError, StatementRefused
from alterd_contracts.hookspecs import CheckRegister, Metric, MetricRegister, StrategyRegister
from alterd_contracts.migration import Migration
from alterd_contracts.statement import StatementKind
from alterd_contracts.strategy import AlreadyCompleted, Facts, Recovery, Session, ShardView, StartOver, Strategy, Task


class Signed(Strategy):
    """Runs the ALTER and writes its uuid into the table's comment, which is also how it knows what happened."""

    def declare(self) -> Declaration:
        kind = KindDeclaration(kind=StatementKind.ALTER_TABLE, phases=(Phase(name="sign", exclusive=True),))
        return Declaration(strategy="signed", version="1.2.3", kinds=(kind,))

    async def run(self, task: Task) -> Facts:
        session = await task.primary()
        await task.phase("sign")
        await session.execute(f"{task.statement.sql}, COMMENT '{task.migration.migration_uuid}'")
        return Facts(message="signed")

    async def recover(self, task: Task, last_attempt: int) -> Recovery:  # noqa: ARG002
        session = await task.primary()
        comment = await session.value(
            "SELECT table_comment FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
            (task.migration.mysql_schema, task.migration.mysql_table),
        )
        if comment == task.migration.migration_uuid:
            return AlreadyCompleted(facts=Facts(message="was signed"))
        return StartOver()


async def no_secrets(change: Migration, shard: ShardView) -> list[AlterdError]:
    """A house rule as a preflight check."""
    if "secret" in change.migration_statement:
        return [StatementRefused("no column of that name in this house", keyspace=shard.keyspace)]
    return []


async def connections(session: Session) -> float:
    return float(await session.value("SELECT COUNT(*) FROM performance_schema.processlist"))


@hookimpl
def alterd_register_metrics(register: MetricRegister) -> None:
    register.add(Metric(name="connections", threshold=0.0, measure=connections))


@hookimpl
def alterd_register_strategies(register: StrategyRegister) -> None:
    register.add(Signed())


@hookimpl
def alterd_register_checks(register: CheckRegister) -> None:
    register.add("no-secrets", no_secrets)
