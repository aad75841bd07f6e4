"""A migration's own log, as its run writes it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from alterd_executor.protocol import LogText


class RunLog:
    """Lines for the migration's own log."""

    def __init__(self, send: Callable[[msgspec.Struct], None]) -> None:
        self._send = send

    def info(self, text: str) -> None:
        self._send(LogText(level="info", text=text))

    def warning(self, text: str) -> None:
        self._send(LogText(level="warning", text=text))

    def error(self, text: str) -> None:
        self._send(LogText(level="error", text=text))
