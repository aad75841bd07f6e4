"""What pt-online-schema-change is told, what it says, and what is refused before it runs. No server."""

from __future__ import annotations

from pathlib import Path

import pytest

from alterd_contracts.errors import InvalidName, InvalidStrategy
from alterd_contracts.requests import Answered, Command
from alterd_contracts.statement import StatementKind
from alterd_contracts.states import Status
from alterd_contracts.strategy import Account
from alterd_intake.resolve import choices_of
from alterd_ptosc.command import alter_text, argv, check_names, defaults_file, dsn
from alterd_ptosc.errors import PtOscAlter, PtOscConnection, PtOscRefused, PtOscSwap, PtOscTriggers
from alterd_ptosc.exits import EXITS, failed
from alterd_ptosc.obstacles import clause_obstacles, expected_renames, shape_obstacles
from alterd_ptosc.output import Listener, last_words
from alterd_ptosc.passing import arguments, complaint, with_variables
from alterd_ptosc.program import find, judge
from alterd_ptosc.ptosc import PtOsc
from alterd_ptosc.server import Server, grants
from alterd_runtime.ddl_strategy import check_options, parse_ddl_strategy
from alterd_runtime.mysql.tables import Column, Index, Table
from alterd_runtime.provision.pt_osc import PT_OSC
from alterd_runtime.sql import split_alter
from alterd_scheduler.controls import decide_control
from alterd_scheduler.decisions import Known
from alterd_tools.errors import ToolFailed, ToolMissing, ToolVersion
from alterd_tools.programs import Program
from tests.unit.test_scheduler_commands import control
from tests.unit.test_scheduler_rules import at, row


def passed(text: str) -> tuple[str, ...]:
    return arguments(check_options(parse_ddl_strategy(f"pt-osc {text}"), PtOsc().declare(), StatementKind.ALTER_TABLE))


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("--chunk-size=200", ("--chunk-size=200",)),
        ("--chunk-size 200 --null-to-not-null", ("--chunk-size=200", "--null-to-not-null")),
        (
            "--max-load 'Threads_running=200,Threads_connected=5'",
            ("--max-load=Threads_running=200,Threads_connected=5",),
        ),
        ("--sleep='1 --execute'", ("--sleep=1 --execute",)),
        (
            "--set-vars=\"wait_timeout=5,tx_isolation='READ-COMMITTED'\"",
            ("--set-vars=wait_timeout=5,tx_isolation='READ-COMMITTED'",),
        ),
        ("--data-dir='/d; touch /tmp/x $(id) `id`'", ("--data-dir=/d; touch /tmp/x $(id) `id`",)),
        ("--postpone-launch --chunk-time=1", ("--chunk-time=1",)),
        ("--of-the-future=1", ("--of-the-future=1",)),
        ("--alter-foreign-keys-method auto", ("--alter-foreign-keys-method=auto",)),
    ],
)
def test_flags_are_passed_as_typed_each_one_argument(text: str, made: tuple[str, ...]) -> None:
    assert passed(text) == made


@pytest.mark.parametrize(
    "text",
    [
        *(
            "--execute",
            "--alter='DROP COLUMN a'",
            "--plugin=/tmp/evil.pm",
            "--pid=x",
            "--new-table-name=x",
            "--config=x",
        ),
        *("--no-drop-new-table", "--nodrop-old-table", "--drop-triggers", "--no-swap-tables", "--where=1=0", "--quiet"),
        *("--no-check-unique-key-change", "--nocheck-unique-key-change", "--preserve-triggers", "--resume=1"),
        *("-h other", "-p secret", "--h=other", "--user=root", "--password=x", "--ask-pass", "--recursion-method=dsn"),
        *("--exec", "--alt=x", "--plug=x", "--no-drop-n", "--wher=0", "--chunk-siz=5", "--no-check-u"),
        *(
            "h=elsewhere,D=x,t=y",
            "--null-to-not-null h=elsewhere",
            "+execute",
            "--chunk-size=1 t=other",
            "--chunk-size",
        ),
        *("--null-to-not-null=1", "--alter-foreign-keys-method=drop_swap", "--alter-foreign-keys-method none"),
        *("--set-vars=sql_mode=''", "--set-vars 'SQL_LOG_BIN=0'", "--set-vars a=1,Explain_Format=TREE"),
        # SQL in the place of a value
        *("--set-vars 'a=1\\,GLOBAL.read_only=1'", "--set-vars a=@@global.b", '--set-vars "a=(SELECT(1))"'),
        *("--set-vars 'a=1 b=2'", '--set-vars "x\'y=1"', "--set-vars a", "--set-vars a=1,,b=2"),
        *("--data-dir=\"/d' ENGINE='MEMORY\"", "--data-dir='/d\\'"),
    ],
)
def test_what_is_alterds_or_harmful_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidStrategy) as refused:
        passed(text)
    assert "secret" not in refused.value.message


