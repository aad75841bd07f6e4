"""``alterd-cases``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from alterd_cli.main import CommandLine
from alterd_cli.options import Output, OutputOption, examples

app = typer.Typer(
    cls=CommandLine,
    name="alterd-cases",
    help="Runs folders of SQL through a real alterd while writers write, and compares with MySQL's own ALTER.",
    context_settings={"help_option_names": ["--help", "-h"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def root() -> None:
    """Runs folders of SQL through a real alterd while writers write, and compares with MySQL's own ALTER."""


@app.command(
    "run",
    epilog=examples(
        "alterd-cases run tests/cases --jobs 2",
        "alterd-cases run ./my-case --keep",
        "alterd-cases run tests/cases --only 'enum-*' -o json",
        "alterd-cases run tests/cases --only drop-column --sabotage     must end with exit code 1",
    )
    + "\n\n\b\nExit codes:\n  0 all passed, 1 any failed, 2 a folder or option is wrong, 5 no MySQL or NATS",
)
def run(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR…", help="Cases, or folders of cases.")],
    only: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Only cases of such names; may be repeated.")
    ] = None,
    dsn: Annotated[
        str,
        typer.Option(
            metavar="URL",
            envvar="ALTERD_CASES_DSN",
            help="A MySQL of yours, mysql://user:password@host:port; without it one is started.",
            show_default=False,
            show_envvar=True,
        ),
    ] = "",
    strategy: Annotated[str, typer.Option(help="Carries the changes out; its flags may follow.")] = "vitess",
    jobs: Annotated[int, typer.Option(min=1, max=8, help="Cases side by side.")] = 2,
    keep: Annotated[bool, typer.Option(help="Keep the schemas (with --dsn).")] = False,
    sabotage: Annotated[bool, typer.Option(help="Lose a row of each new table; every case must fail.")] = False,
    output: OutputOption = Output.TABLE,
) -> int:
    """Run cases, each in a schema of its own."""
    from alterd_cases.case import find_cases
    from alterd_cases.running import run_here

    cases = find_cases(folders, only or ())
    return asyncio.run(
        run_here(
            cases,
            dsn=dsn,
            strategy=strategy,
            jobs=jobs,
            json=output is Output.JSON,
            keep=keep,
            sabotage=sabotage,
        )
    )


def main() -> None:
    """Runs the command line and ends the process."""
    app(prog_name="alterd-cases")
