"""``alterd sandbox``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from alterd_cli.options import Output, OutputOption, examples

if TYPE_CHECKING:
    from alterd_runtime.provision.sandbox import SandboxStatus


def register(app: typer.Typer) -> None:
    sandbox = typer.Typer(help="MySQL servers to try things on.", rich_markup_mode=None)
    sandbox.callback()(group)
    sandbox.command("up", epilog=examples("alterd sandbox up", "alterd sandbox up --shards 2 --replicas 2"))(up)
    sandbox.command("down", epilog=examples("alterd sandbox down"))(down)
    sandbox.command("status", epilog=examples("alterd sandbox status -o json"))(status)
    app.add_typer(sandbox, name="sandbox")


def group() -> None:
    """MySQL servers to try things on: for each shard a primary and its replicas, in ALTERD_HOME/sandbox."""


def up(
    replicas: Annotated[int, typer.Option(min=0, max=8, help="At least so many, of each shard.")] = 1,
    shards: Annotated[
        int, typer.Option(help="1, 2, 4 or 8; without it as many as there are, else one.", show_default=False)
    ] = 0,
    output: OutputOption = Output.TABLE,
) -> None:
    """Start the servers, in the background."""
    from alterd_cli.output import note
    from alterd_contracts.errors import InvalidInput
    from alterd_runtime.provision.sandbox import SHARDS, Sandbox

    if shards not in (0, *SHARDS):
        raise InvalidInput(f"there are no {shards} keyranges of one length", hint="--shards 1, 2, 4 or 8")
    found = Sandbox(replicas=replicas, shards=shards).up(note)
    _print(found, output)
    note(f"make it known to alterd: alterd keyspace apply {found.keyspace_file}")


def down(output: OutputOption = Output.TABLE) -> None:
    """Stop the servers; their data stays."""
    from alterd_cli.output import note
    from alterd_runtime.provision.sandbox import Sandbox

    _print(Sandbox().down(note), output)


def status(output: OutputOption = Output.TABLE) -> None:
    """Show the servers."""
    from alterd_runtime.provision.sandbox import Sandbox

    _print(Sandbox().status(), output)


def _print(found: SandboxStatus, output: Output) -> None:
    import msgspec

    from alterd_cli.output import echo_json, echo_table, note

    if output is Output.JSON:
        echo_json(msgspec.to_builtins(found))
    elif found.servers:
        echo_table(
            ("shard", "server", "address", "state"),
            [
                (each.shard, each.name, each.address, f"running (pid {each.pid})" if each.pid else "stopped")
                for each in found.servers
            ],
        )
    else:
        note("there is no sandbox yet; `alterd sandbox up` makes one")
