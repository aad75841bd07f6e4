"""ddl_strategy: how it is split, and its flags against a strategy's declaration."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alterd_contracts.declaration import Declaration
from alterd_contracts.errors import InvalidStrategy
from alterd_contracts.flags import QUEUE_FLAGS, FlagDeclaration, FlagKind
from alterd_contracts.statement import StatementKind
from alterd_contracts.strategy import Strategy
from alterd_direct.direct import Direct
from alterd_direct.mysql import Mysql
from alterd_runtime.ddl_strategy import Options, check_options, parse_ddl_strategy
from alterd_runtime.ddl_strategy.durations import parse_duration
from alterd_vitess.vitess import Vitess

MANAGED = Declaration(
    strategy="mysql",
    version="1",
    kinds=(),
    flags=(
        FlagDeclaration(name="allow-concurrent"),
        FlagDeclaration(
            name="cut-over-threshold",
            kind=FlagKind.DURATION,
            minimum="5s",
            maximum="30s",
            default="10s",
            kinds=(StatementKind.ALTER_TABLE,),
        ),
        FlagDeclaration(name="retain-artifacts", kind=FlagKind.DURATION),
        FlagDeclaration(name="label", kind=FlagKind.TEXT, default="none"),
        FlagDeclaration(
            name="source", kind=FlagKind.TEXT, kinds=(StatementKind.ALTER_TABLE,), values=("primary", "replica")
        ),
    ),
    reserved_flags=("table", "execute"),
)
TOOL = Declaration(
    strategy="gh-ost",
    version="1",
    kinds=(),
    flags=MANAGED.flags,
    reserved_flags=("panic-flag-file",),
    passes_unknown_flags=True,
)


def options(text: str, declaration: Declaration = MANAGED, kind: StatementKind | None = None) -> Options:
    return check_options(parse_ddl_strategy(text), declaration, kind)


def refused(text: str, declaration: Declaration = MANAGED) -> InvalidStrategy:
    with pytest.raises(InvalidStrategy) as caught:
        options(text, declaration)
    return caught.value


@pytest.mark.parametrize(
    ("text", "strategy", "rest", "words"),
    [
        ("", "", "", []),
        ("  \n", "", "", []),
        ("vitess", "vitess", "", []),
        ("online", "vitess", "", []),
        ("online\t--a", "vitess", "--a", ["--a"]),
        (" gh-ost  --a   -b=c ", "gh-ost", "--a   -b=c", ["--a", "-b=c"]),
        ("mysql --a=\"1 2\" '--b=c d'", "mysql", "--a=\"1 2\" '--b=c d'", ["--a=1 2", "--b=c d"]),
        ("mysql --a=\\ b #c", "mysql", "--a=\\ b #c", ["--a= b", "#c"]),
        ("mysql\n--a\n--b", "mysql", "--a\n--b", ["--a", "--b"]),
    ],
)
def test_splitting(text: str, strategy: str, rest: str, words: list[str]) -> None:
    setting = parse_ddl_strategy(text)
    assert (setting.strategy, setting.options_text, setting.text) == (strategy, rest, text.strip())
    assert [option.text for option in setting.options] == words


def test_one_dash_and_two_are_the_same() -> None:
    one, two, valued, empty, bare = parse_ddl_strategy("mysql -x --x --y=a=b --z= word").options
    assert (one.name, one.value) == (two.name, two.value) == ("x", None)
    assert (valued.name, valued.value) == ("y", "a=b")
    assert (empty.name, empty.value) == ("z", "")
    assert (bare.name, bare.value) == ("", None)


@pytest.mark.parametrize("text", ["--allow-concurrent", "Vitess", "mysql; drop", "mysql --a='b", "my sql' --x", "ä"])
def test_what_names_no_strategy_or_cannot_be_split(text: str) -> None:
    if text == "my sql' --x":
        text = "my 'sql --x"
    with pytest.raises(InvalidStrategy):
        parse_ddl_strategy(text)


def test_values_and_defaults() -> None:
    found = options("mysql -allow-concurrent --cut-over-threshold=15s --label='a b'")
    assert found.values == {
        "allow-concurrent": True,
        "cut-over-threshold": 15.0,
        "retain-artifacts": 0.0,
        "label": "a b",
        "source": "",
    }
    assert found.given == {"allow-concurrent", "cut-over-threshold", "label"}
    assert (found.on("allow-concurrent"), found.on("label"), found.on("absent")) == (True, False, False)
    assert (found.seconds("cut-over-threshold"), found.seconds("absent")) == (15.0, 0.0)
    assert (found.text("label"), found.text("absent")) == ("a b", "")
    bare = options("mysql")
    assert (bare.on("allow-concurrent"), bare.seconds("cut-over-threshold"), bare.text("label")) == (
        False,
        10.0,
        "none",
    )
    assert bare.given == frozenset()


def test_a_value_may_itself_be_in_double_quotes() -> None:
    found = options("""mysql '--cut-over-threshold="15s"' --label='"a b"' '--source="replica"'""")
    assert found.seconds("cut-over-threshold") == 15.0
    assert (found.text("label"), found.text("source")) == ("a b", "replica")
    assert options("""mysql --cut-over-threshold='""'""").seconds("cut-over-threshold") == 10.0
    assert refused("""mysql --cut-over-threshold='"15s'""").hint
    assert options("""gh-ost --tool='"as it is"'""", TOOL).passed == ('--tool="as it is"',)


def test_a_value_that_is_none_of_those_there_are_is_refused_whatever_the_statement() -> None:
    for kind in (None, *StatementKind):
        with pytest.raises(InvalidStrategy, match="--source is primary or replica, not 'elsewhere'") as caught:
            options("mysql --source=elsewhere", kind=kind)
        assert caught.value.hint == "write --source=primary"
    assert options("mysql --source=").text("source") == ""


def test_a_value_out_of_range_is_refused_with_a_hint() -> None:
    assert refused("mysql --cut-over-threshold=31s").hint == "write it like --cut-over-threshold=10s; 0 is the default"


def test_whose_binlog_is_read_is_checked_for_every_statement() -> None:
    declaration = Vitess().declare()
    for kind in (None, StatementKind.CREATE_TABLE, StatementKind.ALTER_TABLE):
        with pytest.raises(InvalidStrategy, match="primary or replica"):
            options("vitess --binlog-source=x", declaration, kind)
        assert options("vitess --binlog-source=primary", declaration, kind).values


def test_the_last_one_counts() -> None:
    assert options("mysql --cut-over-threshold=6s -cut-over-threshold=7s").seconds("cut-over-threshold") == 7.0


@pytest.mark.parametrize("value", ["", "0", "0s", '""'])
def test_nothing_stands_for_the_default(value: str) -> None:
    assert options(f"mysql --cut-over-threshold={value}").seconds("cut-over-threshold") == 10.0


def test_flags_without_effect_on_a_statement_keep_their_defaults() -> None:
    text = "mysql --cut-over-threshold=20s --retain-artifacts=1h"
    created = options(text, kind=StatementKind.CREATE_TABLE)
    assert (created.seconds("cut-over-threshold"), created.seconds("retain-artifacts")) == (10.0, 3600.0)
    assert options(text, kind=StatementKind.ALTER_TABLE).seconds("cut-over-threshold") == 20.0


def test_all_unknown_flags_are_named_without_their_values() -> None:
    error = refused("mysql --allow-concurrent --foo -b=secret --password hidden --foo")
    assert error.message == "invalid flags for mysql strategy: --foo --b --password"
    assert error.where["flag"] == "--foo --b --password"
    assert "--cut-over-threshold" in error.hint


def test_stray_words_are_named() -> None:
    assert refused("mysql fast --allow-concurrent yes").message == "invalid flags for mysql strategy: fast yes"
    assert refused("mysql -- -").message == "invalid flags for mysql strategy: -- -"


def test_reserved_flags_are_named() -> None:
    error = refused("mysql --table=x -execute --foo")
    assert "--execute --table" in error.message
    assert error.where["flag"] == "--execute --table"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mysql --cut-over-threshold", "--cut-over-threshold lacks its value"),
        ("mysql --cut-over-threshold 5s", "--cut-over-threshold lacks its value"),
        ("mysql --allow-concurrent=true", "--allow-concurrent takes no value"),
        (
            "mysql --cut-over-threshold=4999ms",
            "--cut-over-threshold=4999ms is out of range: at least 5s and at most 30s",
        ),
        ("mysql --cut-over-threshold=30.1s", "--cut-over-threshold=30.1s is out of range: at least 5s and at most 30s"),
        ("mysql --cut-over-threshold=10", "'10' is no duration for --cut-over-threshold"),
        ("mysql --retain-artifacts=soon", "'soon' is no duration for --retain-artifacts"),
    ],
)
def test_what_is_written_wrongly(text: str, message: str) -> None:
    error = refused(text)
    assert error.message == message
    assert error.where["flag"] in ("cut-over-threshold", "allow-concurrent", "retain-artifacts")


@pytest.mark.parametrize("value", ["5s", "30s", "0.5m"])
def test_limits_are_included(value: str) -> None:
    assert options(f"mysql --cut-over-threshold={value}").seconds("cut-over-threshold") >= 5


def test_a_tool_gets_what_is_not_declared_in_order() -> None:
    found = options("gh-ost --max-load=Threads_running=50 --label=x -v --set-vars 'a b'", TOOL)
    assert found.passed == ("--max-load=Threads_running=50", "-v", "--set-vars", "a b")
    assert found.text("label") == "x"
    assert "--panic-flag-file" in refused("gh-ost --panic-flag-file=/x --foo", TOOL).message


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 0),
        ("0", 0),
        ("+0", 0),
        ("-0", 0),
        ("0s", 0),
        ("10s", 10),
        ("500ms", 0.5),
        ("1h30m", 5400),
        ("1h30m5.5s", 5405.5),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("1.s", 1),
        ("2us", 2e-6),
        ("2µs", 2e-6),
        ("2μs", 2e-6),
        ("3ns", 3e-9),
        ("-1h", -3600),
        ("+5s", 5),
        ("1m1m", 120),
        ("2000000h", 7.2e9),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(
    "text",
    [
        "10",
        "s",
        ".s",
        "-",
        "+",
        "1h 30m",
        " 1s",
        "1S",
        "1d",
        "1s1",
        "--1s",
        "1e3s",
        "1,5s",
        "٣s",
        "3000000h",
        "9" * 400 + "s",
    ],
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidStrategy) as caught:
        parse_duration(text, flag="wait")
    assert caught.value.where["flag"] == "wait"
    assert len(caught.value.message) < 120


@given(st.integers(0, 2_000_000), st.integers(0, 59), st.integers(0, 59_999))
def test_durations_as_go_writes_them(hours: int, minutes: int, milliseconds: int) -> None:
    text = f"{hours}h{minutes}m{milliseconds / 1000}s"
    assert parse_duration(text) == pytest.approx(hours * 3600 + minutes * 60 + milliseconds / 1000)


@given(st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_no_text_makes_it_fail_otherwise(text: str) -> None:
    for declaration in (MANAGED, TOOL):
        try:
            options(f"mysql {text}", declaration)
            parse_ddl_strategy(text)
            parse_duration(text)
        except InvalidStrategy as error:
            assert error.message  # noqa: PT017


@pytest.mark.parametrize("declaration", [MANAGED, TOOL])
@pytest.mark.parametrize("text", ["--declarative", "-declarative", "--declarative=true"])
def test_what_is_not_there_yet_is_said_to_be(text: str, declaration: Declaration) -> None:
    assert "--declarative is not there yet" in refused(f"x {text}", declaration).message


@pytest.mark.parametrize("flag", QUEUE_FLAGS)
def test_each_flag_of_the_queue_is_a_switch_with_one_dash_or_two(flag: FlagDeclaration) -> None:
    for strategy in (Vitess(), Mysql()):
        declared = strategy.declare()
        for dashes in ("-", "--"):
            assert options(f"x {dashes}{flag.name}", declared).on(flag.name)
        assert not options("x", declared).on(flag.name)
        assert "takes no value" in refused(f"x --{flag.name}=true", declared).message
        assert f"--{flag.name}" in refused(f"direct --{flag.name}", Direct().declare()).message


@pytest.mark.parametrize("strategy", [Vitess(), Mysql(), Direct()])
def test_vitess_own_test_mode_is_unknown(strategy: Strategy) -> None:
    assert "invalid flags" in refused("x --vreplication-test-suite", strategy.declare()).message


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 10), ("=0", 10), ("=5s", 5), ("=30s", 30), ("=4999ms", None), ("=31s", None), ("=x", None)],
)
def test_the_cut_over_threshold_in_full(text: str, seconds: float | None) -> None:
    written = f"vitess --cut-over-threshold{text}" if text else "vitess"
    declared = Vitess().declare()
    if seconds is None:
        refused(written, declared)
    else:
        assert options(written, declared).seconds("cut-over-threshold") == seconds
