"""Whatever users type: the same statement is read the same way, and nothing makes the reader fail."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from alterd_contracts.errors import InvalidName, SyntaxRefused
from alterd_intake.statements import read_script
from alterd_intake.statements.comments import strip_comments
from alterd_runtime.sql import split_alter
from alterd_runtime.sql.words import is_quoted, tokenize

STATEMENTS: list[tuple[list[str], str, str]] = [
    # words, kind, table; names in angle brackets may be quoted
    (["CREATE", "TABLE", "IF", "NOT", "EXISTS", "<t>", "(", "<a>", "INT", ")"], "create_table", "t"),
    (
        ["CREATE", "TABLE", "<app>", ".", "<t>", "(", "a", "INT", "REFERENCES", "<u>", "(", "b", ")", ")"],
        "create_table",
        "t",
    ),
    (
        ["ALTER", "TABLE", "<t>", "ADD", "PRIMARY", "KEY", "(", "<a>", ")", ",", "ORDER", "BY", "<b>"],
        "alter_table",
        "t",
    ),
    (["ALTER", "TABLE", "<app>", ".", "<t>", "CONVERT", "TO", "CHARACTER", "SET", "utf8mb4"], "alter_table", "t"),
    (["DROP", "TABLE", "IF", "EXISTS", "<t>", "CASCADE"], "drop_table", "t"),
    (["CREATE", "UNIQUE", "INDEX", "<i>", "ON", "<t>", "(", "<a>", ")", "LOCK", "=", "NONE"], "alter_table", "t"),
    (["DROP", "INDEX", "<i>", "ON", "<app>", ".", "<t>"], "alter_table", "t"),
    (["CREATE", "OR", "REPLACE", "SQL", "SECURITY", "INVOKER", "VIEW", "<v>", "AS", "SELECT", "1"], "create_view", "v"),
    (["ALTER", "VIEW", "<v>", "AS", "SELECT", "';'", "FROM", "<t>"], "alter_view", "v"),
    (["DROP", "VIEW", "<app>", ".", "<v>"], "drop_view", "v"),
    (["CREATE", "TEMPORARY", "TABLE", "<t>", "(", "a", "INT", ")"], "", ""),
    (["RENAME", "TABLE", "<t>", "TO", "<u>"], "", ""),
    (["CREATE", "TABLE", "<t>", "AS", "SELECT", "1"], "", ""),
    (["ALTER", "TABLE", "<t>", "RENAME", "TO", "<u>"], "", ""),
]

GAPS = [
    " ",
    "\n",
    "\r\n",
    "\t",
    " -- it's; \"\n",
    "# `x;\n",
    "/* ' ; */",
    "/**/",
    " /*!99999 DROP ; */ ",
    "/*M! x */",
    "  ",
]


@given(st.sampled_from(STATEMENTS), st.data())
@settings(max_examples=400, deadline=None)
def test_blanks_comments_quotes_and_case_change_nothing(
    statement: tuple[list[str], str, str], data: st.DataObject
) -> None:
    words, kind, table = statement
    script, wrapped = data.draw(st.sampled_from(["", "\ufeff", " ;", "-- x;\n"])), False
    for word in words:
        if word.startswith("<"):
            name = word.strip("<>")
            word = f"`{name}`" if data.draw(st.booleans()) else name  # noqa: PLW2901
        elif data.draw(st.booleans()):
            word = word.lower()  # noqa: PLW2901
        if not wrapped and data.draw(st.integers(0, 5)) == 0:
            script, wrapped = script + data.draw(st.sampled_from(["/*!", "/*!50000", "/*!080019 "])), True
            script += " "
        script += word + data.draw(st.sampled_from(GAPS))
        if wrapped and data.draw(st.booleans()):
            script, wrapped = script + "*/", False
    script += "*/" if wrapped else ""
    found = read_script(script, schemas=frozenset({"app"}))
    if kind:
        assert found.refusals == ()
        (read,) = found.statements
        assert (read.kind.value, read.table) == (kind, table)
        again = read_script(read.sql)
        assert [(item.kind, item.table, item.sql) for item in again.statements] == [(read.kind, table, read.sql)]
    else:
        assert found.statements == ()
        assert [error.code for error in found.refusals] == ["unsupported_statement"]


SNIPPETS = [
    *(
        "ALTER",
        "TABLE",
        "t",
        "CREATE",
        "DROP",
        "INDEX",
        "VIEW",
        "ON",
        "app",
        ".",
        "AS",
        "SELECT",
        "FROM",
        "DEFINER",
        "=",
    ),
    *(
        "@",
        "RENAME",
        "PARTITION",
        "BY",
        "ORDER",
        "ADD",
        "(",
        ")",
        ",",
        ";",
        "'x'",
        '"y"',
        "`z`",
        "'",
        "`",
        '"',
        "\\",
        "--",
    ),
    *(
        "/*",
        "*/",
        "/*!",
        "/*!80000",
        "/*+",
        "#",
        "\n",
        "0x",
        "0b1",
        "1e",
        "x'zz'",
        "b'2'",
        "N'",
        "{{",
        "{%",
        "{#",
        "$$",
        "é",
    ),
    *("🙂", "\x00", "\u00a0", "\ufeff", "IF", "EXISTS", "LIKE", "REFERENCES", "CALL", "DELIMITER", "WITH", "ı", "%}"),
]


@given(st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=3), max_size=25), st.sampled_from(["", " "]))
@settings(max_examples=1000, deadline=None)
def test_nothing_makes_the_reader_fail(snippets: list[str], glue: str) -> None:
    script = glue.join(snippets)
    found = read_script(script, schemas=frozenset({"app"}))
    assert found.statements or found.refusals
    for statement in found.statements:
        assert statement.sql
        assert statement.table
    with suppress(SyntaxRefused, InvalidName):
        split_alter(script)


def quoted(text: str) -> list[tuple[int, int]]:
    """Where quotes begin and end in a text whose only comments are hints: character by character."""
    found, at = [], 0
    while at < len(text):
        if text.startswith("/*", at):
            at = text.index("*/", at + 2) + 2
            continue
        mark, start = text[at], at
        at += 1
        if mark not in "'\"`":
            continue
        while text[at] != mark or text[at + 1 : at + 2] == mark:
            at += 2 if text[at] == mark or (text[at] == "\\" and mark != "`") else 1
        found.append((start, at))
        at += 1
    return found


@given(st.lists(st.sampled_from(SNIPPETS), max_size=25), st.sampled_from(["", " "]))
@settings(max_examples=1000, deadline=None)
def test_quotes_are_where_both_readers_see_them(snippets: list[str], glue: str) -> None:
    """Comments are taken out by one reader, words are found by another: where they differ, text would be split."""
    plain = strip_comments(glue.join(snippets))
    assume(plain.unclosed is None and "--\u00a0" not in plain.text)
    tokens = [token for token in tokenize(plain.text) if is_quoted(token)]
    starts = [token.start + (plain.text[token.start] in "nN") for token in tokens]
    assert list(zip(starts, [token.end for token in tokens], strict=True)) == quoted(plain.text)


@given(
    st.text(alphabet="ab`.é🙂 $'\";-#/*\\", min_size=1, max_size=12),
    st.sampled_from(["DROP TABLE {}", "ALTER TABLE {} FORCE", "CREATE VIEW app.{} AS SELECT 1"]),
)
@settings(max_examples=300, deadline=None)
def test_any_quoted_name_comes_through(name: str, form: str) -> None:
    quoted = "`" + name.replace("`", "``") + "`"
    found = read_script(form.format(quoted), schemas=frozenset({"app"}))
    assert [item.table for item in found.statements] == [name]
    assert quoted in found.statements[0].sql


@given(st.text(max_size=20), st.sampled_from("'\""))
@settings(max_examples=300, deadline=None)
def test_any_string_comes_through(text: str, quote: str) -> None:
    string = quote + text.replace("\\", "\\\\").replace(quote, quote * 2) + quote
    (statement,) = read_script(f"ALTER TABLE t COMMENT {string} ; DROP TABLE u").statements[:1]
    assert statement.sql == f"ALTER TABLE t COMMENT {string}"
