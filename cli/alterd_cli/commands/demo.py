"""``alterd demo``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import typer

from alterd_cli.options import examples


def register(app: typer.Typer) -> None:
    app.command("demo", epilog=examples("alterd demo"))(demo)


def demo() -> None:
    """See it work, on a MySQL of its own.

    Starts NATS, MySQL and all services in a temporary folder on free ports, runs three schema changes through the
    queue, checks the result, and stops everything again. Exit code 0: all went as it should.
    """
    from alterd_cli.walk import walk

    with tempfile.TemporaryDirectory(prefix="alterd-demo-", ignore_cleanup_errors=True) as folder:
        asyncio.run(walk(Path(folder)))