def test_variables_of_ours_stand_before_the_users_and_yield_to_them() -> None:
    ours = {"lock_wait_timeout": "10", "explain_format": "TRADITIONAL"}
    assert with_variables(("--print",), ours) == (
        "--set-vars=lock_wait_timeout=10,explain_format=TRADITIONAL",
        "--print",
    )
    assert with_variables(("--set-vars=innodb_lock_wait_timeout=3",), ours) == (
        "--set-vars=lock_wait_timeout=10,explain_format=TRADITIONAL,innodb_lock_wait_timeout=3",
    )
    assert with_variables(("--set-vars=lock_wait_timeout=3",), ours) == (
        "--set-vars=explain_format=TRADITIONAL,lock_wait_timeout=3",
    )


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Unknown option: analyze-table\npt-online-schema-change alters a table's", "Unknown option: analyze-table"),
        ('Value "x" invalid for option sleep (real number expected)', 'Value "x" invalid for option sleep'),
        ("Option tries requires an argument\nUsage", "Option tries requires an argument"),
        ("Invalid --tries operation: foo\n", "Invalid --tries operation: foo"),
        ("pt-online-schema-change alters a table's structure without blocking\n  --alter=s   The change", ""),
    ],
)
def test_what_the_tool_has_against_a_flag_is_found_in_its_help(said: str, told: str) -> None:
    assert complaint(said).startswith(told)
    assert bool(complaint(said)) == bool(told)


def test_the_command_holds_no_secret_and_ends_with_the_users_flags(tmp_path: Path) -> None:
    place = dsn(tmp_path, host="::1", port=3306, schema="shop", table="a,b")
    assert place == f"F={tmp_path}/pt-osc.cnf,h=::1,P=3306,D=shop,t=a\\,b,A=utf8mb4"
    command = argv(
        "/bin/tool", tmp_path, place, alter="ADD c INT", new_table="n", passed=("--print",), renames=True, execute=True
    )
    assert command[:2] == ["/bin/tool", f"--config={tmp_path}/pt-osc.conf"]
    assert command[-2:] == [place, "--print"]
    assert {"--no-drop-new-table", "--no-drop-old-table", "--execute", "--no-check-alter", "--alter=ADD c INT"} <= set(
        command
    )
    dry = argv("/bin/tool", tmp_path, place, alter="", new_table="n", passed=(), renames=False, execute=False)
    assert "--dry-run" in dry
    assert not {"--execute", "--no-check-alter", "--no-drop-new-table"} & set(dry)


def test_the_account_stands_in_a_file_that_both_clients_read() -> None:
    text = defaults_file(Account(user="u", password='a"b\\c'), encrypted=True)
    assert 'password="a\\"b\\\\c"' in text.splitlines()
    assert {"ssl-enforce=1", "ssl-mode=REQUIRED"} <= set(text.splitlines())
    assert "get-server-public-key=1" in defaults_file(Account(user="u", password="p"), encrypted=False)


@pytest.mark.parametrize("name", ["a'b", 'a"b', "a;b", "a`b", "a\\b", "100%", "a\nb"])
def test_a_name_that_the_tool_would_misread_is_refused(name: str) -> None:
    check_names("shop", "таблица", "a b-c.d")
    with pytest.raises(InvalidName):
        check_names("shop", name)


def test_the_alter_is_what_follows_the_name() -> None:
    assert alter_text("ALTER TABLE `a b` ADD c INT COMMENT 'ALTER TABLE x',\n DROP d") == (
        "ADD c INT COMMENT 'ALTER TABLE x',\n DROP d"
    )


@pytest.mark.parametrize(
    ("code", "error"),
    [
        *((1, PtOscRefused), (4, PtOscRefused), (10, PtOscAlter), (12, PtOscTriggers), (14, PtOscSwap)),
        *((18, PtOscConnection), (19, PtOscConnection), (255, ToolFailed), (-9, ToolFailed)),
    ],
)
def test_an_exit_code_has_its_error(code: int, error: type[ToolFailed]) -> None:
    told = failed(code, "it said this", during="its dry run")
    assert type(told) is error
    assert "it said this" in told.message


def test_every_documented_exit_code_is_known() -> None:
    assert set(EXITS) == {*range(1, 8), *range(9, 21)}


def test_a_refused_alter_is_told_by_its_words_too() -> None:
    assert type(failed(255, "Error altering new table `x`: no", during="its dry run")) is PtOscAlter


