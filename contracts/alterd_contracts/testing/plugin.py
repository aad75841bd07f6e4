"""A plugin that registers the strategies of other plugins, watched. The harness leaves these plugins themselves out."""

from __future__ import annotations

import os
import pkgutil
from pathlib import Path

from alterd_contracts import ENTRY_POINT_GROUP, hookimpl
from alterd_contracts.hookspecs import StrategyRegister
from alterd_contracts.strategy import Strategy
from alterd_contracts.testing.watched import Watched

FOLDER = "ALTERD_CONFORMANCE_FOLDER"
"""Environment variable: where journals and orders are."""
PLUGINS = "ALTERD_CONFORMANCE_PLUGINS"
"""Environment variable: the plugins, as their entry points name them: ``alterd_ghost.plugin,alterd_direct.plugin``."""
NAME = "conformance"


class _Watching:
    def __init__(self, register: StrategyRegister, folder: Path) -> None:
        self._register, self._folder = register, folder

    def add(self, strategy: Strategy) -> None:
        self._register.add(Watched(strategy, self._folder))


@hookimpl
def alterd_register_strategies(register: StrategyRegister) -> None:
    """Adds what the plugins in `PLUGINS` would add."""
    watching = _Watching(register, Path(os.environ[FOLDER]))
    for name in os.environ[PLUGINS].split(","):
        pkgutil.resolve_name(name).alterd_register_strategies(register=watching)


def install(site: Path) -> None:
    """The plugin as pip would leave it in the folder `site`, which belongs on PYTHONPATH."""
    info = site / f"alterd_{NAME}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: alterd-{NAME}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\n{NAME} = {__name__}\n")
