"""``alterd retry``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from alterd_cli.options import KeyspaceOption, NatsOption, Output, OutputOption, ShardOption, examples


def register(app: typer.Typer) -> None:
    app.command(
        "retry",
        epilog=examples(
            "alterd retry 9e8a9249_3976_11ed_9442_0a43f95f28a3",
            "alterd retry 9e8a9249_3976_11ed_9442_0a43f95f28a3 --shard -80",
        ),
    )(retry)


def retry(
    uuid: Annotated[str, typer.Argument(metavar="UUID", help="The migration.", show_default=False)],
    shard: ShardOption = None,
    keyspace: KeyspaceOption = "",
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> int | None:
    """Queue a failed or cancelled migration again.

    It starts from zero.
    """
    from alterd_cli.controls import command
    from alterd_contracts.requests import Command

    return asyncio.run(command(Command.RETRY, uuid, keyspace, shard or (), "", output))
