"""Which promises were broken, judged by what was seen alone. Pure.

* `courses`  phases, places, holds, throttling, progress
* `traces`   artifacts, secrets, what is left
* `outcomes` how it ended: completed, cancelled, recovered, resumed
* `flags`    what became of users' flags
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from alterd_contracts.testing.checks.courses import exclusive, holds, phases, progress, throttles, unentered
from alterd_contracts.testing.checks.flags import flags
from alterd_contracts.testing.checks.outcomes import cancels, completes, recovers, resumes
from alterd_contracts.testing.checks.traces import artifacts, leaves_nothing, secrets
from alterd_contracts.testing.observed import Ran
from alterd_contracts.testing.promises import Promise, Violation

CHECKS: Final[dict[Promise, Callable[[Ran], list[str]]]] = {
    Promise.COMPLETES: completes,
    Promise.PHASES: phases,
    Promise.EXCLUSIVE: exclusive,
    Promise.HOLDS: holds,
    Promise.THROTTLES: throttles,
    Promise.RESUMES: resumes,
    Promise.FLAGS: flags,
    Promise.CANCELS: cancels,
    Promise.LEAVES_NOTHING: leaves_nothing,
    Promise.PROGRESS: progress,
    Promise.SECRETS: secrets,
    Promise.ARTIFACTS: artifacts,
    Promise.RECOVERS: recovers,
}
"""Each tells, in words, how one promise was broken; nothing where it was kept or not asked for."""


def judge(ran: Ran) -> list[Violation]:
    """All that speaks against a run."""
    found = [
        Violation(promise=promise, scenario=ran.scenario, words=words)
        for promise, check in CHECKS.items()
        for words in check(ran)
    ]
    if ran.missed is not None:
        words = "the run never came to the middle of its copy, so nothing was shown"
        found.append(Violation(promise=ran.missed, scenario=ran.scenario, words=words))
    return found


def judge_all(rans: Iterable[Ran], *, whole: bool) -> list[Violation]:
    """The same for several runs. `whole`: they are all changes of one kind, so each declared phase must be entered."""
    seen = list(rans)
    found = [violation for ran in seen for violation in judge(ran)]
    if whole:
        found += [Violation(promise=Promise.PHASES, scenario="all", words=words) for words in unentered(seen)]
    return found


__all__ = ["CHECKS", "judge", "judge_all"]
