"""What the parts of one run share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from alterd_contracts.migration import Migration
from alterd_contracts.strategy import Task
from alterd_runtime.settings import VitessSettings
from alterd_vitess.bell import Bell
from alterd_vitess.mapping import Mapping
from alterd_vitess.memory import Plan
from alterd_vitess.positions import Positions
from alterd_vitess.ranges import CopyPlan, Range
from alterd_vitess.spill import Spill
from alterd_vitess.statements import Statements
from alterd_vitess.touched import Touched
from alterd_vitess.turns import TouchedInTurns

if TYPE_CHECKING:
    from alterd_vitess.checksum import Checks


class Run:
    """One attempt, once it is prepared."""

    checks: Checks
    """The checksum; there before anything is copied."""

    def __init__(
        self,
        *,
        task: Task,
        settings: VitessSettings,
        plan: Plan,
        mapping: Mapping,
        copy: CopyPlan,
        positions: Positions,
        zone: str,
        rows_copied: int,
    ) -> None:
        self.task, self.settings, self.plan, self.mapping = task, settings, plan, mapping
        self.zone = zone
        self.copy, self.positions = copy, positions
        spill = Spill(str(task.workdir / "touched"))
        self.touched = (Touched if mapping.key.ordered else TouchedInTurns)(copy, settings.keys_in_memory, spill)
        self.statements = Statements(table=task.statement.table, shadow=plan.shadow, mapping=mapping)
        self.rows_copied = rows_copied
        self.lag = 0.0
        """Seconds by which the shadow is behind what the primary had executed."""
        self.stage = ""
        self.message = ""
        self.cutover_attempts = task.migration.cutover_attempts
        """Of the whole try."""
        self.swapped = False
        """From here on the table of that name is the new one."""
        self.tell: Callable[[], None] = lambda: None
        """Says at once how far the run is."""
        self.bell = Bell()
        self.turn = asyncio.Lock()
        """Where keys cannot be compared: held by chunks under way, and by a batch."""
        self.prepared_sessions: set[int] = set()
        """Those that can convert keys, by their connections' ids."""

    @property
    def left_out(self) -> tuple[Range, ...]:
        """What is still to be copied, where the apply cannot tell that by the keys: its statements leave it out."""
        return () if self.mapping.key.ordered else tuple(self.copy.pending)

    @property
    def record(self) -> Migration:
        return self.task.migration

    @property
    def table(self) -> str:
        return self.task.statement.table

    @property
    def schema(self) -> str:
        return self.task.migration.mysql_schema
