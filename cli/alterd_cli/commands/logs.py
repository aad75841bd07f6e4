"""``alterd logs``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from alterd_cli.options import NatsOption, Output, OutputOption, examples


def register(app: typer.Typer) -> None:
    app.command(
        "logs",
        epilog=examples(
            "alterd logs 9e8a9249_3976_11ed_9442_0a43f95f28a3",
            "alterd logs 9e8a9249_3976_11ed_9442_0a43f95f28a3 --follow",
        ),
    )(logs)


def logs(
    uuid: Annotated[str, typer.Argument(metavar="UUID", help="The migration.", show_default=False)],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are written.")] = False,
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> None:
    """Show what a migration's runs wrote."""
    from alterd_cli.history import show_logs

    asyncio.run(show_logs(uuid=uuid, follow=follow, output=output))
