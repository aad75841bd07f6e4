"""Programs that strategies run: is there one, which version, and how to get it. As seen from this host."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from alterd_cli.doctor.findings import Finding, ok, warn
from alterd_cli.services_seen import local_strategies
from alterd_contracts.declaration import ToolDeclaration
from alterd_contracts.errors import AlterdError
from alterd_contracts.strategy import Strategy
from alterd_runtime.plugins import Plugins

PART = "tools"


async def check_tools() -> list[Finding]:
    """One finding for each program that a plugin here declares; without it only its own strategy cannot run."""
    plugins = Plugins().load()
    return await judge([plugins.strategies().get(declared.strategy) for declared in local_strategies(plugins)])


async def judge(strategies: Iterable[Strategy]) -> list[Finding]:
    """Asks each strategy for its programs' versions: only it knows how they say them, and which ones it takes."""
    return [await _tool(tool, strategy) for strategy in strategies for tool in strategy.declare().tools]


async def _tool(tool: ToolDeclaration, strategy: Strategy) -> Finding:
    name = strategy.declare().strategy
    if not tool.path:
        return ok(PART, f"{tool.name} is not on this host: the strategy {name} needs it. {tool.mend}")
    if shutil.which(tool.path) is None:
        return warn(PART, f"{tool.name} is set to {tool.path}, which is no program here", tool.mend)
    try:
        version = await strategy.tool_version(tool)
    except AlterdError as error:
        return warn(PART, error.message, error.hint or tool.mend)
    except Exception as error:  # noqa: BLE001 - a foreign plugin may fail in any way
        return warn(PART, f"the strategy {name} fails to look at {tool.name}: {error!r}", tool.mend)
    return ok(PART, f"{tool.name}: {tool.path}" + (f", version {version}" if version else ""))
