"""What needs no server: flags, clauses, lines, names, versions, what the facts say."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
from alterd_contracts.errors import DuplicateRows, InvalidStrategy
from alterd_contracts.statement import StatementKind
from alterd_contracts.strategy import Account, Login

from alterd_spirit.clauses import metadata_only, refused, split, with_algorithm
from alterd_spirit.command import Call, conf, grants, identifier
from alterd_spirit.errors import SpiritFailed, SpiritMissing, SpiritVersion
from alterd_spirit.flags import RESERVED, passed_on
from alterd_spirit.memory import Memory, Verdict, judge
from alterd_spirit.obstacles import grantable, statement_obstacles
from alterd_spirit.output import Output, Rows, rows_of, seconds_of, state_of
from alterd_spirit.program import VARIABLE, flags_in, locate, read_version
from alterd_spirit.running import failed
from alterd_spirit.strategy import Spirit
from alterd_spirit.tables import Names, without_counter
from programs import stand_in

ACCOUNT = Account(user="alterd_0123456789ab_1", password="aA1!se-cret_")
LOGIN = Login(host="::1", port=3307, user="alterd", password="other", name="run")


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        self.lines.append(text)

    warning = error = info


def test_spirit_is_called_with_one_argument_for_each_flag_and_no_secret() -> None:
    call = Call(
        program=Path("/bin/spirit"),
        workdir=Path("/w"),
        login=LOGIN,
        schema="shop",
        statement="ALTER TABLE t ADD c varchar(9) DEFAULT '; --x'",
        passed=("--threads=8",),
    )
    assert call.argv() == (
        "/bin/spirit",
        "migrate",
        "--host=[::1]:3307",
        "--conf=/w/spirit.cnf",
        "--database=shop",
        "--statement=ALTER TABLE t ADD c varchar(9) DEFAULT '; --x'",
        "--defer-cutover",
        "--threads=8",
    )
    assert conf(ACCOUNT) == "[client]\nuser=alterd_0123456789ab_1\npassword=aA1!se-cret_\n"
    for wrong in ("a;b", "a#b", "a\nb", "`a", '"a'):
        with pytest.raises(ValueError, match="INI"):
            conf(Account(user="u", password=wrong))


def test_grants_are_for_one_schema_and_what_spirit_asks_of_the_server() -> None:
    assert identifier("a`b") == "`a``b`"
    texts = grants("my_%", literal=True)
    assert [text.rpartition(" ON ")[2] for text in texts] == ["*.*", "*.*", "`my_%`.*", "`performance_schema`.*"]
    texts = grants("my_%", literal=False)
    assert [text.rpartition(" ON ")[2] for text in texts[2:]] == [r"`my\_\%`.*", r"`performance\_schema`.*"]
    assert "ALL" not in " ".join(texts)
    assert "SUPER" not in " ".join(texts)
    shown = [
        "GRANT SELECT, RELOAD ON *.* TO `a`@`%` WITH GRANT OPTION",
        "GRANT CONNECTION_ADMIN ON *.* TO `a`@`%`",
        "GRANT PROCESS ON `x`.* TO `a`@`%` WITH GRANT OPTION",
    ]
    assert grantable(shown) == {"SELECT", "RELOAD"}


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ("", ()),
        ("--postpone-completion --retain-artifacts=1h", ()),
        ("--threads 8 --postpone-completion", ("--threads=8",)),
        ("--threads=8 --write-threads='2'", ("--threads=8", "--write-threads=2")),
        ("--tls-ca='/a b/--c.pem'", ("--tls-ca=/a b/--c.pem",)),
        ('--tls-ca="$(reboot);"', ("--tls-ca=$(reboot);",)),
        ("-threads=3", ("--threads=3",)),
        ("--enable-experimental-autoscaling --threads=3", ("--enable-experimental-autoscaling", "--threads=3")),
    ],
)
def test_other_flags_are_passed_on(options: str, arguments: tuple[str, ...]) -> None:
    assert passed_on(options) == arguments


@pytest.mark.parametrize(
    "options",
    [
        *(f"--{name}=x" for name in RESERVED),
        "-password x",
        "--pass'word'=x",
        "word",
        "--postpone-completion word",
        "--threads=8 9",
        "--threads='8",
    ],
)
def test_reserved_flags_and_loose_words_are_refused(options: str) -> None:
    with pytest.raises(InvalidStrategy):
        passed_on(options)


def test_clauses_are_told_apart() -> None:
    statement = "ALTER TABLE `a``b` DROP KEY `k,`, MODIFY c ENUM('a,b', \"(\") , COMMENT 'it''s, so'"
    assert split(statement) == ("DROP KEY `k,`", "MODIFY c ENUM('a,b', \"(\")", "COMMENT 'it''s, so'")
    assert with_algorithm("ALTER TABLE t ADD c int", "INSTANT", "`u`") == "ALTER TABLE `u` ALGORITHM=INSTANT, ADD c int"


@pytest.mark.parametrize(
    ("clauses", "at_once"),
    [
        ("RENAME INDEX a TO b", True),
        ("DROP KEY a, ALTER INDEX b INVISIBLE, COMMENT 'x'", True),
        ("MODIFY name varchar(90)", True),
        ("CHANGE COLUMN name name varchar(90)", True),
        ("ADD PARTITION (PARTITION p9 VALUES LESS THAN (9))", True),
        ("MODIFY name varchar(90) NOT NULL", False),
        ("MODIFY name varchar(90) AFTER id", False),
        ("MODIFY a bigint", False),
        ("DROP KEY a, ADD KEY b (c)", False),
        ("ENGINE=InnoDB", False),
        ("COMMENT 'x', FORCE", False),
    ],
)
def test_what_spirit_may_try_in_place(clauses: str, at_once: bool) -> None:
    assert metadata_only(f"ALTER TABLE t {clauses}") is at_once


@pytest.mark.parametrize(
    "clauses",
    ["RENAME TO u", "RENAME u", "RENAME AS `u`", "ADD c int, ALGORITHM=COPY", "LOCK = SHARED", "DISCARD TABLESPACE"],
)
def test_clauses_that_are_nothing_for_spirit(clauses: str) -> None:
    assert refused(f"ALTER TABLE t {clauses}")
    assert statement_obstacles("t", f"ALTER TABLE t {clauses}")


def test_names_are_spirit_s_and_long_ones_are_refused() -> None:
    assert Names(table="t").all == ("_t_new", "_t_old", "_t_chkpnt", "_spirit_sentinel")
    assert refused("ALTER TABLE t RENAME COLUMN a TO b, RENAME KEY c TO d, ADD lock_ int") == ()
    assert statement_obstacles("t" * 56, "ALTER TABLE t FORCE") == []
    for name in ("t" * 57, "ü" * 29, "a.b", "a`b"):
        assert statement_obstacles(name, "ALTER TABLE t FORCE")


def test_lines_are_read() -> None:
    header = "2026/08/14 11:47:10 INFO migration status: state=copyRows total-time=2m30s copier-time=2m30s"
    assert state_of(header) == "copyRows"
    assert rows_of(header) is None
    row = "  copier   46.13%  7550855/16370180  chunk-size=8097  eta=3m29s  throttled=false"
    assert rows_of(row) == Rows(copied=7550855, total=16370180, eta=209)
    assert rows_of("  binlog  deltas=0  rotations=56 (0 forced)") is None
    before = (
        "2025/11/01 10:00:00 INFO migration status: state=copyRows copy-progress=200/1000 20.00% binlog-deltas=0"
        " total-time=1m0s copier-time=59s copier-remaining-time=TBD copier-is-throttled=false conns-in-use=4"
    )
    assert rows_of(before) == Rows(copied=200, total=1000, eta=-1)
    assert [seconds_of(text) for text in ("1h2m3s", "500ms", "DUE", "TBD", "", "x3s")] == [3723, 0, 0, -1, -1, -1]


def test_the_last_fatal_line_is_what_it_ended_with() -> None:
    log = Log()
    output = Output(log)
    for line in ("2026/08/14 11:47:10 ERROR cutover failed, and retries exhausted", "  at x", ""):
        output.hear(line)
    assert output.words == "cutover failed, and retries exhausted"
    output.hear("spirit: error: cutover failed: lock wait timeout")
    output.hear("  more")
    assert output.words == "cutover failed: lock wait timeout"
    assert len(log.lines) == 5
    assert isinstance(failed(output.words, 1), SpiritFailed)
    assert "exit code 7" in failed("", 7).message
    unique = "checksum failed after several attempts. This is likely related to your statement adding a UNIQUE index on"
    assert isinstance(failed(f"{unique} non-unique data", 1), DuplicateRows)


HERE, ELSEWHERE = "uuid-a", "uuid-b"


@pytest.mark.parametrize(
    ("server", "let_go", "numbers", "definition", "more", "verdict"),
    [
        # the server of the last attempt: its numbers tell
        (HERE, True, {20}, "e", "", Verdict.SWAPPED),
        (HERE, True, {20}, "d", "", Verdict.SWAPPED),
        (HERE, True, {7, 8}, "d", "", Verdict.AS_IT_WAS),
        (HERE, True, {7, 8}, "d", "new at-once", Verdict.AS_IT_WAS),
        (HERE, False, {8, 9}, "e", "at-once", Verdict.AT_ONCE),  # a partition went, another came
        (HERE, False, {7, 8}, "e", "", Verdict.UNCLEAR),  # somebody else's change
        (HERE, False, {7, 8}, "e", "new at-once", Verdict.AS_IT_WAS),  # it could not do it in place
        (HERE, True, {30}, "e", "", Verdict.UNCLEAR),
        (HERE, True, set(), "d", "", Verdict.UNCLEAR),
        # another one: numbers mean nothing, whether they are new or those of any table on the first
        *(
            (ELSEWHERE, *facts)
            for numbers in ({30}, {20}, {7, 8}, set())
            for facts in (
                (False, numbers, "d", "new", Verdict.AS_IT_WAS),
                (False, numbers, "d", "", Verdict.AS_IT_WAS),
                (False, numbers, "e", "new", Verdict.AS_IT_WAS),  # spirit copied: that was somebody else's change
                (False, numbers, "e", "", Verdict.UNCLEAR),
                (False, numbers, "e", "at-once", Verdict.AT_ONCE),
                (False, numbers, "d", "at-once", Verdict.AS_IT_WAS),
                (True, numbers, "d", "new", Verdict.AS_IT_WAS),  # the RENAME has not come here
                (True, numbers, "e", "new", Verdict.AS_IT_WAS),
                (True, numbers, "e", "", Verdict.SWAPPED),
                (True, numbers, "d", "", Verdict.UNCLEAR),  # a rebuild looks the same before and after
            )
        ),
    ],
)
def test_the_facts_tell_what_happened(
    server: str, let_go: bool, numbers: set[int], definition: str, more: str, verdict: Verdict
) -> None:
    memory = Memory(
        program="x", server=HERE, before=frozenset({7, 8}), definition="d", new=frozenset({20}), let_go=let_go
    )
    said = judge(memory, server, frozenset(numbers), definition, new_is_there="new" in more, at_once="at-once" in more)
    assert said is verdict


def test_a_counter_is_no_part_of_a_definition() -> None:
    shown = (
        "CREATE TABLE `t` (\n  `a` int COMMENT ') AUTO_INCREMENT=5'\n) ENGINE=InnoDB AUTO_INCREMENT=9 DEFAULT CHARSET=x"
    )
    assert without_counter(shown) == shown.replace(" AUTO_INCREMENT=9", "")


def test_the_version_is_what_go_wrote_into_the_program(tmp_path: Path) -> None:
    program = tmp_path / "spirit"
    program.write_bytes(b"\x7fELF\0\npath\tx\nmod\tgithub.com/block/spirit\tv0.16.2\th1:abc=\n\0")
    assert read_version(program) == (0, 16, 2)
    program.write_bytes(b"\0\nmod\tbuild\t(devel)\ndep\tgithub.com/block/spirit\tv0.15.0\th1:abc=\n")
    assert read_version(program) == (0, 15, 0)
    for content in (b"", b"\nmod\tgithub.com/block/spirit\t(devel)\t\n", b"see github.com/block/spirit v0.16.2"):
        program.write_bytes(content)
        assert read_version(program) is None
    assert flags_in("Flags:\n  --conf=STRING  x\n  --[no-]lint\n  --defer-cutover a-b --x") == {
        *("conf", "lint", "defer-cutover", "x")
    }


async def test_a_program_is_found_and_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(stand_in(tmp_path)))
    first = await locate()
    assert (first.shown, "target-chunk-size" in first.flags) == ("0.16.0", True)
    [tool] = Spirit().declare().tools
    assert (tool.path, await Spirit().tool_version(tool)) == (str(first.path), "0.16.0")  # for `alterd doctor`
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none"))
    with pytest.raises(SpiritMissing, match="none"):
        await locate()
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("ALTERD_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(SpiritMissing, match="PATH"):
        await locate()
    for version in ("0.9.0", "0.16.1"):
        folder = tmp_path / "cache" / f"spirit-v{version}"
        folder.mkdir(parents=True)
        stand_in(folder, version)
    assert (await locate()).shown == "0.16.1"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (await locate()).digest == first.digest
    stand_in(tmp_path, "0.14.9")
    with pytest.raises(SpiritVersion, match=re.escape("0.14.9")):
        await locate()
    with pytest.raises(SpiritVersion, match=re.escape("0.14.9")):
        await Spirit().tool_version(tool)


def test_it_imports_the_contracts_and_nothing_else_of_alterd() -> None:
    found = set()
    for file in (Path(__file__).parents[1] / "alterd_spirit").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found |= {name.partition(".")[0] for name in names}
    assert found - sys.stdlib_module_names == {"alterd_contracts", "alterd_spirit", "msgspec"}


def test_it_declares_what_is_true() -> None:
    declared = Spirit().declare()
    kind = declared.kind(StatementKind.ALTER_TABLE)
    assert kind is not None
    assert (declared.resumable, declared.throttleable) == (True, False)
    assert (kind.postpone_completion, kind.concurrent, kind.cuts_over) == (True, False, False)
    assert kind.exclusive_phases == tuple(phase.name for phase in kind.phases)
    assert not set(declared.reserved_flags) & {flag.name for flag in declared.flags}
