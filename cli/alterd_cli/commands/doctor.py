"""``alterd doctor``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio

import typer

from alterd_cli.options import KeyspaceOption, NatsOption, Output, OutputOption, examples


def register(app: typer.Typer) -> None:
    app.command("doctor", epilog=examples("alterd doctor", "alterd doctor -k shop -o json"))(doctor)


def doctor(
    keyspace: KeyspaceOption = "",
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> int:
    """Look whether all that is needed is there.

    NATS, services, keyspaces, shards, accounts. Exit code 1 where something needs mending.
    """
    import msgspec

    from alterd_cli.doctor.findings import Level
    from alterd_cli.doctor.visit import visit
    from alterd_cli.failures import FAILED
    from alterd_cli.output import echo_json, echo_table, note

    found = asyncio.run(visit(keyspace))
    failed = sum(finding.level is Level.FAIL for finding in found)
    if output is Output.JSON:
        echo_json([msgspec.to_builtins(finding) for finding in found])
    else:
        told = [f"{finding.what} → {finding.mend}" if finding.mend else finding.what for finding in found]
        echo_table(
            ("level", "part", "what"),
            [(finding.level.value, finding.part, what) for finding, what in zip(found, told, strict=True)],
        )
        warned = sum(finding.level is Level.WARN for finding in found)
        note(f"{failed} failed, {warned} to be warned of" if failed or warned else "all is well")
    return FAILED if failed else 0
