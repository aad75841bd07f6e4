"""``alterd throttle``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
import math
from typing import Annotated

import typer

from alterd_cli.options import KeyspaceOption, NatsOption, Output, OutputOption, ShardOption, examples


def register(app: typer.Typer) -> None:
    app.command(
        "throttle",
        epilog=examples(
            "alterd throttle 9e8a9249_3976_11ed_9442_0a43f95f28a3 --expire 10m --ratio 0.5",
            "alterd throttle all -k shop",
            "alterd throttled -k shop",
        ),
    )(throttle)


def throttle(
    uuid: Annotated[str, typer.Argument(metavar="UUID", help="The migration, or all.", show_default=False)],
    shard: ShardOption = None,
    keyspace: KeyspaceOption = "",
    message: Annotated[str, typer.Option("--message", "-m", help="Why, for the record.", show_default=False)] = "",
    expire: Annotated[
        str, typer.Option("--expire", metavar="DURATION", help="When it ends by itself.", show_default=True)
    ] = "1h",
    ratio: Annotated[
        float, typer.Option("--ratio", metavar="R", help="The part of its questions that is denied: above 0, to 1.")
    ] = 1.0,
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> int | None:
    """Slow a migration down, or stop its copy, for a while.

    It need not be there yet where --keyspace says where it will be.
    """
    from alterd_cli.controls import command
    from alterd_contracts.requests import Command
    from alterd_runtime.ddl_strategy.durations import parse_duration

    seconds = math.ceil(parse_duration(expire))

    return asyncio.run(
        command(Command.THROTTLE, uuid, keyspace, shard or (), message, output, expire_seconds=seconds, ratio=ratio)
    )