class Quiet:
    def info(self, text: str) -> None: ...
    def warning(self, text: str) -> None: ...
    def error(self, text: str) -> None: ...


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("Copying `shop`.`item`:  42% 01:23 remain", 83),
        ("Copying `shop`.`item`:   1% 01:02:03 remain", 3723),
        ("Copying `shop`.`item`:   0% 2+01:00:00 remain", 176_400),
    ],
)
def test_the_time_that_remains_is_read(line: str, seconds: int) -> None:
    listener = Listener(Quiet())
    assert listener.eta_seconds == -1
    listener.hear(line)
    assert listener.eta_seconds == seconds


def test_a_changed_value_is_heard() -> None:
    listener = Listener(Quiet())
    listener.hear("Copying rows caused a MySQL error 1265: Data truncated for column 'b' at row 3")
    assert listener.changed == "MySQL error 1265: Data truncated for column 'b' at row 3"


def test_the_last_words_are_the_error_and_not_what_follows_it() -> None:
    lines = (
        "Altering `d`.`t`...",
        "Creating new table...",
        "2026-11-21T10:00:00 Error copying rows from `d`.`t` to `d`.`n`: DBD::mysql::st execute failed: Duplicate",
        "2026-11-21T10:00:00 Dropping triggers...",
        "2026-11-21T10:00:00 Dropped triggers OK.",
        "`d`.`t` was not altered.",
    )
    assert last_words(lines) == "Error copying rows from `d`.`t` to `d`.`n`: DBD::mysql::st execute failed: Duplicate"


@pytest.mark.parametrize("version", [(3, 2, 1), (3, 5, 7), (3, 7, 1), (3, 7, 9)])
def test_these_versions_will_do(version: tuple[int, ...]) -> None:
    program = Program(path=Path("/bin/x"), version=version)
    assert judge(program) is program


@pytest.mark.parametrize("version", [(3, 2), (2, 2, 20), (3, 8, 0), (4, 0, 0)])
def test_these_will_not(version: tuple[int, ...]) -> None:
    with pytest.raises(ToolVersion, match="alterd knows"):
        judge(Program(path=Path("/bin/x"), version=version))


async def test_the_one_that_alterd_unpacked_is_found_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/sbin")
    monkeypatch.setenv("ALTERD_CACHE_DIR", str(tmp_path))
    with pytest.raises(ToolMissing, match="not on the executor's PATH") as missing:
        await find("")
    assert "percona-toolkit" in missing.value.hint
    unpacked = tmp_path / PT_OSC.folder / PT_OSC.name
    unpacked.parent.mkdir()
    unpacked.write_text("#!/bin/sh\necho pt-online-schema-change 3.7.1\n")
    unpacked.chmod(0o755)
    assert await find("") == Program(path=unpacked, version=(3, 7, 1))


def test_who_asks_for_the_declaration_hears_how_to_get_it() -> None:
    [tool] = PtOsc().declare().tools
    assert tool.name == PT_OSC.name
    assert "alterd_runtime.provision.pt_osc" in tool.mend
    assert "ALTERD_PTOSC__PATH" in tool.mend


@pytest.mark.parametrize("kind", StatementKind)
def test_what_is_promised_of_each_kind(kind: StatementKind) -> None:
    """The tool's swap can be neither held back at will, nor forced; CREATE and DROP wait in the queue."""
    declared = PtOsc().declare().kind(kind)
    assert declared is not None
    alter = kind is StatementKind.ALTER_TABLE
    assert (declared.postpone_completion, declared.concurrent, declared.immediate) == (not alter,) * 3
    assert declared.in_order_completion
    assert not declared.cuts_over


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (Command.POSTPONE_COMPLETE, "cannot be held back: the strategy pt-osc has no separate completion for it"),
        (Command.FORCE_CUTOVER, "has no cut-over"),
        (Command.CUTOVER_THRESHOLD, "has no cut-over"),
    ],
)
def test_commands_that_an_alter_cannot_follow_say_so(command: Command, words: str) -> None:
    declared = PtOsc().declare()
    chosen = choices_of(
        check_options(parse_ddl_strategy("pt-osc"), declared), declared.kind(StatementKind.ALTER_TABLE), resumable=False
    )
    running = row(Status.RUNNING, strategy="pt-osc", postponable=chosen.postponable, cuts_over=chosen.cuts_over)
    outcome = decide_control(control(command, cutover_threshold_seconds=20), Known([running]), at()).outcome
    assert isinstance(outcome, Answered)
    [effect] = outcome.effects
    assert (effect.affected, words in effect.message) == (0, True), effect


def test_the_account_gets_the_three_tables_and_super_only_where_triggers_need_it() -> None:
    server = Server(
        needs_super=False, encrypted=True, lock_wait_timeout=10, explain_format="TREE", sql_mode="A,NO_ZERO_DATE"
    )
    found = grants(server, "my_shop", ("t", "n", "o"), ("my_shop", "stock"))
    assert [grant.rpartition(" ON ")[2] for grant in found] == [
        "`my_shop`.`t`",
        "`my_shop`.`n`",
        "`my_shop`.`o`",
        "`my\\_shop`.*",
        "`stock`.*",
    ]
    assert server.variables(zero_dates=False)["explain_format"] == "TRADITIONAL"
    assert server.variables(zero_dates=True)["sql_mode"] == "'A'"


