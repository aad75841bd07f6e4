"""What an exit code of the tool means. Pure.

Source: its manual, "EXIT STATUS"; 8 and from 21 on are not used, 255 is Perl's own.
"""

from __future__ import annotations

import msgspec

from alterd_ptosc.errors import PtOscAlter, PtOscConnection, PtOscRefused, PtOscSwap, PtOscTriggers
from alterd_tools.errors import ToolFailed


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """One exit code."""

    error: type[ToolFailed]
    what: str


EXITS = {
    1: Exit(error=PtOscRefused, what="it refused its options"),
    2: Exit(error=PtOscRefused, what="it does not support this version of MySQL"),
    3: Exit(error=PtOscRefused, what="the server is not set as it needs it"),
    4: Exit(error=PtOscRefused, what="the table has no PRIMARY KEY or UNIQUE index that it can use"),
    5: Exit(error=ToolFailed, what="it did not load alterd's part"),
    6: Exit(error=PtOscRefused, what="--alter-foreign-keys-method is not right"),
    7: Exit(error=PtOscRefused, what="the size of the key is not right"),
    9: Exit(error=PtOscRefused, what="MySQL would not read the table by the key that it goes by"),
    10: Exit(error=PtOscAlter, what="the new table could not be made"),
    11: Exit(error=PtOscAlter, what="the new table could not be altered"),
    12: Exit(error=PtOscTriggers, what="its triggers could not be made"),
    13: Exit(error=PtOscTriggers, what="triggers could not be restored"),
    14: Exit(error=PtOscSwap, what="the tables could not be renamed"),
    15: Exit(error=PtOscSwap, what="foreign keys could not be made again"),
    16: Exit(error=PtOscSwap, what="the old table could not be dropped"),
    17: Exit(error=PtOscRefused, what="it does not make such a change"),
    18: Exit(error=PtOscConnection, what="it could not connect to MySQL"),
    19: Exit(error=PtOscConnection, what="it lost its connection to MySQL"),
    20: Exit(error=PtOscTriggers, what="reverse triggers could not be made"),
}
UNKNOWN = Exit(error=ToolFailed, what="it failed")


def failed(code: int, last_words: str, *, during: str) -> ToolFailed:
    """The error for an exit code. `during`: ``its dry run``, ``the copy``; a code below 0 is a signal's number."""
    meaning = EXITS[11] if "Error altering new table" in last_words else EXITS.get(code, UNKNOWN)
    what = f"it was ended by signal {-code}" if code < 0 else meaning.what
    said = f": {last_words}" if last_words else ""
    return meaning.error(
        f"pt-online-schema-change, in {during}: {what} (exit code {code}){said}",
        hint="`alterd logs` has all that it said",
        exit_code=code,
    )
