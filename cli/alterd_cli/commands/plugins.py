"""``alterd plugins``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio

import typer

from alterd_cli.options import NatsOption, Output, OutputOption, examples


def register(app: typer.Typer) -> None:
    app.command("plugins", epilog=examples("alterd plugins", "alterd plugins -o json"))(plugins)


def plugins(output: OutputOption = Output.TABLE, nats: NatsOption = "") -> None:  # noqa: ARG001
    """Show plugins here, and what executors offer."""
    import msgspec

    from alterd_cli.output import echo, echo_json, echo_table, note
    from alterd_cli.services_seen import executors, local_strategies, quiet_logs
    from alterd_contracts.errors import AlterdError
    from alterd_runtime.plugins import Plugins

    quiet_logs()
    host = Plugins().load()
    try:
        live, unreachable = asyncio.run(executors()), ""
    except AlterdError as error:
        live, unreachable = [], error.message
    if output is Output.JSON:
        echo_json(
            {
                "local": [msgspec.to_builtins(plugin) for plugin in host.loaded],
                "strategies": [msgspec.to_builtins(each) for each in local_strategies(host)],
                "executors": [msgspec.to_builtins(executor) for executor in live],
            }
        )
    else:
        echo_table(
            ("plugin", "distribution", "version", "state"),
            [
                (each.name, each.distribution, each.version, f"broken: {each.error}" if each.error else "ok")
                for each in host.loaded
            ],
        )
        rows = [
            (
                each.strategy,
                ", ".join(each.aliases),
                each.version,
                executor.executor,
                ", ".join(k.kind for k in each.kinds),
            )
            for executor in live
            for each in executor.strategies
            if not each.hidden
        ]
        if rows:
            echo("")
            echo_table(("strategy", "aliases", "version", "executor", "statements"), rows)
        for executor in live:
            for name, why in executor.broken_plugins.items():
                note(f"warning: executor {executor.executor} could not load {name}: {why}")
    if unreachable:
        note(f"warning: executors cannot be asked: {unreachable}")
    elif not live:
        note("no executor is running")
