"""gh-ost's own socket: asked for its status, which its output tells ever more seldom."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

from alterd_ghost.command import SOCKET
from alterd_ghost.status import Status, status_of

PATIENCE: Final = 3.0
"""Seconds for an answer."""


async def ask(workdir: Path) -> Status | None:
    """The status now; None where nobody answers: not yet there, gone, or busy."""
    folder = os.open(workdir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # by the folder's number: the address of a socket has room for a hundred characters
        place = Path(f"/proc/self/fd/{folder}/{SOCKET}")
        address = place if place.parent.is_dir() else workdir / SOCKET
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_unix_connection(str(address))
            try:
                writer.write(b"sup\n")
                said = await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    finally:
        os.close(folder)
    found = [status for line in said.decode(errors="replace").splitlines() if (status := status_of(line))]
    return found[-1] if found else None
