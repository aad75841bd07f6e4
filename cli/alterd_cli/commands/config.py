"""``alterd config``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import typer

from alterd_cli.options import NatsOption, Output, OutputOption, examples


def register(app: typer.Typer) -> None:
    config = typer.Typer(help="Look at the settings.", rich_markup_mode=None)
    config.callback()(group)
    config.command("show", epilog=examples("alterd config show", "alterd config show -o json"))(show)
    app.add_typer(config, name="config")


def group() -> None:
    """Look at the settings."""


def show(output: OutputOption = Output.TABLE, nats: NatsOption = "") -> None:  # noqa: ARG001
    """Show the settings in force here: defaults, then the file, then the environment, then flags."""
    import msgspec

    from alterd_cli import home
    from alterd_cli.link import settings
    from alterd_cli.output import echo, echo_json

    found = {**msgspec.to_builtins(settings()), "home": str(home.folder())}
    if output is Output.JSON:
        echo_json(found)
        return
    echo(f"# ALTERD_HOME is {found.pop('home')}")
    for table, fields in found.items():
        echo(f"\n[{table}]")
        for name, value in fields.items():
            echo(f"{name} = {msgspec.json.encode(value).decode()}")
