"""``alterd vexec``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from alterd_cli.options import NatsOption, Output, OutputOption, examples


def register(app: typer.Typer) -> None:
    app.command(
        "vexec",
        epilog=examples(
            'alterd vexec shop "select shard, migration_status from _vt.schema_migrations"',
            'alterd vexec shop.9e8a9249_3976_11ed_9442_0a43f95f28a3 "select * from _vt.schema_migrations"',
            "alterd vexec shop.9e8a9249_3976_11ed_9442_0a43f95f28a3 \\",
            "  \"update _vt.schema_migrations set migration_status='retry' where shard='-80'\"",
        ),
    )(vexec)


def vexec(
    where: Annotated[str, typer.Argument(metavar="KEYSPACE[.UUID]", help="Whose records.", show_default=False)],
    statement: Annotated[
        str, typer.Argument(metavar="SQL", help="A SELECT, or an UPDATE of migration_status.", show_default=False)
    ],
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> None:
    """Query the migration records, or retry and cancel by condition.

    The table is _vt.schema_migrations: a row for each migration and shard. UPDATE may set migration_status to 'retry'
    or 'cancel', which is said to the shards whose records meet the condition.
    """
    from alterd_cli import link
    from alterd_cli.sql.running import run_vexec

    asyncio.run(run_vexec(where, statement, link.settings().intake, output))
