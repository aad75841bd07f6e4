"""``alterd unthrottle``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from alterd_cli.options import KeyspaceOption, NatsOption, Output, OutputOption, ShardOption, examples


def register(app: typer.Typer) -> None:
    app.command(
        "unthrottle",
        epilog=examples(
            "alterd unthrottle 9e8a9249_3976_11ed_9442_0a43f95f28a3",
            "alterd unthrottle all -k shop",
        ),
    )(unthrottle)


def unthrottle(
    uuid: Annotated[str, typer.Argument(metavar="UUID", help="The migration, or all.", show_default=False)],
    shard: ShardOption = None,
    keyspace: KeyspaceOption = "",
    message: Annotated[str, typer.Option("--message", "-m", help="Why, for the record.", show_default=False)] = "",
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> int | None:
    """Take away what `alterd throttle` did.

    That of a migration, or that of all: neither ends the other.
    """
    from alterd_cli.controls import command
    from alterd_contracts.requests import Command

    return asyncio.run(command(Command.UNTHROTTLE, uuid, keyspace, shard or (), message, output))
