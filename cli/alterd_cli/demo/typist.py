"""Types commands, and lets you see them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

from alterd_cli.demo.show import Show
from alterd_contracts.errors import MigrationFailed


class Typist:
    """Runs ``alterd …`` as a user would, with the state in `folder` and NATS at `url`."""

    def __init__(self, url: str, folder: Path, show: Show) -> None:
        self._environ = {**os.environ, "ALTERD_NATS__SERVERS": url, "ALTERD_HOME": str(folder)}
        self._show = show

    async def run(self, *arguments: str) -> None:
        """What the command prints is seen as it comes. Raises `MigrationFailed` when it does not end well."""
        self._show.command(arguments)
        await self._run(arguments, None)

    async def ask(self, *arguments: str) -> str:
        """The same, and what it printed on stdout."""
        self._show.command(arguments)
        answer = await self._run(arguments, asyncio.subprocess.PIPE)
        self._show.answer(answer)
        return answer

    async def _run(self, arguments: tuple[str, ...], stdout: int | None) -> str:
        sys.stdout.flush()
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "alterd_cli", *arguments),
            env=self._environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            start_new_session=True,  # Ctrl-C is ours to pass on, in order
        )
        try:
            answer, _ = await child.communicate()
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            await child.wait()
        if child.returncode:
            raise MigrationFailed(
                f"`alterd {arguments[0]}` ended with exit code {child.returncode}", hint="its words stand above"
            )
        return (answer or b"").decode().strip()
