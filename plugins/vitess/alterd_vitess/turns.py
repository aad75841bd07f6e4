"""Touched keys that Python cannot compare. Pure.

Nobody here can say whether such a key lies in a chunk. So copy and apply take turns: nothing is taken while a chunk is
under way, no chunk begins while a batch is; and the apply's statements leave out what is still to be copied, by
conditions that the server evaluates.
"""

from __future__ import annotations

from alterd_vitess.ranges import Range
from alterd_vitess.touched import Touched


class TouchedInTurns(Touched):
    """The rules of `Touched` without a comparison of keys."""

    def take(self, visible: int, limit: int) -> list[bytes]:
        return [] if self.plan.in_flight else super().take(visible, limit)

    def applicable(self, limit: int) -> set[bytes]:
        return set() if self.plan.in_flight else super().applicable(limit)

    def _is_forgotten(self, key: bytes) -> bool:  # noqa: ARG002 - the statements leave it out
        return False

    def _holder(self, key: bytes) -> Range | None:  # noqa: ARG002
        return None
