"""Commands as typed: help, usage errors, exit codes. No server is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from alterd_cli import failures, home, options
from alterd_cli.main import app
from alterd_contracts.errors import (
    BusUnreachable,
    ErrorInfo,
    InvalidSetting,
    NothingToDo,
    StatementRefused,
    SyntaxRefused,
)

COMMANDS = [
    *("demo", "up", "sandbox", "keyspace", "submit", "show", "watch", "cancel", "retry"),
    *("sql", "shell", "vexec"),
    *("launch", "complete", "postpone-complete", "force-cutover", "unforce-cutover", "cutover-threshold"),
    *("pause", "resume", "hold", "release", "priority", "throttle", "unthrottle", "throttled"),
    *("cleanup", "purge", "history"),
    *("events", "logs", "doctor", "plugins", "serve", "config"),
]

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a command in a home of its own, without settings of the caller's."""
    for name in ("ALTERD_NATS__SERVERS", "ALTERD_CONFIG", "ALTERD_KEYSPACE", "ALTERD_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALTERD_HOME", str(tmp_path))
    return lambda *arguments: CliRunner().invoke(app, list(arguments), prog_name="alterd")


def test_help_names_every_command_and_loads_no_client(run: Run) -> None:
    shown = run("--help")
    assert shown.exit_code == 0
    assert all(f"\n  {command} " in shown.stdout for command in COMMANDS)
    check = (
        "import sys\nfrom alterd_cli.main import app\n"
        "heavy = {'nats', 'rich', 'pymysql', 'structlog', 'msgspec', 'alterd_runtime', 'alterd_contracts'}\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    sys.exit(' '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run: Run, command: str) -> None:
    shown = run(command, "-h")
    assert shown.exit_code == 0
    assert "Examples:" in shown.stdout or "Commands:" in shown.stdout


def test_without_a_command_help_and_exit_code_2(run: Run) -> None:
    shown = run()
    assert shown.exit_code == 2
    assert shown.stdout == ""
    assert "Usage: alterd" in shown.stderr


def test_version(run: Run) -> None:
    assert run("--version").stdout == "alterd 0.1.0\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("shwo",), "no such command 'shwo'. Did you mean 'show'?"),
        (("show", "--nonsense"), "no such option: --nonsense"),
        (("show", "-o", "yaml"), "invalid value for '--output' / '-o': 'yaml' is not one of 'table', 'json'"),
        (("watch",), "missing argument 'UUID...'"),
        (("submit", "drop table t"), "missing option '--keyspace' / '-k'"),
        (("submit", "-k", "shop"), "there is no script"),
        (("submit", "-k", "shop", "-f", "x.sql", "drop table t"), "there are two scripts"),
        (("submit", "-k", "shop", "-f", "/no/such.sql"), "cannot read /no/such.sql: No such file or directory"),
        (("submit", "-k", "S!", "drop table t"), "keyspace 'S!' is malformed"),
        (("submit", "-k", "shop", "--uuid", "x", "drop table t"), "uuid 'x' is malformed"),
        (("cancel", "x"), "uuid 'x' is malformed"),
        (("complete", "x"), "uuid 'x' is malformed"),
        (("launch", "x"), "uuid 'x' is malformed"),
        (("throttle", "x", "--expire", "soon"), "'soon' is no duration"),
        (("throttle", "x"), "uuid 'x' is malformed"),
        (("priority", "x", "high"), "invalid value for 'N': Input should be a valid integer"),
        (("pause", "9e8a9249_3976_11ed_9442_0a43f95f28a3", "-c", "deploy"), "a context chooses among all"),
        (("history", "x"), "uuid 'x' is malformed"),
        (("cutover-threshold", "x", "soon"), "'soon' is no duration"),
        (("cutover-threshold", "x", "31s"), "a cut-over threshold of 31 s is out of range"),
        (("logs", "x"), "uuid 'x' is malformed"),
        (("events", "--uuid", "x"), "uuid 'x' is malformed"),
        (("serve", "nothing"), "invalid value for 'service': 'nothing' is not one of 'intake', "),
        (("config",), "missing command"),
    ],
)
def test_bad_input_is_exit_code_2_with_a_hint(run: Run, arguments: tuple[str, ...], text: str) -> None:
    shown = run(*arguments)
    assert shown.exit_code == 2
    assert shown.stdout == ""
    assert shown.stderr.startswith(f"error: {text}")
    assert "\nhint: " in shown.stderr


