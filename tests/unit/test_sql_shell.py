"""What the shell shows and completes, and how it is typed at."""

from __future__ import annotations

import asyncio
import stat
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.input.defaults import create_pipe_input
from prompt_toolkit.output import DummyOutput

from alterd_cli.sql import grid
from alterd_cli.sql.completion import Known, completions
from alterd_cli.sql.prompt import may_run, prompt_session
from alterd_cli.sql.strategies import check_strategy, declared
from alterd_cli.sql.table import Result
from alterd_contracts.declaration import Declaration
from alterd_contracts.errors import AlterdError
from alterd_contracts.flags import FlagDeclaration, FlagKind
from alterd_contracts.work import ExecutorInfo
from tests.support import eventually

UUID = "9e8a9249_3976_11ed_9442_0a43f95f28a3"
VITESS = Declaration(
    strategy="vitess",
    version="1",
    aliases=("online",),
    kinds=(),
    flags=(FlagDeclaration(name="postpone-launch"), FlagDeclaration(name="cut-over-threshold", kind=FlagKind.DURATION)),
)
KNOWN = Known(
    keyspaces=("commerce", "customer"),
    shards=("-40", "40-80"),
    uuids=(UUID,),
    contexts=("deploy-42",),
    strategies=(VITESS,),
)


def test_tables_look_as_the_mysql_clients() -> None:
    assert grid.grid(Result(("uuid",), ((UUID,),))) == [
        "+--------------------------------------+",
        "| uuid                                 |",
        "+--------------------------------------+",
        f"| {UUID} |",
        "+--------------------------------------+",
    ]


def test_numbers_stand_at_the_right_and_null_is_shown() -> None:
    result = Result(("shard", "n", "at"), (("-40", 7, None), ("ü漢", 12.5, "a\nb")))
    assert grid.grid(result) == [
        "+-------+------+------+",
        "| shard | n    | at   |",
        "+-------+------+------+",
        "| -40   |    7 | NULL |",
        "| ü漢   | 12.5 | a    |",
        "|       |      | b    |",
        "+-------+------+------+",
    ]
    assert "NULL" not in "".join(grid.grid(result, null=""))


def test_rows_may_stand_upright() -> None:
    result = Result(("id", "migration_statement"), ((3, "create table t (\n\tid int\n)"), (4, None)))
    assert grid.vertical(result) == [
        "*************************** 1. row ***************************",
        "                 id: 3",
        "migration_statement: create table t (\n    id int\n)",
        "*************************** 2. row ***************************",
        "                 id: 4",
        "migration_statement: NULL",
    ]
    assert "\x1b" not in "".join(grid.vertical(Result(("a",), (("\x1b[31m",),))))


def test_the_rows_are_counted() -> None:
    assert grid.summary(Result(("a",), ()), 0.001) == "Empty set (0.00 sec)"
    assert grid.summary(Result(("a",), ((1,),)), 1.5) == "1 row in set (1.50 sec)"
    assert grid.summary(Result(("a",), ((1,), (2,))), 0) == "2 rows in set (0.00 sec)"


@pytest.mark.parametrize(
    ("typed", "begun", "offered"),
    [
        (
            "sh",
            "sh",
            [
                "show vitess_migration",
                "show vitess_migrations",
                "show vitess_throttled_apps",
                "show vitess_throttler status",
            ],
        ),
        ("use c", "c", ["commerce", "customer"]),
        ("show vitess_migrations from cu", "cu", ["customer"]),
        ("show vitess_migrations l", "l", ["like"]),
        ("show vitess_migrations like '9e", "9e", [UUID]),
        ("show vitess_migrations like 'dep", "dep", ["deploy-42"]),
        ("show vitess_migrations where migration_st", "migration_st", ["migration_statement", "migration_status"]),
        ("show vitess_migrations where migration_status = 'c", "c", ["complete", "cancelled"]),
        ("select postp", "postp", ["postpone_launch", "postpone_completion"]),
        ("alter vitess_migration '", "", [UUID]),
        (f"alter vitess_migration '{UUID}' la", "la", ["launch"]),
        (f"alter vitess_migration '{UUID}' launch v", "v", ["vitess_shards"]),
        (f"alter vitess_migration '{UUID}' launch vitess_shards '-40,4", "4", ["40-80"]),
        (f"alter vitess_migration '{UUID}' throttle e", "e", ["expire"]),
        ("alter vitess_migration complete a", "a", ["all"]),
        (f"show vitess_migration '{UUID}' ", "", ["logs"]),
        ("set @@ddl_strategy='vi", "vi", ["vitess"]),
        ("set @@ddl_strategy='online --", "--", ["--postpone-launch", "--cut-over-threshold="]),
        ("use commerce; set @@d", "@@d", ["@@ddl_strategy="]),
        ("alter table t add column", "column", []),
    ],
)
def test_words_are_completed(typed: str, begun: str, offered: list[str]) -> None:
    assert completions(typed, KNOWN) == (begun, offered)


