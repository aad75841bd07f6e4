"""``alterd hold``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from alterd_cli.options import KeyspaceOption, NatsOption, Output, OutputOption, ShardOption, examples


def register(app: typer.Typer) -> None:
    app.command(
        "hold",
        epilog=examples(
            'alterd hold -k shop -m "incident 7"',
            "alterd hold -k shop --shard -80",
        ),
    )(hold)


def hold(
    shard: ShardOption = None,
    keyspace: KeyspaceOption = "",
    message: Annotated[str, typer.Option("--message", "-m", help="Why, for the record.", show_default=False)] = "",
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> int | None:
    """Hold a keyspace, or shards of it, during an incident.

    Nothing begins there, what runs stops writing; what is submitted meanwhile waits too.
    """
    from alterd_cli.controls import command
    from alterd_contracts.requests import Command

    return asyncio.run(command(Command.HOLD, "", keyspace, shard or (), message, output))