def test_renames_are_those_that_change_a_name() -> None:
    sql = "ALTER TABLE t CHANGE a A INT, CHANGE b c INT, RENAME COLUMN D TO e, MODIFY f INT"
    assert expected_renames(sql) == {"b": "c", "d": "e"}


def column(name: str, data_type: str = "int", **fields: object) -> Column:
    values: dict[str, object] = {
        **dict.fromkeys(("column_type", "declared"), data_type),
        **dict.fromkeys(("nullable", "has_default", "auto_increment"), False),
        **dict.fromkeys(("expression", "charset", "collation"), ""),
        **dict.fromkeys(("length", "precision", "scale", "fsp"), 0),
    }
    return Column(name=name, data_type=data_type, **{**values, **fields})  # type: ignore[arg-type]


def index(name: str, *columns: str, parts: tuple[int, ...] = (), nullable: bool = False) -> Index:
    return Index(
        name=name,
        unique=True,
        columns=columns,
        parts=parts or (0,) * len(columns),
        nullable=nullable,
        visible=True,
        type="BTREE",
    )


def table(columns: tuple[Column, ...], *indexes: Index) -> Table:
    return Table(name="t", engine="innodb", partitioned=False, estimate=0, columns=columns, indexes=indexes)


ID, A = column("id"), column("a")
PRIMARY = index("PRIMARY", "id")


@pytest.mark.parametrize(
    ("new", "sql", "words"),
    [
        (table((ID, A), PRIMARY, index("u", "a")), "ADD UNIQUE u (a)", "u is new"),
        (table((ID, A), index("u", "id", parts=(3,))), "DROP PRIMARY KEY", "u is new"),
        (table((ID, A)), "DROP PRIMARY KEY", "no PRIMARY KEY, and no UNIQUE index"),
        (table((ID, A, column("b")), PRIMARY), "ADD b INT NOT NULL", "b is NOT NULL and has no default"),
        (table((ID, column("a", "json", nullable=True)), PRIMARY), "MODIFY a JSON", "other values"),
    ],
)
def test_what_would_harm_rows_is_refused(new: Table, sql: str, words: str) -> None:
    clauses = split_alter(f"ALTER TABLE t {sql}").clauses
    found = [error.message for error in shape_obstacles(table((ID, A), PRIMARY), new, clauses, (3, 7, 1))]
    assert any(words in message for message in found), found


def test_a_wider_unique_index_is_no_harm_and_a_renamed_key_is() -> None:
    wider = table((ID, A), PRIMARY, index("both", "id", "a"))
    assert (
        shape_obstacles(
            table((ID, A), PRIMARY), wider, split_alter("ALTER TABLE t ADD UNIQUE (id, a)").clauses, (3, 7, 1)
        )
        == []
    )
    renamed = table((column("number"), A), index("PRIMARY", "number"))
    clauses = split_alter("ALTER TABLE t CHANGE id number INT NOT NULL").clauses
    [error] = shape_obstacles(table((ID, A), PRIMARY), renamed, clauses, (3, 7, 1))
    assert "id is in a unique key" in error.message


def test_a_column_may_become_not_null() -> None:
    """Rows without a value make the copy fail, unless --null-to-not-null says otherwise."""
    before = table((ID, column("a", nullable=True)), PRIMARY)
    clauses = split_alter("ALTER TABLE t MODIFY a INT NOT NULL").clauses
    assert shape_obstacles(before, table((ID, A), PRIMARY), clauses, (3, 7, 1)) == []


def test_generated_columns_need_a_newer_tool() -> None:
    made = table((ID, column("g", expression="id + 1")), PRIMARY)
    assert shape_obstacles(made, made, (), (3, 7, 1)) == []
    assert "generated column g" in shape_obstacles(made, made, (), (3, 2, 1))[0].message


def test_a_generated_column_that_becomes_an_ordinary_one_is_refused() -> None:
    """The tool does not copy it: all its values would be lost without a word."""
    made, plain = (table((ID, column("g", expression=text, nullable=True)), PRIMARY) for text in ("id + 1", ""))
    clauses = split_alter("ALTER TABLE t MODIFY g INT").clauses
    assert "does not copy its values" in shape_obstacles(made, plain, clauses, (3, 7, 1))[0].message
    assert shape_obstacles(plain, made, clauses, (3, 7, 1)) == []


def test_a_column_dropped_and_added_anew_is_refused() -> None:
    clauses = split_alter("ALTER TABLE t DROP a, ADD A INT").clauses
    assert "dropped and added anew" in clause_obstacles("t", clauses)[0].message
