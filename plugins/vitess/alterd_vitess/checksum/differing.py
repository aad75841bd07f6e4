"""What a difference between source and shadow means. Pure.

A key that was touched while it was compared is *hot*: what differs may be a change on its way. Any other difference is
*real*: all that had touched the key was applied before. A real one is repaired once; at the second time it stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

import msgspec


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Of keys that were compared again."""

    hot: frozenset[bytes]
    """To be compared again, and those that showed up beside them."""
    real: frozenset[bytes]


def judged(asked: Set[bytes], differing: Set[bytes], touched: Set[bytes]) -> Verdict:
    """`asked`: keys of which all earlier touches were applied when they were compared. `differing`: what was found,
    perhaps other spellings of a key. `touched`: all keys touched until everything was received that could be seen."""
    real = (differing & asked) - touched
    return Verdict(hot=frozenset(differing - real), real=frozenset(real))


class Differences:
    """The keys that are open, and the ones that were repaired, of one attempt."""

    def __init__(self) -> None:
        self.open: set[bytes] = set()
        """To be compared again."""
        self.known: set[bytes] = set()
        """Real ones that wait for their repair."""
        self.repaired: dict[bytes, None] = {}
        """In the order in which they were found."""

    def suspect(self, keys: Iterable[bytes]) -> None:
        """Keys that differed in a chunk."""
        self.open.update(keys)

    def compared(self, asked: Set[bytes], verdict: Verdict) -> None:
        """What is left of `asked`; others that were found meanwhile stay open."""
        self.open -= asked
        self.open |= verdict.hot | verdict.real
        self.known |= verdict.real

    @property
    def again(self) -> list[bytes]:
        """Real differences at keys that were repaired before."""
        return sorted(self.known & self.repaired.keys())

    def mended(self, keys: Iterable[bytes]) -> None:
        """They were repaired; they stay open until they are found equal."""
        self.repaired |= dict.fromkeys(keys)
        self.known.difference_update(keys)
