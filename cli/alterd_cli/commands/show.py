"""``alterd show``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from alterd_cli.options import KeyspaceOption, NatsOption, Output, OutputOption, ShardOption, examples

if TYPE_CHECKING:
    from alterd_cli.records import Selection
    from alterd_contracts.migration import Migration

HEAD = (
    "migration_uuid",
    "keyspace",
    "shard",
    "mysql_table",
    "ddl_action",
    "strategy",
    "migration_status",
    "progress",
    "eta",
    "started",
    "completed",
    "message",
)
SPARE = ("strategy", "started", "completed", "keyspace", "eta", "ddl_action")


def register(app: typer.Typer) -> None:
    app.command(
        "show",
        epilog=examples(
            "alterd show",
            "alterd show running -k shop",
            "alterd show 9e8a9249_3976_11ed_9442_0a43f95f28a3",
            "alterd show deploy-42 -o json          all of a context",
        ),
    )(show)


def show(
    which: Annotated[
        str,
        typer.Argument(metavar="WHICH", help="all, recent (of 7 days), a state, a uuid or a context."),
    ] = "recent",
    keyspace: KeyspaceOption = "",
    shard: ShardOption = None,
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> int | None:
    """Show migrations, one line per shard."""
    from alterd_cli.output import echo_json, echo_table, note
    from alterd_cli.records import Selection, documents, unknown

    selection = Selection.read(which, keyspace, shard or ())
    rows = asyncio.run(_read(selection))
    if selection.uuid and not rows:
        raise unknown(selection.uuid, keyspace)
    if output is Output.JSON:
        echo_json(documents(rows))
    elif selection.uuid:
        _details(rows)
    elif rows:
        echo_table(HEAD, [_cells(row) for row in rows], spare=SPARE)
    else:
        note("no migrations" if which == "all" else f"no migrations match `{which}`; `alterd show all` lists all")
    return None


async def _read(selection: Selection) -> list[Migration]:
    from alterd_cli.link import open_bus
    from alterd_cli.records import read_records

    async with open_bus() as bus:
        return await read_records(bus, selection)


def _cells(row: Migration) -> tuple[str, ...]:
    from alterd_cli.display import doing, progress_cell
    from alterd_cli.output import moment, seconds

    return (
        row.migration_uuid,
        row.keyspace,
        row.shard,
        row.mysql_table,
        row.ddl_action,
        row.strategy,
        row.migration_status.value,
        progress_cell(row),
        seconds(row.eta_seconds) if row.migration_status == "running" else "",
        moment(row.started_timestamp),
        moment(row.completed_timestamp),
        doing(row),
    )


def _details(rows: list[Migration]) -> None:
    """Each row as a list of its columns; those still at their default say nothing and are left out."""
    from datetime import datetime

    import msgspec

    from alterd_cli.output import echo, echo_fields, moment
    from alterd_contracts.migration import COLUMNS, Migration

    defaults = {field.name: field.default for field in msgspec.structs.fields(Migration)}
    for number, row in enumerate(rows):
        if number:
            echo("")
        fields: list[tuple[str, str]] = []
        for column in COLUMNS:
            value = getattr(row, column)
            if value != defaults[column] or column in {"migration_status", "progress"}:
                fields.append((column, moment(value) if isinstance(value, datetime) else str(value)))
        echo_fields(fields)
