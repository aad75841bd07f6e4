"""``alterd history``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from alterd_cli.options import KeyspaceOption, NatsOption, Output, OutputOption, ShardOption, examples


def register(app: typer.Typer) -> None:
    app.command(
        "history",
        epilog=examples(
            "alterd history 9e8a9249_3976_11ed_9442_0a43f95f28a3",
            "alterd history 9e8a9249_3976_11ed_9442_0a43f95f28a3 --shard -80 -o json",
        ),
    )(history)


def history(
    uuid: Annotated[str, typer.Argument(metavar="UUID", help="The migration.", show_default=False)],
    shard: ShardOption = None,
    keyspace: KeyspaceOption = "",
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> None:
    """Show a migration's whole story: what, who, when.

    From the events, which outlive its record.
    """
    from alterd_cli.story import show_story

    asyncio.run(show_story(uuid=uuid, keyspace=keyspace, shards=shard or (), output=output))
