"""All scenarios that a strategy's declaration asks for, and what became of its promises."""

from __future__ import annotations

from alterd_contracts.declaration import Declaration
from alterd_contracts.statement import StatementKind
from alterd_contracts.testing.checks import judge_all
from alterd_contracts.testing.lab import Lab, Subject
from alterd_contracts.testing.promises import Promise, Report, Violation
from alterd_contracts.testing.scenarios import Scenario, completed, deaths, representative, scenarios


async def conform(lab: Lab, declaration: Declaration, subject: Subject, *, every_step: bool = True) -> Report:
    """Runs all of them, one after the other. `every_step`: deaths at each distinct step of a run, not at a few."""
    todo = scenarios(declaration, subject)
    if every_step:
        todo += await walk(lab, declaration, subject)
    elif declaration.kind(StatementKind.ALTER_TABLE) is not None:
        todo += representative(declaration, subject)
    violations: list[Violation] = []
    exercised: list[Promise] = []
    for scenario in todo:
        violations += await violated(lab, scenario)
        exercised += scenario.promises
    return Report.of(declaration.strategy, exercised, violations)


async def violated(lab: Lab, scenario: Scenario) -> list[Violation]:
    """One scenario: what was broken in it."""
    return judge_all(await scenario.run(lab), whole=scenario.whole)


async def walk(lab: Lab, declaration: Declaration, subject: Subject) -> list[Scenario]:
    """Deaths at each distinct step: of a run that is carried out now, to know its steps."""
    if declaration.kind(StatementKind.ALTER_TABLE) is None:
        return []
    whole = await completed(lab, declaration, subject, subject.alters[0], held=False)
    return deaths(declaration, subject, whole)
