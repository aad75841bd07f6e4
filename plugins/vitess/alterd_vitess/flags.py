"""The flags of the strategy `vitess`, and what they say about one migration."""

from __future__ import annotations

import msgspec

from alterd_contracts import __version__
from alterd_contracts.declaration import Declaration
from alterd_contracts.flags import (
    ALLOW_ZERO_IN_DATE,
    CUT_OVER_THRESHOLD,
    DEFAULT_CUT_OVER_THRESHOLD,
    PREFER_INSTANT_DDL,
    QUEUE_FLAGS,
    RETAIN_ARTIFACTS,
    FlagDeclaration,
    FlagKind,
)
from alterd_contracts.migration import Migration
from alterd_contracts.statement import StatementKind
from alterd_contracts.strategy import Wanted
from alterd_runtime.ddl_strategy import options_of

ALTERS = (StatementKind.ALTER_TABLE,)
AT_ONCE = 0.001
"""Seconds: a --force-cut-over-after up to that forces the first attempt."""

ANALYZE_TABLE = FlagDeclaration(
    name="analyze-table", kinds=ALTERS, help="ANALYZE the table before it is copied, for a better estimate of its rows"
)
PRIMARY, REPLICA = "primary", "replica"
BINLOG_SOURCE = FlagDeclaration(
    name="binlog-source",
    kind=FlagKind.TEXT,
    values=(PRIMARY, REPLICA),
    kinds=ALTERS,
    help="primary or replica: whose binlog tells which rows are written meanwhile; without it as the executor is set",
)
FORCE_CUT_OVER_AFTER = FlagDeclaration(
    name="force-cut-over-after",
    kind=FlagKind.DURATION,
    minimum="0s",
    kinds=ALTERS,
    help="how long after the first cut-over was due what is in its way is killed; 1ms: at once; without it never",
)
UNSAFE_ALLOW_FOREIGN_KEYS = FlagDeclaration(
    name="unsafe-allow-foreign-keys",
    kinds=ALTERS,
    help="change tables that take part in foreign keys, where that can be done without losing any",
)
FLAGS = (
    *QUEUE_FLAGS,
    ALLOW_ZERO_IN_DATE,
    ANALYZE_TABLE,
    BINLOG_SOURCE,
    CUT_OVER_THRESHOLD,
    FORCE_CUT_OVER_AFTER,
    PREFER_INSTANT_DDL,
    RETAIN_ARTIFACTS,
    UNSAFE_ALLOW_FOREIGN_KEYS,
)
_READ_BY = Declaration(strategy="vitess", version=__version__, kinds=(), flags=FLAGS)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the flags of one migration ask for. Durations in seconds."""

    zero_dates: bool = False
    analyze_source: bool = False
    foreign_keys: bool = False
    instant: bool = False
    """Where MySQL can."""
    force_after: float = 0.0
    """0: never."""
    binlog_source: str = ""
    """Empty: as the executor is set."""

    @classmethod
    def of(cls, record: Migration) -> Asked:
        """Raises `InvalidStrategy`."""
        options = options_of(record, _READ_BY)
        return cls(
            zero_dates=options.on(ALLOW_ZERO_IN_DATE.name),
            analyze_source=options.on(ANALYZE_TABLE.name),
            foreign_keys=options.on(UNSAFE_ALLOW_FOREIGN_KEYS.name),
            instant=options.on(PREFER_INSTANT_DDL.name),
            force_after=options.seconds(FORCE_CUT_OVER_AFTER.name),
            binlog_source=options.text(BINLOG_SOURCE.name),
        )

    def forced(self, wanted: Wanted, due_for: float) -> bool:
        """Whether a cut-over that has been due for so many seconds ends what is in its way."""
        after = self.force_after
        return wanted.force_cutover or 0 < after <= AT_ONCE or (after > 0 and due_for >= after)


def threshold_of(wanted: Wanted) -> float:
    """Seconds: the cut-over threshold as it is now."""
    return float(wanted.cutover_threshold_seconds or DEFAULT_CUT_OVER_THRESHOLD)
