"""What the harness wants of an attempt: written into a file before it begins, read by the run's process."""

from __future__ import annotations

from pathlib import Path

import msgspec

from alterd_contracts.testing.steps import Point


class Orders(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """For one attempt."""

    known: tuple[str, ...] = ()
    """Tables and views that are the user's; whatever else is there has to be declared."""
    die: Point | None = None
    """Where the run's process kills itself."""
    hold: Point | None = None
    """Where the run waits until it is released: only calls that wait can be held."""
    twice: bool = False
    """`recover` and `cleanup` are called twice each time."""

    def write(self, folder: Path, migration_uuid: str, attempt: int) -> None:
        _file(folder, migration_uuid, attempt).write_bytes(msgspec.json.encode(self))


def read_orders(folder: Path, migration_uuid: str, attempt: int) -> Orders:
    """None in particular where there is no file."""
    file = _file(folder, migration_uuid, attempt)
    return msgspec.json.decode(file.read_bytes(), type=Orders) if file.exists() else Orders()


def released(folder: Path, migration_uuid: str, attempt: int) -> Path:
    """The file that lets a held run go on."""
    return folder / f"{migration_uuid}.{attempt}.released"


def _file(folder: Path, migration_uuid: str, attempt: int) -> Path:
    return folder / f"{migration_uuid}.{attempt}.orders"
