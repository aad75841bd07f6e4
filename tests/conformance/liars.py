"""Strategies that lie, each about one promise, and the honest one: a plugin of the lab's."""

from __future__ import annotations

from alterd_contracts import hookimpl
from alterd_contracts.hookspecs import StrategyRegister
from tests.conformance import liars_by_course, liars_by_traces
from tests.conformance.honest import Honest
from tests.conformance.liar import Liar

MODULES = (liars_by_course, liars_by_traces)


def liars() -> list[type[Liar]]:
    """All of both modules, in their order."""
    found = [each for module in MODULES for each in vars(module).values()]
    return [each for each in found if isinstance(each, type) and issubclass(each, Liar) and each is not Liar]


@hookimpl
def alterd_register_strategies(register: StrategyRegister) -> None:
    register.add(Honest())
    for liar in liars():
        register.add(liar())
