"""``alterd keyspace``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from alterd_cli.options import NatsOption, Output, OutputOption, examples


def register(app: typer.Typer) -> None:
    keyspace = typer.Typer(help="Say where the databases are.", rich_markup_mode=None)
    keyspace.callback()(group)
    keyspace.command(
        "apply", epilog=examples("alterd keyspace apply shop.toml", "alterd keyspace apply - < shop.toml")
    )(apply)
    keyspace.command("show", epilog=examples("alterd keyspace show shop", "alterd keyspace show shop -o json"))(show)
    keyspace.command("list", epilog=examples("alterd keyspace list"))(list_)
    app.add_typer(keyspace, name="keyspace")


def group() -> None:
    """Say where the databases are."""


def apply(
    file: Annotated[str, typer.Argument(metavar="FILE", help="TOML; - is stdin.", show_default=False)],
    nats: NatsOption = "",  # noqa: ARG001
) -> None:
    """Create a keyspace, or replace its description."""
    from alterd_cli import keyspaces
    from alterd_cli.output import note
    from alterd_runtime.topology import load_keyspace

    found = load_keyspace(_read(file))
    asyncio.run(keyspaces.put(found))
    shards = ", ".join(shard.name for shard in found.shards)
    note(f"keyspace {found.name} is known now: shards {shards}; try `alterd doctor -k {found.name}`")


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The keyspace.", show_default=False)],
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> None:
    """Show one keyspace."""
    import msgspec

    from alterd_cli import keyspaces
    from alterd_cli.output import echo_fields, echo_json, echo_table

    found = asyncio.run(keyspaces.get(name))
    if output is Output.JSON:
        echo_json(msgspec.to_builtins(found))
        return
    echo_fields([("name", found.name), ("default_ddl_strategy", found.default_ddl_strategy)])
    echo_table(
        ("shard", "schema", "servers", "user", "password"),
        [
            (shard.name, shard.schema, ", ".join(map(str, shard.servers)), shard.user, f"from {shard.password}")
            for shard in found.shards
        ],
    )


def list_(output: OutputOption = Output.TABLE, nats: NatsOption = "") -> None:  # noqa: ARG001
    """List the keyspaces."""
    import msgspec

    from alterd_cli import keyspaces
    from alterd_cli.output import echo_json, echo_table, note

    found = asyncio.run(keyspaces.list_all())
    if output is Output.JSON:
        echo_json([msgspec.to_builtins(keyspace) for keyspace in found])
    elif found:
        echo_table(
            ("keyspace", "shards", "default_ddl_strategy"),
            [(each.name, ", ".join(shard.name for shard in each.shards), each.default_ddl_strategy) for each in found],
        )
    else:
        note("no keyspaces; `alterd keyspace apply FILE.toml` makes one known")


def _read(file: str) -> str:
    from alterd_contracts.errors import InvalidInput

    if file == "-":
        return sys.stdin.read()
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(
            f"cannot read {file}: {error.strerror}", hint="name a file, or - for stdin", file=file
        ) from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{file} is not UTF-8 text", file=file) from None
