"""``alterd events``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from alterd_cli.options import KeyspaceOption, NatsOption, Output, OutputOption, examples


def register(app: typer.Typer) -> None:
    app.command(
        "events",
        epilog=examples(
            "alterd events -k shop",
            "alterd events --uuid 9e8a9249_3976_11ed_9442_0a43f95f28a3",
            "alterd events --follow -o json | jq -c 'select(.fact == \"failed\")'",
            "alterd events -o json | jq '.[] | select(.fact == \"cutover_attempted\") | .message'",
        ),
    )(events)


def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as things happen.")] = False,
    uuid: Annotated[str, typer.Option("--uuid", metavar="UUID", help="Only of this.", show_default=False)] = "",
    keyspace: KeyspaceOption = "",
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> None:
    """Show what happened: every fact once, oldest first."""
    from alterd_cli.history import show_events

    asyncio.run(show_events(uuid=uuid, keyspace=keyspace, follow=follow, output=output))
