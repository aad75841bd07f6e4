"""Statements as users write them: what each one says, and what is wrong with it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alterd_cli.failures import RefusedByService
from alterd_cli.sql import grammar, orders
from alterd_cli.sql.running import read_all
from alterd_cli.sql.script import split
from alterd_cli.sql.statements import (
    Ddl,
    Order,
    Revert,
    SelectVariables,
    SetVariables,
    ShowLogs,
    ShowMigrations,
    ShowThrottledApps,
    ShowThrottler,
    Statement,
    Use,
    Variable,
)
from alterd_contracts.errors import AlterdError, InvalidInput
from alterd_contracts.requests import Command

UUID = "9e8a9249_3976_11ed_9442_0a43f95f28a3"


def read(text: str) -> Statement:
    [piece] = split(text)
    return grammar.read(piece)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("set @@ddl_strategy='vitess --postpone-launch'", (("ddl_strategy", "vitess --postpone-launch"),)),
        (
            'SET @@DDL_STRATEGY = "gh-ost --max-load Threads_running=200";',
            (("ddl_strategy", "gh-ost --max-load Threads_running=200"),),
        ),
        ("set @@session.ddl_strategy='direct'", (("ddl_strategy", "direct"),)),
        ("set session ddl_strategy := direct", (("ddl_strategy", "direct"),)),
        ("set ddl_strategy=default", (("ddl_strategy", None),)),
        ("set @@ddl_strategy=''", (("ddl_strategy", ""),)),
        ("set @@migration_context='a:b', @@ddl_strategy='x'", (("migration_context", "a:b"), ("ddl_strategy", "x"))),
    ],
)
def test_variables_are_set(text: str, values: tuple[tuple[str, str | None], ...]) -> None:
    assert read(text) == SetVariables(tuple((Variable(name), value) for name, value in values))


def test_variables_are_looked_at() -> None:
    assert read("select @@ddl_strategy, @@session.migration_context as c") == SelectVariables(
        ((Variable.DDL_STRATEGY, "@@ddl_strategy"), (Variable.MIGRATION_CONTEXT, "c"))
    )


@pytest.mark.parametrize(
    ("text", "order"),
    [
        (f"alter vitess_migration '{UUID}' launch", Order(command=Command.LAUNCH, uuid=UUID)),
        (
            f"alter vitess_migration '{UUID}' launch vitess_shards '-40,40-80'",
            Order(command=Command.LAUNCH, uuid=UUID, shards=("-40", "40-80")),
        ),
        (f"alter vitess_migration '{UUID}' launch vitess_shards ''", Order(command=Command.LAUNCH, uuid=UUID)),
        ("alter vitess_migration launch all", Order(command=Command.LAUNCH)),
        (f"ALTER VITESS_MIGRATION '{UUID}' COMPLETE;", Order(command=Command.COMPLETE, uuid=UUID)),
        (
            f"alter vitess_migration '{UUID}' complete vitess_shards '-40, 40-80,-40'",
            Order(command=Command.COMPLETE, uuid=UUID, shards=("-40", "40-80")),
        ),
        ("alter vitess_migration complete all", Order(command=Command.COMPLETE)),
        (f"alter vitess_migration '{UUID}' postpone complete", Order(command=Command.POSTPONE_COMPLETE, uuid=UUID)),
        ("alter vitess_migration postpone complete all", Order(command=Command.POSTPONE_COMPLETE)),
        (f"alter vitess_migration '{UUID}' cancel", Order(command=Command.CANCEL, uuid=UUID)),
        ("alter vitess_migration cancel all", Order(command=Command.CANCEL)),
        (f"alter vitess_migration '{UUID}' retry", Order(command=Command.RETRY, uuid=UUID)),
        (f"alter vitess_migration '{UUID}' cleanup", Order(command=Command.CLEANUP, uuid=UUID)),
        ("alter vitess_migration cleanup all", Order(command=Command.CLEANUP)),
        (f"alter vitess_migration '{UUID}' throttle", Order(command=Command.THROTTLE, uuid=UUID)),
        (
            f"alter vitess_migration '{UUID}' throttle expire '10m' ratio 0.5",
            Order(command=Command.THROTTLE, uuid=UUID, expire=600.0, ratio=0.5),
        ),
        (
            "alter vitess_migration throttle all ratio .25 expire '1h30m'",
            Order(command=Command.THROTTLE, expire=5400.0, ratio=0.25),
        ),
        (f"alter vitess_migration '{UUID}' unthrottle", Order(command=Command.UNTHROTTLE, uuid=UUID)),
        ("alter vitess_migration unthrottle all", Order(command=Command.UNTHROTTLE)),
        (f"alter vitess_migration '{UUID}' force_cutover", Order(command=Command.FORCE_CUTOVER, uuid=UUID)),
        ("alter vitess_migration force_cutover all", Order(command=Command.FORCE_CUTOVER)),
        (
            f"alter vitess_migration '{UUID}' cutover_threshold '15s'",
            Order(command=Command.CUTOVER_THRESHOLD, uuid=UUID, threshold=15),
        ),
        (f"alter vitess_migration '{UUID.replace('_', '-').upper()}' pause", Order(command=Command.PAUSE, uuid=UUID)),
    ],
)
def test_orders_are_read(text: str, order: Order) -> None:
    assert read(text) == order


def test_the_other_statements_are_told_apart() -> None:
    assert read(f"revert vitess_migration '{UUID}'") == Revert(UUID)
    assert read(f"show vitess_migration '{UUID}' logs") == ShowLogs(UUID)
    assert read("show vitess_throttled_apps") == ShowThrottledApps()
    assert read("SHOW VITESS_THROTTLER STATUS;") == ShowThrottler()
    assert read("use my-shop") == Use("my-shop")
    assert read("/* why */ alter table demo modify id bigint unsigned") == Ddl(
        "/* why */ alter table demo modify id bigint unsigned"
    )
    shown = read(f"show vitess_migrations from commerce like '{UUID}'")
    assert isinstance(shown, ShowMigrations)
    assert (shown.keyspace, shown.uuid) == ("commerce", UUID)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("set @@ddl_strategy=’gh-ost’", "syntax_error", "typographic"),
        ("set @@ddl_strategy", "syntax_error", "= is missing"),
        ("set @@ddl_strategy='a' 'b'", "syntax_error", "should end here"),
        ("set @@ddl_strategy=gh-ost", "syntax_error", "needs quotes"),
        ("set @x=1", "syntax_error", "@@"),
        ("set @@global.ddl_strategy='x'", "invalid_setting", "keyspace apply"),
        ("set @@autocommit=1", "invalid_setting", "@@autocommit"),
        ("set @@migration_context='a b'", "invalid_name", "context"),
        ("alter vitess_migration", "syntax_error", "uuid is missing"),
        ("alter vitess_migration 'x' cancel", "invalid_name", "uuid"),
        (f"alter vitess_migration '{UUID}'", "syntax_error", "one of RETRY"),
        (f"alter vitess_migration '{UUID}' explode", "syntax_error", "near explode"),
        (f"alter vitess_migration '{UUID}' cancel all", "syntax_error", "should end here"),
        ("alter vitess_migration cancel", "syntax_error", "ALL is missing"),
        ("alter vitess_migration retry all", "syntax_error", "uuid is missing"),
        ("alter vitess_migration cutover_threshold all", "syntax_error", "uuid is missing"),
        (f"alter vitess_migration '{UUID}' launch vitess_shards", "syntax_error", "list of shards"),
        (f"alter vitess_migration '{UUID}' launch vitess_shards 'a b'", "invalid_name", "shard"),
        (f"alter vitess_migration '{UUID}' throttle expire 'soon'", "invalid_input", "invalid EXPIRE value"),
        (f"alter vitess_migration '{UUID}' throttle expire '-1s'", "invalid_input", "over at once"),
        (f"alter vitess_migration '{UUID}' throttle ratio 2", "invalid_input", "invalid RATIO value: 2"),
        (f"alter vitess_migration '{UUID}' throttle ratio", "syntax_error", "a number"),
        (f"alter vitess_migration '{UUID}' throttle ratio 0.5 ratio 0.6", "syntax_error", "should end here"),
        (f"alter vitess_migration '{UUID}' cutover_threshold '1s'", "invalid_input", "at least 5 s"),
        (f"alter vitess_migration '{UUID}' cutover_threshold 'x'", "invalid_input", "no duration"),
        ("alter vitess_migrations cancel all", "unsupported_statement", "VITESS_MIGRATIONS"),
        (f"show vitess_migration '{UUID}'", "syntax_error", "LOGS is missing"),
        ("show vitess_migrations like", "syntax_error", "pattern"),
        ("show vitess_migrations where", "syntax_error", "condition"),
        ("show vitess_migrations when x", "syntax_error", "should end here"),
        ("show vitess_migrations where 1) or (1", "syntax_error", "parenthesis"),
        ("show tables", "unsupported_statement", "SHOW VITESS_MIGRATIONS"),
        ("insert into t values (1)", "unsupported_statement", "begins no statement"),
        ("update _vt.schema_migrations set migration_status='retry'", "unsupported_statement", "alterd vexec"),
        ("select 1", "syntax_error", "FROM is missing"),
        ("select , from x", "syntax_error", "missing"),
        ("use", "syntax_error", "keyspace"),
        ("use 'x'", "syntax_error", "keyspace"),
        ("revert vitess_migration", "syntax_error", "uuid"),
        ("$$", "unsupported_statement", "begins no statement"),
    ],
)
def test_what_is_wrong_is_told_with_its_code_and_statement(text: str, code: str, words: str) -> None:
    with pytest.raises(RefusedByService) as refused:
        read_all(f"use other; {text}")
    [error] = refused.value.errors
    assert error.code == code
    assert words in f"{error.message} {error.hint}"
    assert error.where["statement"].startswith("2: ")


def test_every_statement_that_is_wrong_is_named_before_any_is_run() -> None:
    with pytest.raises(RefusedByService) as refused:
        read_all("use a; use; show x; set y=1")
    assert [error.where["statement"][0] for error in refused.value.errors] == ["2", "3", "4"]


@pytest.mark.parametrize("text", ["", " ; ;", "-- nothing", "alter table t comment 'x", "select `"])
def test_nothing_and_what_never_ends_are_refused(text: str) -> None:
    with pytest.raises(RefusedByService) as refused:
        read_all(text)
    assert refused.value.errors[0].code == "syntax_error"


SHARDS = st.lists(st.sampled_from(["-40", "40-80", "80-c0", "c0-", "0"]), unique=True, max_size=4)


@given(
    st.sampled_from(sorted(orders.WORDS.items())),
    st.booleans(),
    SHARDS,
    st.floats(0.001, 1).map(lambda ratio: round(ratio, 3)),
    st.integers(1, 10_000),
    st.sampled_from([str.lower, str.upper, str.title]),
)
def test_every_order_is_read_as_it_was_written(
    entry: tuple[tuple[str, ...], Command], every: bool, shards: list[str], ratio: float, expire: int, case: object
) -> None:
    words, command = entry
    every = every and command not in orders.ALWAYS_ONE
    assert callable(case)
    said = case(" ".join(words))
    text = f"alter vitess_migration {said} all" if every else f"alter vitess_migration '{UUID}' {said}"
    wanted = Order(command=command, uuid="" if every else UUID, shards=tuple(shards))
    if command is Command.THROTTLE:
        text += f" expire '{expire}s' ratio {ratio}"
        wanted = Order(command=command, uuid=wanted.uuid, shards=wanted.shards, expire=float(expire), ratio=ratio)
    if command is Command.CUTOVER_THRESHOLD:
        text += " '7s'"
        wanted = Order(command=command, uuid=wanted.uuid, shards=wanted.shards, threshold=7)
    if shards:
        text += f" vitess_shards '{','.join(shards)}'"
    assert read(text) == wanted


WORDS = st.sampled_from(
    [
        *("alter", "vitess_migration", "vitess_migrations", "show", "set", "select", "revert", "use", "launch", "all"),
        *("complete", "postpone", "throttle", "expire", "ratio", "like", "where", "from", "logs", "@@", "ddl_strategy"),
        *(
            "=",
            ":=",
            ",",
            ".",
            "(",
            ")",
            "'x'",
            f"'{UUID}'",
            "0.5",
            "-",
            "`a`",
            "*",
            "interval",
            "1",
            "day",
            "||",
            "\\",
            "?",
        ),
    ]
)


@given(st.lists(WORDS, min_size=1, max_size=10))
def test_whatever_is_written_is_read_or_refused_as_bad_input(words: list[str]) -> None:
    with contextlib.suppress(RefusedByService):
        read_all(" ".join(words))


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_all(text)
    except RefusedByService as refused:
        for error in refused.errors:
            assert issubclass(type(AlterdError.of(error)), InvalidInput) or error.code == "unknown_table"