@given(st.text(max_size=30))
def test_completion_never_stumbles(typed: str) -> None:
    begun, offered = completions(typed, KNOWN)
    assert typed.endswith(begun)
    assert all(word.lower().startswith(begun.lower()) for word in offered)


@pytest.mark.parametrize("text", ["", "  ", "exit", "QUIT", "\\q", "help", "use commerce", "select 1;", "show x\\G"])
def test_enter_carries_out_what_is_whole(text: str) -> None:
    assert may_run(text)


@pytest.mark.parametrize("text", ["select 1", "alter table t comment 'a;", "set @@x=1\n, y", "exit now", "/* ; "])
def test_enter_goes_on_with_what_is_not(text: str) -> None:
    assert not may_run(text)


async def test_a_statement_of_several_lines_is_one_entry_of_the_history(tmp_path: Path) -> None:
    history = tmp_path / "home" / "sql_history"
    with create_pipe_input() as keys:
        editor = prompt_session(history, lambda: KNOWN, keys=keys, screen=DummyOutput())
        keys.send_text("alter table t\radd i int;\r")
        assert await editor.prompt_async("> ") == "alter table t\nadd i int;"
        keys.send_text("\x1b[A\r")  # arrow up: all of it comes back
        assert await editor.prompt_async("> ") == "alter table t\nadd i int;"
        typing = asyncio.ensure_future(editor.prompt_async("> "))
        keys.send_text("use cu\t")
        await eventually(lambda: editor.default_buffer.text == "use customer")
        keys.send_text("\r")
        assert await typing == "use customer"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    with create_pipe_input() as keys:
        keys.send_text("\x1b[A\r")
        editor = prompt_session(history, lambda: KNOWN, keys=keys, screen=DummyOutput())
        assert await editor.prompt_async("> ") == "use customer"


def executor(*strategies: Declaration) -> ExecutorInfo:
    return ExecutorInfo(
        executor="e",
        incarnation="i",
        host="h",
        pid=1,
        version="1",
        slots=1,
        running=0,
        lease_ttl=15,
        started_at=datetime.now(UTC),
        strategies=strategies,
    )


def test_a_strategy_is_checked_by_what_executors_declare() -> None:
    check_strategy("online --cut-over-threshold=15s", [executor(VITESS)])
    check_strategy("nobody-knows --whatever", [])
    for text, code in (
        ("gh-ost", "unknown_strategy"),
        ("vitess --unknown", "invalid_strategy"),
        ("vitess --cut-over-threshold=soon", "invalid_strategy"),
        ("--postpone-launch", "invalid_strategy"),
    ):
        with pytest.raises(AlterdError) as refused:
            check_strategy(text, [executor(VITESS)])
        assert refused.value.code == code


def test_a_hidden_strategy_cannot_be_chosen_and_the_newest_declaration_counts() -> None:
    hidden = msgspec.structs.replace(VITESS, strategy="statement", aliases=(), hidden=True)
    with pytest.raises(AlterdError) as refused:
        check_strategy("statement", [executor(hidden, VITESS)])
    assert (refused.value.code, refused.value.hint) == ("unknown_strategy", "there are: vitess")
    old, new = (msgspec.structs.replace(VITESS, version=version) for version in ("0.9.0", "0.10.0"))
    new = msgspec.structs.replace(new, flags=(*VITESS.flags, FlagDeclaration(name="shiny")))
    for executors in ([executor(old), executor(new)], [executor(new), executor(old)]):
        check_strategy("online --shiny", executors)
        assert declared(executors) == [new]
