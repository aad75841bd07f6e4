"""A ddl_strategy against what living executors declare. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alterd_contracts.declaration import Declaration
from alterd_contracts.errors import UnknownStrategy
from alterd_contracts.work import ExecutorInfo
from alterd_runtime.ddl_strategy import check_options, parse_ddl_strategy


def declared(executors: Iterable[ExecutorInfo]) -> list[Declaration]:
    """Each strategy once, by name."""
    found = {each.strategy: each for executor in executors for each in executor.strategies if not each.hidden}
    return [found[name] for name in sorted(found)]


def check_strategy(text: str, executors: Sequence[ExecutorInfo]) -> None:
    """Where no executor lives, only that it can be read. Raises `InvalidStrategy`, `UnknownStrategy`."""
    setting = parse_ddl_strategy(text)
    known = [each for executor in executors for each in executor.strategies]
    for declaration in known:
        if setting.strategy == declaration.strategy or setting.strategy in declaration.aliases:
            check_options(setting, declaration, others=declared(executors))
            return
    if known:
        names = ", ".join(each.strategy for each in declared(executors))
        raise UnknownStrategy(f"no running executor offers {setting.strategy!r}", hint=f"there are: {names}")
