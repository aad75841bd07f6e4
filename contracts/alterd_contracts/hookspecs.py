"""The whole plugin API on one page.

A plugin is a module (or object) behind an entry point of the group ``alterd.plugins``. It implements any of these
with ``alterd_contracts.hookimpl``. alterd's own strategies come through the same door.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
import pluggy

from alterd_contracts import PROJECT
from alterd_contracts.errors import AlterdError
from alterd_contracts.events import Event
from alterd_contracts.migration import Migration
from alterd_contracts.strategy import Session, ShardView, Strategy

hookspec = pluggy.HookspecMarker(PROJECT)


class StrategyRegister(Protocol):
    """Where strategies are registered; the declared name must be free."""

    def add(self, strategy: Strategy) -> None: ...


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A measure of a server's health. Above the threshold the throttler says wait."""

    name: str
    threshold: float
    unit: str = ""
    measure: Callable[[Session], Awaitable[float]]
    """Asked on the primary, several times a second: cheap."""


class MetricRegister(Protocol):
    """Where throttler metrics are registered."""

    def add(self, metric: Metric) -> None: ...


Check = Callable[[Migration, ShardView], Awaitable[list[AlterdError]]]
"""What speaks against a change, whatever the strategy. No side effects."""


class CheckRegister(Protocol):
    """Where preflight checks are registered; they run in the order of their names."""

    def add(self, name: str, check: Check) -> None: ...


@hookspec
def alterd_register_strategies(register: StrategyRegister) -> None:
    """Adds strategies to an executor."""


@hookspec
def alterd_register_metrics(register: MetricRegister) -> None:
    """Adds metrics to a throttler."""


@hookspec
def alterd_register_checks(register: CheckRegister) -> None:
    """Adds preflight checks to an executor; they see every change before it is queued."""


@hookspec
def alterd_observe_event(event: Event) -> None:
    """Sees every fact once it is published, at least once; runs in the observer, never in the scheduler's way."""
