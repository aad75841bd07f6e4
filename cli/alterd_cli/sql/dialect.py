"""Puts MySQL's expressions into SQLite's words, token by token. Pure.

Strings become parameters, ``<=>`` becomes IS, ``||`` OR, ``/`` divides as MySQL's does, intervals become calls of
functions. What SQLite would read otherwise than MySQL is refused.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from sqlglot import TokenType

from alterd_cli.sql.script import string
from alterd_cli.sql.statements import Query
from alterd_contracts.errors import SyntaxRefused
from alterd_runtime.sql.words import Words

INTERVAL: Final = "alterd_interval"
"""The function that stands for INTERVAL n UNIT."""
UNITS: Final = frozenset({"MICROSECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"})

_SIGNS: Final = {"<=>": "IS", "&&": "AND", "||": "OR", "/": "* 1.0 /", "->>": "->>", "->": "->"}
_WORDS: Final = {"RLIKE": "REGEXP", "UNKNOWN": "NULL"}
_CALLS: Final = frozenset({"LEFT", "RIGHT", "IF", "REPLACE"})
"""Functions whose names SQLite takes for keywords."""
_NOW: Final = frozenset({"CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP"})
_BY_UNIT: Final = frozenset({"TIMESTAMPDIFF", "TIMESTAMPADD"})
_REFUSED: Final = {
    "XOR": "write it with AND, OR and NOT",
    "DIV": "write floor(a / b)",
    "MOD": "write a % b",
    "BINARY": "",
    "COLLATE": "",
    "SOUNDS": "",
    "INTO": "a SELECT only shows",
    "FOR": "a SELECT only shows",
}
_REFUSED_SIGNS: Final = dict.fromkeys("@?:;\\{}[]#^", "") | {"!": "write NOT, which does not bind as tightly"}


def translate(words: Words, start: int, end: int) -> Query:
    """The words from `start` to before `end`. Raises `SyntaxRefused`."""
    return _Translation(words, end).run(start)


def unit_of(words: Words, at: int, end: int) -> int | None:
    """Where the unit of the INTERVAL at `at` stands: its last word, before `end`; None where it has none."""
    depth = 0
    for here in range(at + 1, end):
        depth += (words[here] == "(") - (words[here] == ")")
        if depth < 0 or (depth == 0 and words[here] in (",", "INTERVAL")):
            return None
        if depth == 0 and words[here] in UNITS and words[here - 1] != "." and words[here + 1] not in (".", "("):
            return here
    return None


class _Translation:
    def __init__(self, words: Words, end: int) -> None:
        self._words, self._end = words, end
        self._parts: list[str] = []
        self._strings: list[list[str]] = []
        """Of each part the parameters in it."""

    def run(self, at: int) -> Query:
        while at < self._end:
            at = self._one(at)
        return Query(" ".join(self._parts), tuple(value for values in self._strings for value in values))

    def _add(self, text: str, *strings: str) -> None:
        self._parts.append(text)
        self._strings.append(list(strings))

    def _one(self, at: int) -> int:
        """Takes what stands at `at`; the index after it."""
        words = self._words
        token = words.tokens[at]
        if (value := string(words, at)) is not None:
            self._add("?", value)
            return at + 1
        if token.token_type is TokenType.IDENTIFIER:
            self._add("`" + (words.identifier(at) or "").replace("`", "``") + "`")
            return at + 1
        word = words[at]
        if word[:1].isalpha() or word[:1] in ("_", "$"):
            return self._word(at, word)
        if token.token_type is TokenType.NUMBER or word[:1].isdigit():
            return self._number(at)
        return self._sign(at)

    def _word(self, at: int, word: str) -> int:
        words = self._words
        named = words[at - 1] == "." and at > 0
        called = words[at + 1] == "(" and at + 1 < self._end
        if named or words[at + 1] == ".":
            self._add(words.tokens[at].text)
        elif word == "INTERVAL":
            return self._interval(at)
        elif word in _NOW:
            self._add("now()")
            return words.skip(at + 1, "(", ")")
        elif word in _BY_UNIT and called and words[at + 2] in UNITS:
            self._add(f"{word.lower()}(")
            self._add("?", words[at + 2])
            return at + 3
        elif called and word in _CALLS:
            self._add(f"`{word.lower()}`")
        elif word in _REFUSED and not (word == "MOD" and called):
            raise SyntaxRefused(f"{word} is not known here{words.near(at)}", hint=_REFUSED[word])
        else:
            self._add(_WORDS.get(word, words.tokens[at].text))
        return at + 1

    def _number(self, at: int) -> int:
        """A number's parts stand together: ``1.5``, ``.5``."""
        tokens, text = self._words.tokens, ""
        while at < self._end and (not text or tokens[at].start == tokens[at - 1].end + 1):
            piece = self._words[at]
            if not (piece == "." or piece[:1].isalnum()):
                break
            text += tokens[at].text
            at += 1
        self._add(text)
        return at

    def _sign(self, at: int) -> int:
        """Signs come one by one; those that belong together are put together."""
        words = self._words
        for sign, instead in _SIGNS.items():
            if self._stands(at, sign):
                self._add(instead)
                return at + len(sign)
        for sign in ("<=", ">=", "<>", "!=", "<<", ">>"):
            if self._stands(at, sign):
                self._add(sign)
                return at + 2
        sign = words[at]
        if sign == "." and words.tokens[at + 1 : at + 2] and words[at + 1][:1].isdigit() and not self._named(at):
            return self._number(at)
        if sign in _REFUSED_SIGNS:
            raise SyntaxRefused(f"{sign} is not known here{words.near(at)}", hint=_REFUSED_SIGNS[sign])
        self._add(sign)
        return at + 1

    def _named(self, at: int) -> bool:
        return at > 0 and self._words.identifier(at - 1) is not None

    def _stands(self, at: int, sign: str) -> bool:
        tokens = self._words.tokens[at : at + len(sign)]
        together = all(one.end + 1 == other.start for one, other in pairwise(tokens))
        return together and self._words.are(at, *sign) and at + len(sign) <= self._end

    def _interval(self, at: int) -> int:
        """``x - INTERVAL 1 DAY`` becomes a call of date_sub; as an argument it stands for itself."""
        words = self._words
        first, last = at + 1, unit_of(words, at, self._end)
        if last is None:
            raise SyntaxRefused(f"a unit such as DAY or MINUTE is missing{words.near(first + 1)}")
        unit = words[last]
        if first == last:
            raise SyntaxRefused(f"how many are meant is missing{words.near(last)}")
        amount = translate(words, first, last)
        call = f"{INTERVAL}({amount.sql}, ?)"
        strings = [*amount.parameters, unit]
        if not self._parts or self._parts[-1] not in ("+", "-"):
            self._add(call, *strings)
            return last + 1
        minus = self._parts.pop() == "-"
        self._strings.pop()
        begin = self._operand()
        operand = " ".join(self._parts[begin:])
        before = [value for values in self._strings[begin:] for value in values]
        del self._parts[begin:], self._strings[begin:]
        self._add(f"{'date_sub' if minus else 'date_add'}({operand}, {call})", *before, *strings)
        return last + 1

    def _operand(self) -> int:
        """Where the operand begins that ends the parts so far."""
        at = len(self._parts)
        if at == 0:
            raise SyntaxRefused("something is missing before INTERVAL")
        at -= 1
        if self._parts[at] == ")":
            depth = 1
            while depth and at > 0:
                at -= 1
                depth += self._parts[at].count(")") - self._parts[at].count("(") if self._parts[at] in "()" else 0
                depth -= self._parts[at].endswith("(") and self._parts[at] != "("
            if at > 0 and _is_name(self._parts[at - 1]):
                at -= 1
        while at >= 2 and self._parts[at - 1] == ".":
            at -= 2
        return at


_NO_NAMES: Final = frozenset(
    {"AND", "OR", "NOT", "WHERE", "IN", "SELECT", "BETWEEN", "IS", "LIKE", "BY", "HAVING", "ON"}
)


def _is_name(part: str) -> bool:
    return (part[:1].isalpha() or part[:1] in "_`") and part.upper() not in _NO_NAMES
