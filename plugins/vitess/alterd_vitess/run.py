"""What the parts of one run share."""

from __future__ import annotations

from collections.abc import Callable

from alterd_contracts.migration import Migration
from alterd_contracts.strategy import Task
from alterd_runtime.settings import VitessSettings
from alterd_vitess.bell import Bell
from alterd_vitess.mapping import Mapping
from alterd_vitess.memory import Plan
from alterd_vitess.positions import Positions
from alterd_vitess.ranges import CopyPlan
from alterd_vitess.statements import Statements
from alterd_vitess.touched import Touched


class Run:
    """One attempt, once it is prepared."""

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
        self.touched = Touched(copy)
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

    @property
    def record(self) -> Migration:
        return self.task.migration

    @property
    def table(self) -> str:
        return self.task.statement.table

    @property
    def schema(self) -> str:
        return self.task.migration.mysql_schema
