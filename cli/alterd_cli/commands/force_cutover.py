"""``alterd force-cutover``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from alterd_cli.options import KeyspaceOption, NatsOption, Output, OutputOption, ShardOption, examples


def register(app: typer.Typer) -> None:
    app.command(
        "force-cutover",
        epilog=examples(
            "alterd force-cutover 9e8a9249_3976_11ed_9442_0a43f95f28a3",
            'alterd force-cutover 9e8a9249_3976_11ed_9442_0a43f95f28a3 --shard -80 -m "the window ends"',
            "alterd force-cutover all -k shop",
        ),
    )(force_cutover)


def force_cutover(
    uuid: Annotated[str, typer.Argument(metavar="UUID", help="The migration, or all.", show_default=False)],
    shard: ShardOption = None,
    keyspace: KeyspaceOption = "",
    message: Annotated[str, typer.Option("--message", "-m", help="Why, for the record.", show_default=False)] = "",
    context: Annotated[
        str, typer.Option("--migration-context", "-c", metavar="TEXT", help="Of all, those of it.", show_default=False)
    ] = "",
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> int | None:
    """End what is in the way of a migration's cut-over.

    From the next attempt on statements on the table are killed, and sessions whose transactions hold it or would see
    half of it. Backups and prepared transactions are not. A postponed completion stays so; `alterd unforce-cutover`
    takes it back.
    """
    from alterd_cli.controls import command
    from alterd_contracts.requests import Command

    return asyncio.run(
        command(Command.FORCE_CUTOVER, uuid, keyspace, shard or (), message, output, migration_context=context)
    )
