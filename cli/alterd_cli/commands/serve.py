"""``alterd serve``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from alterd_cli.options import NatsOption, examples


class Service(StrEnum):
    """What can be served."""

    INTAKE = "intake"
    SCHEDULER = "scheduler"
    EXECUTOR = "executor"
    THROTTLER = "throttler"
    AUDIT = "audit"
    ALERT = "alert"
    OBSERVER = "observer"


def register(app: typer.Typer) -> None:
    app.command(
        "serve",
        epilog=examples(
            "alterd serve scheduler",
            "alterd serve audit -- --file facts.jsonl",
            "ALTERD_EXECUTOR__SLOTS=4 alterd serve executor --nats nats://nats-1:4222,nats://nats-2:4222",
        ),
    )(serve)


def serve(
    service: Annotated[Service, typer.Argument(help="Which.", show_default=False)],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[-- ARGS]", help="For the service itself.", show_default=False)
    ] = None,
    nats: NatsOption = "",  # noqa: ARG001
) -> None:
    """Run one service in the foreground."""
    from alterd_cli.link import settings
    from alterd_cli.services import command

    argv = [*command(service.value), *(arguments or ())]
    environ = {**os.environ, "ALTERD_NATS__SERVERS": ",".join(settings().nats.servers)}
    sys.stdout.flush()
    os.execve(argv[0], argv, environ)  # noqa: S606 - becomes the service
