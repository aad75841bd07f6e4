"""What a strategy says of the flags that users may put behind its name."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from alterd_contracts.errors import InvalidInput
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
    values: tuple[str, ...] = ()
    """What a text may be; empty for anything."""
    kinds: tuple[StatementKind, ...] = ()
    """The statements on which the flag has an effect; empty for all."""
    help: str = ""

    def applies(self, kind: StatementKind) -> bool:
        return not self.kinds or kind in self.kinds


CUT_OVER_THRESHOLDS = (5, 30)
"""Seconds: the least and the most that `CUT_OVER_THRESHOLD` may be."""
DEFAULT_CUT_OVER_THRESHOLD = 10

POSTPONE_COMPLETION = FlagDeclaration(
    name="postpone-completion", help="wait for `alterd complete` before the change takes effect"
)
RETAIN_ARTIFACTS = FlagDeclaration(
    name="retain-artifacts",
    kind=FlagKind.DURATION,
    minimum="1s",
    help="how long tables that the migration leaves behind are kept; without it as the executor is set",
)
CUT_OVER_THRESHOLD = FlagDeclaration(
    name="cut-over-threshold",
    kind=FlagKind.DURATION,
    minimum=f"{CUT_OVER_THRESHOLDS[0]}s",
    maximum=f"{CUT_OVER_THRESHOLDS[1]}s",
    default=f"{DEFAULT_CUT_OVER_THRESHOLD}s",
    kinds=(StatementKind.ALTER_TABLE,),
    help="how far behind stream and replicas may be, and how long the table may be locked, for a cut-over",
)
ALLOW_CONCURRENT = FlagDeclaration(
    name="allow-concurrent",
    help="run beside other migrations; without effect where the strategy cannot, as the column allow_concurrent tells",
)
IN_ORDER_COMPLETION = FlagDeclaration(
    name="in-order-completion",
    help="complete only when no migration that was submitted before is pending; fail with one of the same context",
)
POSTPONE_LAUNCH = FlagDeclaration(name="postpone-launch", help="stay queued until `alterd launch`")
SINGLETON = FlagDeclaration(name="singleton", help="refuse the request while any migration of the keyspace is pending")
SINGLETON_CONTEXT = FlagDeclaration(
    name="singleton-context", help="refuse the request while a migration of another context is pending"
)
SINGLETON_TABLE = FlagDeclaration(
    name="singleton-table", help="refuse the request while a migration of the same table or view is pending"
)
SINGLETONS = (SINGLETON, SINGLETON_CONTEXT, SINGLETON_TABLE)
FAST_RANGE_ROTATION = FlagDeclaration(name="fast-range-rotation", help="accepted for older scripts, without effect")
SKIP_TOPO = FlagDeclaration(name="skip-topo", help="accepted for older scripts, without effect")
QUEUE_FLAGS = (
    ALLOW_CONCURRENT,
    FAST_RANGE_ROTATION,
    IN_ORDER_COMPLETION,
    POSTPONE_COMPLETION,
    POSTPONE_LAUNCH,
    *SINGLETONS,
    SKIP_TOPO,
)
"""What the queue does for every strategy that is managed; such a strategy declares them all."""
PREFER_INSTANT_DDL = FlagDeclaration(
    name="prefer-instant-ddl",
    kinds=(StatementKind.ALTER_TABLE,),
    help="by ALGORITHM=INSTANT where MySQL can do it so, else as without the flag",
)
NOT_YET = ("declarative",)
"""Flags that are known and refused, whatever the strategy: what they ask for is not there."""
ALLOW_ZERO_IN_DATE = FlagDeclaration(
    name="allow-zero-in-date", help="run the statement without NO_ZERO_DATE and NO_ZERO_IN_DATE in its sql_mode"
)
"""All of these mean the same wherever they are declared: intake and scheduler know them by name, the trial on empty
copies the last one."""


def check_cut_over_threshold(seconds: int) -> None:
    """0 stands for the default. Raises `InvalidInput`."""
    least, most = CUT_OVER_THRESHOLDS
    if seconds != 0 and not least <= seconds <= most:
        raise InvalidInput(
            f"a cut-over threshold of {seconds} s is out of range: at least {least} s and at most {most} s",
            hint=f"write it like {DEFAULT_CUT_OVER_THRESHOLD}s; 0 is the default, {DEFAULT_CUT_OVER_THRESHOLD} s",
        )
