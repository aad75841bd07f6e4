"""The text of a view's new definition under another name. Pure.

ALTER VIEW keeps what it does not say of algorithm, definer and security; CREATE OR REPLACE begins anew. So what an
ALTER leaves out is taken from the view as the server shows it.
"""

from __future__ import annotations

import re

import msgspec

from alterd_contracts.errors import SyntaxRefused
from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.sql.words import Words

_SHOWN = re.compile(
    r"CREATE (?P<algorithm>ALGORITHM=\w+) (?P<definer>DEFINER=`(?:[^`]|``)*`@`(?:[^`]|``)*`)"
    r" (?P<security>SQL SECURITY \w+) VIEW `(?:[^`]|``)*`"
)


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What stands before the word VIEW; empty where it is not said."""

    algorithm: str = ""
    definer: str = ""
    security: str = ""

    def over(self, existing: Head) -> Head:
        """What an ALTER VIEW with this head makes of a view with that one."""
        # MySQL does not tell ALGORITHM=UNDEFINED from none
        undefined = "".join(self.algorithm.upper().split()) in ("", "ALGORITHM=UNDEFINED")
        return Head(
            algorithm=existing.algorithm if undefined else self.algorithm,
            definer=self.definer or existing.definer,
            security=self.security or existing.security,
        )


class ViewText(msgspec.Struct, frozen=True, kw_only=True):
    """A CREATE or ALTER VIEW in its parts."""

    alters: bool
    """ALTER VIEW: the view must exist."""
    replaces: bool
    """OR REPLACE."""
    head: Head
    tail: str
    """From behind the name: columns, AS, the query, WITH CHECK OPTION."""

    def create(self, name: str, existing: Head | None) -> str:
        """The statement that makes the view `name`. `existing`: the head of the view that is altered."""
        head = self.head.over(existing) if existing is not None and self.alters else self.head
        parts = ["CREATE OR REPLACE", head.algorithm, head.definer, head.security, "VIEW", identifier(name)]
        return f"{' '.join(part for part in parts if part)} {self.tail}"


def read_view(sql: str) -> ViewText:
    """Raises `SyntaxRefused`."""
    words = Words.of(sql)
    at = words.skip(1, "OR", "REPLACE")
    replaces = at > 1
    start = {"algorithm": at}
    if words.are(at, "ALGORITHM", "="):
        at += 3
    start["definer"] = at
    if words.are(at, "DEFINER", "="):
        while at < len(words) and words[at] != "VIEW" and not words.are(at, "SQL", "SECURITY"):
            at += 1
    start["security"] = at
    if words.are(at, "SQL", "SECURITY"):
        at += 3
    if words[at] != "VIEW":
        raise SyntaxRefused(f"VIEW is expected{words.near(at)}")
    name = words.name(words.skip(at + 1, "IF", "NOT", "EXISTS"), "view")
    return ViewText(
        alters=words[0] == "ALTER",
        replaces=replaces,
        head=Head(
            algorithm=words.slice(start["algorithm"], start["definer"]),
            definer=words.slice(start["definer"], start["security"]),
            security=words.slice(start["security"], at),
        ),
        tail=words.slice(name.end, len(words)),
    )


def shown_head(definition: str) -> Head:
    """Of a view as SHOW CREATE shows it. Raises `SyntaxRefused`."""
    match = _SHOWN.match(definition)
    if match is None:
        raise SyntaxRefused("the server shows a view whose definer cannot be read")
    return Head(algorithm=match["algorithm"], definer=match["definer"], security=match["security"])


def shown_as(definition: str, name: str) -> str:
    """What SHOW CREATE would show of a view with this definition and another name."""
    match = _SHOWN.match(definition)
    if match is None:
        raise SyntaxRefused("the server shows a view whose definer cannot be read")
    head = shown_head(definition)
    return f"CREATE {head.algorithm} {head.definer} {head.security} VIEW {identifier(name)}{definition[match.end() :]}"
