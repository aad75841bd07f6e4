"""What a strategy says of the flags that users may put behind its name."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from alterd_contracts.statement import StatementKind


class FlagKind(StrEnum):
    """How a flag is written."""

    SWITCH = "switch"
    """``--name``, on when it is there."""
    DURATION = "duration"
    """``--name=1h30m``; nothing or 0 after the ``=`` means the default."""
    TEXT = "text"
    """``--name=value``."""


class FlagDeclaration(msgspec.Struct, frozen=True, kw_only=True):
    """One flag of a strategy."""

    name: str
    """Without dashes."""
    kind: FlagKind = FlagKind.SWITCH
    minimum: str = ""
    """Of a duration, as a user would write it: ``5s``. Empty for none."""
    maximum: str = ""
    default: str = ""
    """As a user would write it; empty means 0 for a duration, the empty text for a text."""
    kinds: tuple[StatementKind, ...] = ()
    """The statements on which the flag has an effect; empty for all."""
    help: str = ""

    def applies(self, kind: StatementKind) -> bool:
        return not self.kinds or kind in self.kinds
