"""``alterd show``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from alterd_cli.options import KeyspaceOption, NatsOption, Output, OutputOption, ShardOption, examples

if TYPE_CHECKING:
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
SHARDS = ("shard", "migration_status", "progress", "eta", "started", "completed", "message")
SPARE_OF_SHARDS = ("started", "completed", "eta")


def register(app: typer.Typer) -> None:
    app.command(
        "show",
        epilog=examples(
            "alterd show",
            "alterd show running -k shop",
            "alterd show 9e8a9249_3976_11ed_9442_0a43f95f28a3",
            "alterd show 9e8a9249_3976_11ed_9442_0a43f95f28a3 --shard -80     all its columns there",
            "alterd show running --by-shard",
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
    by_shard: Annotated[bool, typer.Option("--by-shard", help="A line for each shard of each migration.")] = False,
    newest: Annotated[bool, typer.Option("--newest-first", help="By submission, backwards.")] = False,
    skip: Annotated[int, typer.Option("--skip", metavar="N", min=0, help="Leave the first N migrations out.")] = 0,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=0, help="N migrations at most; 0: all.")] = 0,
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> int | None:
    """Show migrations.

    One line each over all their shards; one that is named with a line per shard.
    """
    from alterd_cli.output import echo_json, echo_table, note
    from alterd_cli.records import count_shards, documents, read_records, unknown
    from alterd_cli.selection import Selection

    selection = Selection.read(which, keyspace, shard or ())
    in_lines = output is Output.TABLE and not by_shard

    async def read() -> tuple[list[Migration], Counter[tuple[str, str]]]:
        from alterd_cli.link import open_bus

        async with open_bus() as bus:
            rows = await read_records(bus, selection)
            if newest or skip or limit:
                rows = _some(rows, newest=newest, skip=skip, limit=limit)
            of_state = selection.status is not None and not selection.shards and in_lines
            return rows, await count_shards(bus, rows) if of_state else Counter()

    rows, of_all = asyncio.run(read())
    if selection.uuid and not rows:
        raise unknown(selection.uuid, keyspace)
    if output is Output.JSON:
        echo_json(documents(rows))
    elif selection.uuid:
        _one(rows, by_shard=by_shard)
    elif rows:
        from alterd_cli.aggregate import by_migration

        groups = [[row] for row in rows] if by_shard else by_migration(rows)
        echo_table(
            HEAD, [_cells(group, of_all[group[0].keyspace, group[0].migration_uuid]) for group in groups], spare=SPARE
        )
    else:
        note("no migrations" if which == "all" else f"no migrations match `{which}`; `alterd show all` lists all")
    return None


def _some(rows: list[Migration], *, newest: bool, skip: int, limit: int) -> list[Migration]:
    """The rows of some migrations; all shards of one count once."""
    uuids = list(dict.fromkeys(row.migration_uuid for row in sorted(rows, key=lambda row: row.id)))
    if newest:
        uuids.reverse()
    wanted = {uuid: place for place, uuid in enumerate(uuids[skip : skip + limit if limit else None])}
    return sorted((row for row in rows if row.migration_uuid in wanted), key=lambda row: wanted[row.migration_uuid])


def _cells(rows: list[Migration], of_all: int = 0) -> tuple[str, ...]:
    """A migration on all its shards, or on one. `of_all`: so many it has, where there may be more than these."""
    from alterd_cli.aggregate import aggregate
    from alterd_cli.display import progress_of
    from alterd_cli.output import moment, seconds

    whole = aggregate(rows)
    first = whole.first
    return (
        first.migration_uuid,
        first.keyspace,
        f"{len(rows)} of {of_all} shards"
        if of_all > len(rows)
        else first.shard
        if len(rows) == 1
        else f"{len(rows)} shards",
        first.mysql_table,
        first.ddl_action,
        first.strategy,
        whole.status,
        progress_of(whole.progress, whole.rows_copied, whole.table_rows, complete=whole.status == "complete"),
        seconds(whole.eta_seconds),
        moment(whole.started),
        moment(whole.completed),
        whole.message,
    )


def _one(rows: list[Migration], *, by_shard: bool) -> None:
    """One migration: all columns where it is on one shard, else a line per shard below what they share."""
    from alterd_cli.aggregate import advice, aggregate
    from alterd_cli.output import echo, echo_fields, echo_table, note

    if len(rows) == 1 or by_shard:
        _details(rows)
    else:
        whole = aggregate(rows)
        ready = f"{whole.ready} of {len(rows)} shards" if whole.ready else ""
        fields = [
            ("migration_uuid", whole.first.migration_uuid),
            ("keyspace", whole.first.keyspace),
            ("migration_statement", whole.first.migration_statement),
            ("strategy", f"{whole.first.strategy} {whole.first.options}".strip()),
            ("migration_context", whole.first.migration_context),
            ("migration_status", whole.status),
            ("progress", f"{whole.progress:.0f}%"),
            ("ready_to_complete", ready),
        ]
        echo_fields([(name, value) for name, value in fields if value])
        echo("")
        at = [HEAD.index(name) for name in SHARDS]
        lines = [_cells([row]) for row in rows]
        echo_table(SHARDS, [tuple(line[each] for each in at) for line in lines], spare=SPARE_OF_SHARDS)
    for line in advice(rows):
        note(line)


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
