"""Options that many commands share, and what the running command was told by them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Output(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"


class SubmitOutput(StrEnum):
    """How an accepted request is printed."""

    TABLE = "table"
    JSON = "json"
    NAME = "name"


class Invocation:
    """What holds for this run of the command line."""

    nats: str = ""
    json: bool = False
    """Errors are printed as a document as well."""

    def begin(self) -> None:
        self.nats, self.json = "", False


invocation = Invocation()


def _remember_nats(value: str) -> str:
    invocation.nats = value or invocation.nats
    return value


def _remember_output(value: Output) -> Output:
    invocation.json = value == Output.JSON
    return value


def _remember_submit_output(value: SubmitOutput) -> SubmitOutput:
    invocation.json = value == SubmitOutput.JSON
    return value


NatsOption = Annotated[
    str,
    typer.Option(
        "--nats",
        metavar="URL",
        help="Where NATS is, several separated by commas. [env: ALTERD_NATS__SERVERS]",
        callback=_remember_nats,
        show_default=False,
    ),
]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How to print.", callback=_remember_output)]
SubmitOutputOption = Annotated[
    SubmitOutput, typer.Option("--output", "-o", help="How to print.", callback=_remember_submit_output)
]
KeyspaceOption = Annotated[
    str,
    typer.Option("--keyspace", "-k", metavar="NAME", help="Only this keyspace.", show_default=False),
]
ShardOption = Annotated[
    list[str] | None,
    typer.Option("--shard", metavar="NAME", help="Only this shard; may be repeated.", show_default=False),
]


def examples(*lines: str) -> str:
    """An epilog that keeps its lines."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
