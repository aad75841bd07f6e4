"""Fail points, health over HTTP, the plugin host."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from alterd_contracts import hookimpl, hookspecs
from alterd_contracts.errors import InvalidSetting, UnknownStrategy
from alterd_runtime import failpoints
from alterd_runtime.failpoints import Injected, failpoint
from alterd_runtime.http import Health, HttpServer
from alterd_runtime.plugins import PluginFault, Plugins, Strategies
from alterd_runtime.settings import HttpSettings


def test_a_fail_point_does_nothing_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(failpoints.VARIABLE, raising=False)
    failpoint("scheduler.elected")


def test_a_fail_point_fails_when_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(failpoints.VARIABLE, "scheduler.elected:error,intake.checked:sleep=0")
    monkeypatch.delenv(failpoints.FOLDER, raising=False)
    failpoint("intake.checked")
    with pytest.raises(Injected, match=r"scheduler\.elected"):
        failpoint("scheduler.elected")


def test_a_fail_point_acts_once_per_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(failpoints.VARIABLE, "scheduler.elected:error")
    monkeypatch.setenv(failpoints.FOLDER, str(tmp_path))
    with pytest.raises(Injected):
        failpoint("scheduler.elected")
    failpoint("scheduler.elected")


def test_a_fail_point_leaves_a_mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(failpoints.VARIABLE, f"vitess.copied:mark={tmp_path}")
    monkeypatch.delenv(failpoints.FOLDER, raising=False)
    monkeypatch.setattr(failpoints, "_works_on", [])
    failpoints.works_on("uuid_1")
    failpoint("vitess.copied")
    assert [each.name for each in tmp_path.iterdir()] == ["uuid_1.vitess.copied"]


@pytest.mark.parametrize("heard", [True, False])
def test_a_fail_point_holds_until_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, heard: bool) -> None:
    monkeypatch.setenv(failpoints.VARIABLE, f"vitess.renamed:hold={tmp_path}")
    monkeypatch.delenv(failpoints.FOLDER, raising=False)
    monkeypatch.setattr(failpoints, "_works_on", ["uuid_2"])
    monkeypatch.setattr(failpoints, "HOLD_LIMIT", 30.0 if heard else 0.0)
    if heard:
        (tmp_path / "uuid_2.vitess.renamed.go").touch()
    failpoint("vitess.renamed")
    assert (tmp_path / "uuid_2.vitess.renamed").exists()
    assert (tmp_path / "uuid_2.vitess.renamed.late").exists() is not heard


@pytest.mark.parametrize(("spec", "name"), [("x:error", "no.such"), ("scheduler.elected:explode", "scheduler.elected")])
def test_unknown_fail_points_and_actions_are_refused(monkeypatch: pytest.MonkeyPatch, spec: str, name: str) -> None:
    monkeypatch.setenv(failpoints.VARIABLE, spec)
    monkeypatch.delenv(failpoints.FOLDER, raising=False)
    with pytest.raises(InvalidSetting):
        failpoint(name)


def get(url: str) -> tuple[int, dict[str, str]]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_health_says_which_part_is_not_well() -> None:
    health = Health(live={"loop": ""}, ready={"nats": ""})
    server = HttpServer(HttpSettings(), lambda: health)
    server.start()
    try:
        assert get(f"{server.url}/readyz") == (200, {"loop": "ok", "nats": "ok"})
        health.ready["nats"] = "not connected"
        assert get(f"{server.url}/livez") == (200, {"loop": "ok"})
        assert get(f"{server.url}/readyz") == (503, {"loop": "ok", "nats": "not connected"})
        server.route("/throttle", lambda query: (429, {"reason": f"lag in {query['shard']}"}))
        assert get(f"{server.url}/throttle?shard=-80") == (429, {"reason": "lag in -80"})
        assert get(f"{server.url}/else")[0] == 404
        with urllib.request.urlopen(f"{server.url}/metrics", timeout=5) as response:
            assert b"alterd_nats_reconnects_total" in response.read()
    finally:
        server.stop()


def test_a_plugin_with_an_unknown_hook_is_refused() -> None:
    def alterd_registers_strategies(register: object) -> None: ...

    plugin = SimpleNamespace(alterd_registers_strategies=hookimpl(alterd_registers_strategies))
    with pytest.raises(PluginFault, match="odd"):
        Plugins().register(plugin, "odd")


def test_the_built_in_strategies_come_through_the_door() -> None:
    plugins = Plugins().load()
    assert plugins.broken == {}
    names = {declared.strategy for declared in plugins.strategies().declarations()}
    assert {"direct", "mysql", "statement"} <= names


def test_a_disabled_plugin_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALTERD_DISABLED_PLUGINS", "direct")
    with pytest.raises(UnknownStrategy):
        Plugins().load().strategies().get("mysql")


def test_a_strategy_s_name_is_taken_once() -> None:
    mysql = Plugins().load().strategies().get("mysql")
    strategies = Strategies()
    strategies.add(mysql)
    with pytest.raises(PluginFault, match="mysql"):
        strategies.add(mysql)


def test_every_hook_is_documented_and_prefixed() -> None:
    hooks = [name for name in vars(hookspecs) if name.startswith("alterd_")]
    assert len(hooks) == 4
    assert all(getattr(hookspecs, name).__doc__ for name in hooks)


@pytest.mark.parametrize("hook", [name for name in vars(hookspecs) if name.startswith("alterd_")])
def test_every_hook_is_used_by_a_test_on_real_servers(hook: str) -> None:
    tests = Path(__file__).parents[1]
    folders = (tests / "e2e", tests / "integration")
    assert any(hook in path.read_text() for folder in folders for path in folder.rglob("*.py"))
