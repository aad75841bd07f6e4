"""``alterd``: all commands under one roof."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from alterd_cli.commands import (
    cancel,
    cleanup,
    complete,
    config,
    cutover_threshold,
    demo,
    doctor,
    events,
    force_cutover,
    history,
    hold,
    keyspace,
    launch,
    logs,
    pause,
    plugins,
    postpone_complete,
    priority,
    purge,
    release,
    resume,
    retry,
    sandbox,
    serve,
    shell,
    show,
    sql,
    submit,
    throttle,
    throttled,
    unforce_cutover,
    unthrottle,
    up,
    vexec,
    watch,
)
from alterd_cli.options import NatsOption, examples, invocation


class CommandLine(TyperGroup):
    """Turns what commands return or raise into exit codes."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """A command returns its exit code, or None when all is done."""
        invocation.begin()
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except Exception as failure:  # noqa: BLE001 - the one place where everything ends
            from alterd_cli.failures import report  # noqa: PLC0415 - costs time that only failures need

            code = report(failure)
        if standalone_mode:
            sys.exit(code or 0)
        return code


def _version(wanted: bool) -> None:
    if wanted:
        from alterd_contracts import __version__  # noqa: PLC0415

        typer.echo(f"alterd {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=CommandLine,
    name="alterd",
    help="Managed online schema changes for MySQL: queued, throttled, observable.",
    epilog=examples(
        "alterd demo                                  see it work on a MySQL of its own",
        "alterd up                                    run everything here",
        'alterd submit -k shop "ALTER TABLE t ADD i int"',
        "alterd watch 9e8a9249_3976_11ed_9442_0a43f95f28a3",
    )
    + (
        "\n\n\b\nExit codes:\n  0 done, 1 failed, 2 bad input, 3 not found, 4 refused, 5 not reachable,\n"
        "  6 cancelled, 130 interrupted"
    ),
    context_settings={"help_option_names": ["--help", "-h"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
)


@app.callback()
def root(
    context: typer.Context,
    nats: NatsOption = "",  # noqa: ARG001 - its callback remembers it
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> int | None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)
    return None


for command in (
    demo,
    up,
    sandbox,
    keyspace,
    submit,
    sql,
    shell,
    vexec,
    show,
    watch,
    launch,
    complete,
    postpone_complete,
    force_cutover,
    unforce_cutover,
    cutover_threshold,
    cancel,
    retry,
    pause,
    resume,
    hold,
    release,
    priority,
    throttle,
    unthrottle,
    throttled,
    cleanup,
    purge,
    history,
    events,
    logs,
    doctor,
    plugins,
    serve,
    config,
):
    command.register(app)


def main() -> None:
    """Runs the command line and ends the process."""
    app(prog_name="alterd")
