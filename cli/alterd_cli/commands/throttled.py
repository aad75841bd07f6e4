"""``alterd throttled``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

from alterd_cli.options import KeyspaceOption, NatsOption, Output, OutputOption, examples

if TYPE_CHECKING:
    from alterd_contracts.requests import ThrottleRule


def register(app: typer.Typer) -> None:
    app.command("throttled", epilog=examples("alterd throttled", "alterd throttled -k shop -o json"))(throttled)


def throttled(
    keyspace: KeyspaceOption = "",
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> None:
    """Show what users throttle, and until when."""
    import msgspec

    from alterd_cli.output import echo_json, echo_table, moment, note
    from alterd_contracts import names
    from alterd_contracts.subjects import EVERYWHERE

    rules = asyncio.run(_read(names.check_keyspace(keyspace) if keyspace else ""))
    if output is Output.JSON:
        echo_json([msgspec.to_builtins(rule) for rule in rules])
    elif rules:
        echo_table(
            ("app", "keyspace", "shard", "expire_at", "ratio", "caller", "message"),
            [
                (
                    rule.app,
                    rule.keyspace,
                    "all" if rule.shard == EVERYWHERE else rule.shard,
                    moment(rule.expire_at),
                    f"{rule.ratio:g}",
                    rule.caller,
                    rule.message,
                )
                for rule in rules
            ],
        )
    else:
        note("users throttle nothing")


async def _read(keyspace: str) -> list[ThrottleRule]:
    from alterd_cli.link import open_bus
    from alterd_cli.rules import read_rules

    async with open_bus() as bus:
        return await read_rules(bus, keyspace)
