"""``alterd cutover-threshold``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
import math
from typing import Annotated

import typer

from alterd_cli.options import KeyspaceOption, NatsOption, Output, OutputOption, ShardOption, examples


def register(app: typer.Typer) -> None:
    app.command(
        "cutover-threshold",
        epilog=examples(
            "alterd cutover-threshold 9e8a9249_3976_11ed_9442_0a43f95f28a3 15s",
            "alterd cutover-threshold 9e8a9249_3976_11ed_9442_0a43f95f28a3 0",
        ),
    )(cutover_threshold)


def cutover_threshold(
    uuid: Annotated[str, typer.Argument(metavar="UUID", help="The migration, or all.", show_default=False)],
    threshold: Annotated[
        str, typer.Argument(metavar="DURATION", help="5s to 30s; 0 for the default, 10s.", show_default=False)
    ],
    shard: ShardOption = None,
    keyspace: KeyspaceOption = "",
    message: Annotated[str, typer.Option("--message", "-m", help="Why, for the record.", show_default=False)] = "",
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> int | None:
    """Change how long a migration's cut-over may take, from its next attempt on.

    How far its change stream and the replicas may be behind, and how long the table may be locked.
    """
    from alterd_cli.controls import command
    from alterd_contracts.flags import check_cut_over_threshold
    from alterd_contracts.requests import Command
    from alterd_runtime.ddl_strategy.durations import parse_duration

    seconds = math.ceil(parse_duration(threshold))
    check_cut_over_threshold(seconds)
    return asyncio.run(
        command(
            Command.CUTOVER_THRESHOLD, uuid, keyspace, shard or (), message, output, cutover_threshold_seconds=seconds
        )
    )
