"""gh-ost as a program: its output, its command line, its flags, and what the strategy says of itself."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from alterd_contracts.errors import DuplicateRows, InvalidStrategy
from alterd_contracts.migration import Migration
from alterd_contracts.statement import StatementKind
from alterd_contracts.strategy import Account, Login, Strategy
from alterd_ghost import tool
from alterd_ghost.command import Call, clauses_of, conf, grants
from alterd_ghost.errors import GhostFailed
from alterd_ghost.flags import RESERVED, SWITCHES, Asked
from alterd_ghost.ghost import Ghost
from alterd_ghost.running import failed
from alterd_ghost.status import FATAL, QUIET, seconds_of, status_of
from alterd_intake import resolve
from alterd_ptosc.ptosc import PtOsc
from alterd_runtime.ddl_strategy import check_options, parse_ddl_strategy
from alterd_runtime.sql import split_alter
from alterd_tools.output import Output
from alterd_tools.programs import Program

LINE = (
    "Copy: 1200/4000 30.0%; Applied: 17; Backlog: 3/1000; Time: 12s(total), 10s(copy); streamer: binlog.000001:4711;"
    " Lag: 0.02s, HeartbeatLag: 0.15s, State: {state}; ETA: {eta}"
)


# Its output ----------------------------------------------------------------------------------------------------


def test_a_status_is_read() -> None:
    status = status_of(LINE.format(state="migrating", eta="1m23s"))
    assert status is not None
    assert (status.copied, status.rows, status.percent, status.applied, status.backlog) == (1200, 4000, 30.0, 17, 3)
    assert (status.lag, status.eta, status.postponed, status.throttled) == (0.15, 83, False, "")


def test_the_same_line_in_its_log_is_read_too() -> None:
    assert status_of("2026-11-21 18:05:42 INFO " + LINE.format(state="migrating", eta="N/A")) is not None


def test_states() -> None:
    held = status_of(LINE.format(state="postponing cut-over", eta="due"))
    waits = status_of(LINE.format(state="throttled, Too many requests (http=429)", eta="N/A"))
    assert held is not None
    assert waits is not None
    assert held.postponed
    assert waits.throttled == "Too many requests (http=429)"


def test_other_lines_are_none() -> None:
    assert status_of("2026-11-21 18:05:42 INFO Row copy complete") is None
    assert status_of("") is None


@pytest.mark.parametrize(
    ("eta", "seconds"), [("due", 0), ("N/A", -1), ("7s", 7), ("1h0m5s", 3605), ("5x", -1), ("1m 5s", -1)]
)
def test_etas(eta: str, seconds: int) -> None:
    assert seconds_of(eta) == seconds


def test_last_words_become_errors() -> None:
    duplicate = "Error 1062 (23000): Duplicate entry '7' for key '_t_gho.u'; query="
    assert isinstance(failed(duplicate, 1, "gh-ost"), DuplicateRows)
    other = failed("no shared unique key can be found after ALTER! Bailing out", 1, "the dry run")
    assert isinstance(other, GhostFailed)
    assert other.message == "the dry run failed: no shared unique key can be found after ALTER! Bailing out"
    assert "exit code 2" in failed("", 2, "gh-ost").message
    killed = failed("2026-11-21 18:05:42 INFO Row copy complete", -9, "gh-ost")
    assert "ended by SIGKILL; its last line: 2026-11-21" in killed.message


def test_a_duplicate_of_a_key_that_the_table_has_is_no_rows_fault() -> None:
    words = "Error 1062 (23000): Duplicate entry 'it''s.7' for key '_alterd_x_gho.u'; query="
    assert failed(words, 1, "gh-ost", {"PRIMARY"}).hint == "remove the duplicates first"
    assert "strategy vitess" in failed(words, 1, "gh-ost", {"PRIMARY", "u"}).hint


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("2026-11-21 18:05:42 FATAL one", "2026-11-21 18:05:43 FATAL two", "2026-11-21 18:05:43 INFO bye"), "two"),
        (("flag provided but not defined: -x", "Usage of gh-ost:", "  -debug"), "flag provided but not defined: -x"),
        (
            ('invalid value "a b" for flag -port: parse error', "Usage:"),
            'invalid value "a b" for flag -port: parse error',
        ),
        (("panic: runtime error: index", "", "goroutine 1 [running]:", "main.go:7"), "panic: runtime error: index"),
        (("2026-11-21 18:05:42 INFO nobody is fatal: no FATAL here", "the end"), "the end"),
    ],
)
def test_the_last_fatal_line_is_found(lines: tuple[str, ...], words: str) -> None:
    output = Output(Silent(), fatal=FATAL, quiet=QUIET)
    for line in lines:
        output.hear(line)
    assert output.words == words


class Silent:
    def info(self, text: str) -> None: ...
    def warning(self, text: str) -> None: ...
    def error(self, text: str) -> None: ...


# Its command line ----------------------------------------------------------------------------------------------


def call(**fields: object) -> Call:
    values: dict[str, object] = {
        "program": Path("/bin/gh-ost"),
        "workdir": Path("/w"),
        "login": Login(host="db", port=3306, user="alterd", password="hush", name="alterd:x"),
        "schema": "shop",
        "table": "demo",
        "alter": "ADD c INT",
        "prefix": "alterd_x",
        "server_id": 9,
        "throttle_url": "http://127.0.0.1:1/throttle",
        "gtid": True,
        "checkpoint_seconds": 10,
    }
    return Call(**{**values, **fields})  # type: ignore[arg-type]


def test_no_secret_is_an_argument() -> None:
    account = Account(user="alterd_x_1", password="s3cret")
    for words in (call().argv(execute=True), call().argv(execute=False)):
        assert not any("hush" in word or "s3cret" in word for word in words)
    assert conf(account) == "[client]\nuser=alterd_x_1\npassword=s3cret\n"
    assert "s3cret" not in repr(account)


def test_every_flag_that_is_set_is_reserved() -> None:
    words = (*call(zero_dates=True).argv(execute=True, resume=True), *call().argv(execute=False))
    names = {word.lstrip("-").partition("=")[0] for word in words[1:] if word.startswith("-")}
    declared = {flag.name for flag in Ghost().declare().flags}
    assert names - {"checkpoint-seconds"} <= {*RESERVED, *declared}
    assert not SWITCHES & set(RESERVED)


def test_the_dry_run_executes_nothing() -> None:
    words = call().argv(execute=False)
    assert "--execute" not in words
    assert not any(word.startswith(("--postpone", "--checkpoint", "--resume")) for word in words)


def test_without_gtids_there_are_no_checkpoints() -> None:
    words = call(gtid=False).argv(execute=True)
    assert not any(word.startswith(("--checkpoint", "--gtid")) for word in words)


def test_a_users_flags_stand_last_and_each_for_itself() -> None:
    words = call(passed=("--max-load=Threads_running=5", "--debug")).argv(execute=True)
    assert words[-2:] == ("--max-load=Threads_running=5", "--debug")


def test_it_speaks_tls_where_alterd_does_unless_its_user_says_how() -> None:
    ours = ("--ssl", "--ssl-allow-insecure")
    assert not set(ours) & set(call().argv(execute=True))
    assert set(ours) <= set(call(encrypted=True).argv(execute=False))
    words = call(encrypted=True, passed=("--ssl", "--ssl-ca=/ca.pem")).argv(execute=True)
    assert [word for word in words if word.startswith("--ssl")] == ["--ssl", "--ssl-ca=/ca.pem"]


def test_the_least_grants() -> None:
    every, schema, *tables = grants("my_shop")
    assert every == "REPLICATION CLIENT, REPLICATION SLAVE ON *.*"
    assert schema.endswith("ON `my_shop`.*")
    assert "SUPER" not in every + schema
    assert all(text.startswith("SELECT ON `performance_schema`.`") for text in tables)


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("ALTER TABLE t ADD c INT, ALGORITHM=INPLACE, LOCK=NONE", "ADD c INT"),
        ("ALTER TABLE t ALGORITHM=COPY, ADD c INT, DROP d", "ADD c INT, DROP d"),
        ("ALTER TABLE t ADD c INT PARTITION BY HASH (id)", "ADD c INT PARTITION BY HASH (id)"),
        ("ALTER TABLE t LOCK=NONE, ADD c INT  ,  FORCE", "ADD c INT  ,  FORCE"),
        ("ALTER TABLE t ALGORITHM=INSTANT", ""),
    ],
)
def test_the_clauses_go_on_as_they_are_written(sql: str, text: str) -> None:
    assert clauses_of(split_alter(sql).clauses) == text


# Its flags -----------------------------------------------------------------------------------------------------


def asked(options: str) -> Asked:
    return Asked.of(
        Migration(
            id=1,
            migration_uuid="u",
            keyspace="k",
            shard="0",
            mysql_schema="s",
            mysql_table="t",
            migration_statement="ALTER TABLE t FORCE",
            strategy="gh-ost",
            options=options,
        )
    )


async def test_flags_that_the_program_refuses_are_told_in_its_words(tmp_path: Path) -> None:
    """It is asked with nothing of our own environment."""
    program = tmp_path / "gh-ost"
    program.write_text(
        '#!/bin/sh\n[ "$1 $2" = "--check-flag --chunk=1" ] && [ -z "$ALTERD_SECRET" ] && exit 0\n'
        "echo 'flag provided but not defined: -chunk'\necho 'Usage: …'\nexit 2\n"
    )
    program.chmod(0o755)
    found = Program(path=program, version=(1, 1, 10))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALTERD_SECRET", "hush")
        await tool.check_flags(found, ())
        await tool.check_flags(found, ("--chunk=1",))
        with pytest.raises(
            InvalidStrategy, match=r"1\.1\.10 refuses its flags: flag provided but not defined: -chunk$"
        ):
            await tool.check_flags(found, ("--chunk=2",))


def test_the_page_names_what_is_reserved() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "ghost.md").read_text()
    [part] = re.findall(r"<!-- reserved -->\n(.*?)<!-- /reserved -->", page, re.DOTALL)
    assert re.findall(r"`--([\w-]+)`", part) == sorted(RESERVED)


@pytest.mark.parametrize("name", RESERVED)
def test_flags_of_alterds_own_are_refused_by_name(name: str) -> None:
    for text in (f"--{name}", f"-{name}", f"--{name}=x", f"--max-load --{name}"):
        with pytest.raises(InvalidStrategy, match=f"--{name}(?![\\w-])"):
            check_options(parse_ddl_strategy(f"gh-ost {text}"), Ghost().declare())


@pytest.mark.parametrize(
    ("options", "passed"),
    [
        ("--max-load=Threads_running=100 --chunk-size=500", ("--max-load=Threads_running=100", "--chunk-size=500")),
        ("--max-load Threads_running=100 -chunk-size 500", ("--max-load=Threads_running=100", "--chunk-size=500")),
        ("--throttle-query='SELECT 1; $(rm -rf /)' --exact-rowcount", None),
        ("--postpone-completion --debug", ("--debug",)),
    ],
)
def test_others_are_passed_on(options: str, passed: tuple[str, ...] | None) -> None:
    expected = passed or ("--throttle-query=SELECT 1; $(rm -rf /)", "--exact-rowcount")
    assert asked(options).passed == expected


@pytest.mark.parametrize("options", ["execute", "--exact-rowcount true", "--chunk-size=5 10", "--debug ''", "-"])
def test_a_word_without_a_flag_is_refused(options: str) -> None:
    """gh-ost would read no flag behind it, nor say so."""
    with pytest.raises(InvalidStrategy, match="belongs to no flag"):
        asked(options)


# What it says of itself ----------------------------------------------------------------------------------------


def test_nothing_of_it_can_be_forced() -> None:
    """gh-ost cuts over by itself: commands about that are told so, and do nothing."""
    for kind in Ghost().declare().kinds:
        assert (
            resolve.choices_of(check_options(parse_ddl_strategy("gh-ost"), Ghost().declare()), kind).cuts_over is False
        )


@pytest.mark.parametrize("strategy", [Ghost(), PtOsc()], ids=lambda each: each.declare().strategy)
def test_an_alter_by_a_tool_never_runs_beside_another(strategy: Strategy) -> None:
    """CREATE and DROP of the same strategies do."""
    concurrent = {kind.kind for kind in strategy.declare().kinds if kind.concurrent}
    assert concurrent == set(StatementKind) - {StatementKind.ALTER_TABLE}


def test_the_program_is_declared_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On the PATH, in alterd's cache folder, as set: what an executor would take."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("ALTERD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("ALTERD_GHOST__PATH", raising=False)
    assert tool.declared.__wrapped__().path == ""
    for folder in ("cache/gh-ost-v1.1.10", "bin"):
        program = tmp_path / folder / "gh-ost"
        program.parent.mkdir(parents=True)
        program.touch(mode=0o755)
        assert tool.declared.__wrapped__().path == str(program)
    monkeypatch.setenv("ALTERD_GHOST__PATH", "/opt/gh-ost")
    assert tool.declared.__wrapped__().path == "/opt/gh-ost"
    [declared] = Ghost().declare().tools
    assert (declared.name, "provision.gh_ost" in declared.mend) == ("gh-ost", True)


def test_the_declaration_crosses_the_wire() -> None:
    declared = Ghost().declare()
    assert msgspec.json.decode(msgspec.json.encode(declared), type=type(declared)) == declared
