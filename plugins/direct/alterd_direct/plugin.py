"""The door: what this plugin registers."""

from __future__ import annotations

from alterd_contracts import hookimpl
from alterd_contracts.hookspecs import StrategyRegister
from alterd_direct.direct import Direct
from alterd_direct.mysql import Mysql
from alterd_direct.statement import StatementRunner


@hookimpl
def alterd_register_strategies(register: StrategyRegister) -> None:
    """Adds `statement` (hidden), `mysql` and `direct`."""
    for strategy in (StatementRunner(), Mysql(), Direct()):
        register.add(strategy)
