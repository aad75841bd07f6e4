"""The plugin host: loads entry points one by one, so that a broken plugin is reported and harms nobody else.

``ALTERD_DISABLED_PLUGINS=name,name`` leaves plugins out; ``ALTERD_TRACE_PLUGINS=1`` logs every hook call.
"""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint, entry_points

import msgspec
import pluggy
import structlog

from alterd_contracts import ENTRY_POINT_GROUP, PROJECT, hookspecs
from alterd_contracts.declaration import Declaration
from alterd_contracts.errors import AlterdError, UnknownStrategy
from alterd_contracts.events import Event
from alterd_contracts.hookspecs import Check, Metric
from alterd_contracts.names import STRATEGY
from alterd_contracts.names import check as check_name
from alterd_contracts.strategy import Strategy

log = structlog.get_logger(__name__)


class PluginFault(AlterdError):
    """A plugin does what no plugin may."""

    code = "plugin_fault"


class LoadedPlugin(msgspec.Struct, frozen=True, kw_only=True):
    """What ``alterd plugins`` shows."""

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...] = ()
    error: str = ""


class Strategies:
    """The strategies of one process, by name and alias."""

    def __init__(self) -> None:
        self._by_name: dict[str, Strategy] = {}
        self._declared: dict[str, Declaration] = {}

    def add(self, strategy: Strategy) -> None:
        declared = strategy.declare()
        for name in (declared.strategy, *declared.aliases):
            check_name(STRATEGY, name, "strategy")
            if name in self._by_name:
                raise PluginFault(f"the strategy {name!r} is already there", strategy=name)
        for name in (declared.strategy, *declared.aliases):
            self._by_name[name] = strategy
        self._declared[declared.strategy] = declared

    def get(self, name: str) -> Strategy:
        """Raises `UnknownStrategy`."""
        try:
            return self._by_name[name]
        except KeyError:
            raise UnknownStrategy(f"this executor does not have the strategy {name!r}", strategy=name) from None

    def declarations(self) -> tuple[Declaration, ...]:
        return tuple(self._declared.values())


class Plugins:
    """A typed face over pluggy."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self.loaded: list[LoadedPlugin] = []
        if os.environ.get("ALTERD_TRACE_PLUGINS"):
            self._manager.add_hookcall_monitoring(
                before=lambda hook, _impls, kwargs: log.info("hook.called", hook=hook, arguments=sorted(kwargs)),
                after=lambda *_: None,
            )

    def load(self) -> Plugins:
        """Loads every entry point that is not disabled."""
        disabled = {name.strip() for name in os.environ.get("ALTERD_DISABLED_PLUGINS", "").split(",")}
        for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name):
            if point.name not in disabled:
                self._load(point)
        return self

    def register(self, plugin: object, name: str) -> None:
        """Takes a plugin that is at hand. Raises `PluginFault` for unknown hooks."""
        self._manager.register(plugin, name=name)
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            self._manager.unregister(name=name)
            raise PluginFault(f"plugin {name}: {error}", plugin=name) from None

    @property
    def broken(self) -> dict[str, str]:
        return {plugin.name: plugin.error for plugin in self.loaded if plugin.error}

    def strategies(self) -> Strategies:
        register = Strategies()
        self._manager.hook.alterd_register_strategies(register=register)
        return register

    def metrics(self) -> list[Metric]:
        found: list[Metric] = []
        self._manager.hook.alterd_register_metrics(register=_Collected(found))
        return found

    def checks(self) -> list[tuple[str, Check]]:
        """In the order of their names, so that the same change always meets the same refusal."""
        found: dict[str, Check] = {}
        self._manager.hook.alterd_register_checks(register=_Named(found))
        return sorted(found.items())

    def observe(self, event: Event) -> None:
        self._manager.hook.alterd_observe_event(event=event)

    def _load(self, point: EntryPoint) -> None:
        distribution = point.dist.name if point.dist else ""
        version = point.dist.version if point.dist else ""
        try:
            plugin = point.load()
            self.register(plugin, point.name)
        except Exception as error:  # noqa: BLE001 - a foreign plugin may fail in any way
            text = f"{type(error).__name__}: {error}"
            log.error("plugin.broken", plugin=point.name, error=text)
            self.loaded.append(LoadedPlugin(name=point.name, distribution=distribution, version=version, error=text))
            return
        hooks = tuple(caller.name for caller in self._manager.get_hookcallers(plugin) or ())
        self.loaded.append(LoadedPlugin(name=point.name, distribution=distribution, version=version, hooks=hooks))


class _Collected:
    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def add(self, metric: Metric) -> None:
        self._found.append(metric)


class _Named:
    def __init__(self, found: dict[str, Check]) -> None:
        self._found = found

    def add(self, name: str, check: Check) -> None:
        self._found[name] = check
