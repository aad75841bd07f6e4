"""The door: what this plugin registers."""

from __future__ import annotations

from alterd_contracts import hookimpl
from alterd_contracts.hookspecs import StrategyRegister

from alterd_spirit.strategy import Spirit


@hookimpl
def alterd_register_strategies(register: StrategyRegister) -> None:
    """Adds `spirit`."""
    register.add(Spirit())
