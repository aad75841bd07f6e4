"""``alterd up``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from alterd_cli.options import examples


def register(app: typer.Typer) -> None:
    app.command(
        "up",
        epilog=examples(
            "alterd up",
            "alterd up --nats-port 0 --ready-file /tmp/alterd.ready",
            "ALTERD_HOME=/srv/alterd alterd up",
        ),
    )(up)


def up(
    nats_port: Annotated[int, typer.Option(min=0, max=65535, help="Where NATS listens; 0 takes a free port.")] = 4222,
    ready_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Written when all is ready, removed at the end.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the services' logs here.")] = False,
) -> None:
    """Run everything here: NATS and all services.

    NATS keeps its data on disk, services that die are started again, Ctrl-C ends it all.
    """
    from alterd_cli.foreground import run_here

    asyncio.run(run_here(nats_port, ready_file, verbose=verbose))
