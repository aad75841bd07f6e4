"""``alterd watch``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from alterd_cli.options import NatsOption, examples


def register(app: typer.Typer) -> None:
    app.command(
        "watch",
        epilog=examples(
            "alterd watch 9e8a9249_3976_11ed_9442_0a43f95f28a3",
            'alterd watch $(alterd submit -k shop -o name -f changes.sql) && echo "all complete"',
        ),
    )(watch)


def watch(
    uuid: Annotated[list[str], typer.Argument(metavar="UUID...", help="The migrations.", show_default=False)],
    nats: NatsOption = "",  # noqa: ARG001
) -> int:
    """Follow migrations to their ends.

    On a terminal with a bar for each shard; elsewhere a line whenever the phase, the stage or what is waited for
    changes, and every two seconds while only numbers do.

    Exit code 0: all are complete; 1: one failed; 6: one was cancelled, none failed.
    """
    from alterd_cli.output import note
    from alterd_contracts import names

    for each in uuid:
        names.check_uuid(each)
    try:
        return asyncio.run(_watch(list(dict.fromkeys(uuid))))
    except KeyboardInterrupt:
        note("stopped watching; the migrations go on")
        raise


async def _watch(uuids: list[str]) -> int:
    from alterd_cli.link import open_bus
    from alterd_cli.watching import follow

    async with open_bus() as bus:
        return await follow(bus, uuids)