def test_settings_with_the_flag_over_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALTERD_NATS__SERVERS", "nats://a:1")
    monkeypatch.setenv("ALTERD_EXECUTOR__SLOTS", "3")
    shown = json.loads(run("config", "show", "-o", "json").stdout)
    assert (shown["nats"]["servers"], shown["executor"]["slots"]) == (["nats://a:1"], 3)
    for arguments in (
        ("--nats", "nats://b:2", "config", "show", "-o", "json"),
        ("config", "show", "-o", "json", "--nats", "nats://b:2"),
    ):
        assert json.loads(run(*arguments).stdout)["nats"]["servers"] == ["nats://b:2"]
    assert 'servers = ["nats://a:1"]' in run("config", "show").stdout


def test_the_nats_of_up_is_the_default(run: Run) -> None:
    assert json.loads(run("config", "show", "-o", "json").stdout)["nats"]["servers"] == ["nats://127.0.0.1:4222"]
    home.nats_file().write_text("nats://127.0.0.1:4333\n")
    assert json.loads(run("config", "show", "-o", "json").stdout)["nats"]["servers"] == ["nats://127.0.0.1:4333"]


def test_a_wrong_setting_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALTERD_EXECUTOR__SLOTS", "many")
    shown = run("config", "show")
    assert shown.exit_code == InvalidSetting.exit_code
    assert "ALTERD_EXECUTOR__SLOTS" in shown.stderr


def test_home_follows_the_xdg_rule(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ALTERD_HOME", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert home.folder() == tmp_path / "alterd"
    assert home.local_nats() == ""


class TestFailures:
    @pytest.fixture(autouse=True)
    def fresh(self) -> None:
        options.invocation.begin()

    def test_an_error_of_ours(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert failures.report(BusUnreachable("gone", hint="start it")) == 5
        assert capsys.readouterr() == ("", "error: gone\nhint: start it\n")

    def test_the_worst_class_of_a_refusal_counts(self) -> None:
        refused = failures.RefusedByService([SyntaxRefused("a").info(), StatementRefused("b").info()])
        assert failures.report(refused) == 4
        assert failures.report(failures.RefusedByService([ErrorInfo(code="from_the_future", message="x")])) == 1

    def test_the_statement_is_named(self) -> None:
        refused = SyntaxRefused("a", statement="2: DROP x", hint="b").info()
        assert failures.refusal_text(refused) == "error: [syntax_error] a\n  in statement 2: DROP x\nhint: b"
        assert failures.refusal_text(SyntaxRefused("a").info()) == "error: [syntax_error] a"

    def test_a_document_where_json_was_asked_for(self, capsys: pytest.CaptureFixture[str]) -> None:
        options.invocation.json = True
        assert failures.report(NothingToDo("no effect", uuid="u")) == 4
        [error] = json.loads(capsys.readouterr().out)["errors"]
        assert error == {"code": "nothing_to_do", "message": "no effect", "where": {"uuid": "u"}}

    def test_no_traceback_unless_asked_for(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("ALTERD_DEBUG", raising=False)
        assert failures.report(KeyError("x")) == 1
        shown = capsys.readouterr().err
        assert shown.startswith("error: internal: KeyError: 'x'\nhint: ")
        assert "Traceback" not in shown
        monkeypatch.setenv("ALTERD_DEBUG", "1")
        failures.report(KeyError("x"))
        assert "KeyError" in capsys.readouterr().err
