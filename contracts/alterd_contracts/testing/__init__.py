"""The conformance kit: whether a strategy does what it declares, and what every strategy has to do.

* `steps`, `orders`, `recorder`, `watched`, `watched_task`, `plugin`
                a strategy in a run's own process, watched at each step, and killed or held where the harness says so
* `lab`         what a harness has to offer: a real executor and real servers
* `scenarios`   what is done to a strategy
* `observed`    what is seen of it
* `checks`      what speaks against it; pure
* `promises`    the names of all that may be broken, and the report
* `conform`     all of it, for one strategy

`docs/reference/conformance.md` tells how to run it on a strategy of one's own.
"""

from alterd_contracts.testing.checks import judge, judge_all
from alterd_contracts.testing.conform import conform, violated, walk
from alterd_contracts.testing.lab import ALTER, Case, Change, Lab, Seen, Subject, Told
from alterd_contracts.testing.observed import Attempted, Ending, Left, Ran, Table, Waiting
from alterd_contracts.testing.promises import Promise, Report, Violation
from alterd_contracts.testing.scenarios import Scenario, representative, scenarios
from alterd_contracts.testing.steps import Point, Side, Step

__all__ = [
    "ALTER",
    "Attempted",
    "Case",
    "Change",
    "Ending",
    "Lab",
    "Left",
    "Point",
    "Promise",
    "Ran",
    "Report",
    "Scenario",
    "Seen",
    "Side",
    "Step",
    "Subject",
    "Table",
    "Told",
    "Violation",
    "Waiting",
    "conform",
    "judge",
    "judge_all",
    "representative",
    "scenarios",
    "violated",
    "walk",
]
