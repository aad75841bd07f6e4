"""``alterd demo``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alterd_cli.demo import RATE, ROWS, STRATEGY, Sabotage
from alterd_cli.options import examples

if TYPE_CHECKING:
    from alterd_cli.demo.story import Wishes


def register(app: typer.Typer) -> None:
    app.command(
        "demo",
        epilog=examples(
            "alterd demo",
            "alterd demo --rows 20000 --rate 200",
            "alterd demo --sabotage change      must end with exit code 1 and name the row",
        ),
    )(demo)


def demo(
    rows: Annotated[int, typer.Option(min=1_000, help="Rows of the table.")] = ROWS,
    rate: Annotated[int, typer.Option(min=10, help="Statements a second that are written meanwhile.")] = RATE,
    strategy: Annotated[
        str, typer.Option("--ddl-strategy", metavar="STRATEGY", help="How to carry the change out.")
    ] = STRATEGY,
    sabotage: Annotated[
        Sabotage | None,
        typer.Option(help="Alter one row behind alterd's back after the swap; the proof must find it."),
    ] = None,
) -> int:
    """See it work, on a MySQL of its own: a large table is altered under load, and every row is proven.

    Starts MySQL, NATS and all services in a temporary folder on free ports, fills a table, writes to it all the time,
    alters it online, compares every row with a ledger kept outside of MySQL, and stops everything again.
    Exit code 0: no row was lost, doubled or changed.
    """
    from alterd_cli.demo.story import Wishes

    wishes = Wishes(rows=rows, rate=rate, strategy=strategy, sabotage=sabotage)
    with tempfile.TemporaryDirectory(prefix="alterd-demo-", ignore_cleanup_errors=True) as folder:
        return asyncio.run(_play(Path(folder), wishes))


async def _play(folder: Path, wishes: Wishes) -> int:
    """The exit code. A signal stops everything in order; a second one changes nothing."""
    from alterd_cli.demo.story import tell
    from alterd_cli.failures import INTERRUPTED
    from alterd_cli.output import note

    telling, stopped = asyncio.ensure_future(tell(folder, wishes)), False

    def stop() -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            note("stopping everything")
            telling.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        await telling
    except asyncio.CancelledError:
        if not stopped:
            raise
        return INTERRUPTED
    return 0
