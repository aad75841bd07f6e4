"""Flags that a strategy understands."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from alterd_contracts.statement import StatementKind


class FlagKind(StrEnum):
    """How a flag is written."""

    SWITCH = "switch"
    """``--name``"""
    DURATION = "duration"
    """``--name=1h30m``"""
    TEXT = "text"
    """``--name=value``"""


class FlagDeclaration(msgspec.Struct, frozen=True, kw_only=True):
    """One flag."""

    name: str
    """Without dashes."""
    kind: FlagKind
    help: str
    minimum: float | None = None
    """Seconds, of a duration."""
    maximum: float | None = None
    default: str = ""
    kinds: tuple[StatementKind, ...] = ()
    """Statements to which it applies; empty: all."""
