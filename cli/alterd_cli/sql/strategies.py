"""A ddl_strategy against what living executors declare. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alterd_contracts.declaration import Declaration
from alterd_contracts.errors import UnknownStrategy
from alterd_contracts.work import ExecutorInfo
from alterd_runtime.ddl_strategy import check_options, offered, parse_ddl_strategy


def declared(executors: Iterable[ExecutorInfo]) -> list[Declaration]:
    """Each strategy that users can choose once, by name."""
    found = {each.strategy: each for each in offered(executors).values()}
    return [found[name] for name in sorted(found)]


def check_strategy(text: str, executors: Sequence[ExecutorInfo]) -> None:
    """Where no executor lives, only that it can be read. Raises `InvalidStrategy`, `UnknownStrategy`."""
    setting = parse_ddl_strategy(text)
    known = offered(executors)
    if setting.strategy in known:
        check_options(setting, known[setting.strategy], others=declared(executors))
    elif known:
        names = ", ".join(each.strategy for each in declared(executors))
        raise UnknownStrategy(f"no running executor offers {setting.strategy!r}", hint=f"there are: {names}")
