"""What may stand between CREATE or ALTER and the kind of what is created."""

from __future__ import annotations

from typing import Final

from alterd_runtime.sql.words import Words

PROGRAMS: Final = frozenset({"PROCEDURE", "FUNCTION", "TRIGGER", "EVENT"})


def view_word(words: Words) -> int:
    """Where VIEW stands after OR REPLACE, ALGORITHM, DEFINER and SQL SECURITY; -1 where it does not."""
    at = words.skip(1, "OR", "REPLACE")
    if words.are(at, "ALGORITHM", "="):
        at += 3
    at = _after_definer(words, at)
    if words.are(at, "SQL", "SECURITY"):
        at += 3
    return at if words[at] == "VIEW" else -1


def program(words: Words) -> str:
    """PROCEDURE, FUNCTION, TRIGGER or EVENT where one is created, altered or dropped; else empty."""
    word = words[words.skip(_after_definer(words, words.skip(1, "OR", "REPLACE")), "AGGREGATE")]
    return word if word in PROGRAMS else ""


def _after_definer(words: Words, at: int) -> int:
    """The index after ``DEFINER =`` and ``user``, ``user@host`` or ``CURRENT_USER()``; a bare host may hold dots."""
    if not words.are(at, "DEFINER", "="):
        return at
    at = words.skip(at + 3, "(", ")")
    if words[at] != "@":
        return at
    at += 2
    while words[at] and words[at - 1] and words.tokens[at].start == words.tokens[at - 1].end + 1:
        at += 1
    return at
