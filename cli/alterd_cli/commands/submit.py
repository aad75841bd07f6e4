"""``alterd submit``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from alterd_cli.options import NatsOption, SubmitOutput, SubmitOutputOption, examples


def register(app: typer.Typer) -> None:
    app.command(
        "submit",
        epilog=examples(
            'alterd submit -k shop "ALTER TABLE orders ADD COLUMN note text"',
            'alterd submit -k shop --ddl-strategy "mysql" -f changes.sql --wait',
            "mysqldump --no-data shop orders | alterd submit -k copy -",
            'uuid=$(alterd submit -k shop -o name "DROP TABLE old_orders")',
        ),
    )(submit)


def submit(
    keyspace: Annotated[
        str,
        typer.Option(
            "--keyspace", "-k", metavar="NAME", envvar="ALTERD_KEYSPACE", help="Where to.", show_default=False
        ),
    ],
    sql: Annotated[
        str | None, typer.Argument(metavar="[SQL|-]", help="The script; - reads it from stdin.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="Read the script from a file; - is stdin.")
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(
            "--ddl-strategy",
            metavar="STRATEGY",
            help="How to carry it out, with its flags. Without it: the keyspace's default.",
            show_default=False,
        ),
    ] = "",
    context: Annotated[
        str,
        typer.Option("--migration-context", "-c", metavar="TEXT", help="Groups migrations.", show_default=False),
    ] = "",
    uuid: Annotated[
        list[str] | None,
        typer.Option("--uuid", metavar="UUID", help="One for each migration, in order.", show_default=False),
    ] = None,
    request_id: Annotated[
        str,
        typer.Option(
            "--request-id",
            metavar="ID",
            help="The same id again is the same request: it is never taken twice.",
            show_default=False,
        ),
    ] = "",
    wait: Annotated[
        bool | None,
        typer.Option("--wait/--no-wait", help="Follow it to its end. Without it: as the strategy does."),
    ] = None,
    output: SubmitOutputOption = SubmitOutput.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> int:
    """Send a script of schema changes.

    All of it is queued, or none.
    """
    from alterd_cli import link, requests

    request = requests.build(
        script(sql, file),
        keyspace=keyspace,
        strategy=strategy,
        context=context,
        uuids=uuid or (),
        request_id=request_id,
    )
    settings = link.settings().intake
    return asyncio.run(requests.submit(request, wait=wait, output=output, settings=settings))


def script(sql: str | None, file: Path | None) -> str:
    """Raises `InvalidInput`."""
    from alterd_contracts.errors import InvalidInput

    if (sql is None) == (file is None):
        raise InvalidInput(
            "there is no script" if sql is None else "there are two scripts",
            hint='give one: "SQL", -f FILE, or - for stdin',
        )
    if sql == "-" or str(file) == "-":
        return sys.stdin.read()
    if file is None:
        return sql or ""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(
            f"cannot read {file}: {error.strerror}", hint="name a file, or - for stdin", file=file
        ) from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{file} is not UTF-8 text", file=file) from None
