"""A text cut into statements, and what its strings say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alterd_cli.sql.script import ended, split, string
from alterd_contracts.errors import SyntaxRefused
from alterd_runtime.sql.words import Words

PARTS = st.sampled_from(
    [
        *("select 1", "alter table `a;b` add c int", "set @@ddl_strategy='vitess;x'", "-- a; comment\nshow x"),
        *("/* ; */ use a", 'x "\\";" y', "'it''s;'", "# all; of it\ndrop table é"),
    ]
)
ENDS = st.sampled_from([";", "\\G\n", "\\g ", " ; "])


@given(st.lists(st.tuples(PARTS, ENDS), max_size=6))
def test_pieces_keep_their_text_and_order(parts: list[tuple[str, str]]) -> None:
    text = "".join(part + end for part, end in parts)
    pieces = split(text)
    assert [piece.text for piece in pieces] == [part for part, _ in parts]
    assert [piece.number for piece in pieces] == list(range(1, len(parts) + 1))
    assert [piece.vertical for piece in pieces] == [end == "\\G\n" for _, end in parts]
    assert ended(text) == bool(parts)


@given(st.text(max_size=60))
def test_any_text_is_cut_or_refused(text: str) -> None:
    try:
        pieces = split(text)
    except SyntaxRefused:
        assert not ended(text)
        return
    for piece in pieces:
        assert piece.text in text
        assert piece.label.startswith(f"{piece.number}: ")


def test_what_is_empty_is_left_out_and_an_executable_comment_is_not() -> None:
    assert [piece.text for piece in split(" ;; -- nothing\n; /* nor this */; /*!40000 drop table t */ ;")] == [
        "/*!40000 drop table t */"
    ]


@pytest.mark.parametrize("text", ["select 1", "select 'a;", "/* ;", "select `;", "\\", "a \\ g", ""])
def test_a_statement_without_its_end_goes_on(text: str) -> None:
    assert not ended(text)


def test_messages_show_no_strings() -> None:
    [piece] = split("alter table t comment 'a secret', add c varchar(10) default \"another\"")
    assert "secret" not in piece.label
    assert "another" not in piece.label


@given(st.text(alphabet="ab'\"\\%_\n\0é😀", max_size=20), st.sampled_from("'\""))
def test_strings_are_read_as_they_were_meant(value: str, quote: str) -> None:
    written = quote + value.replace("\\", "\\\\").replace(quote, quote * 2) + quote
    assert string(Words.of(written), 0) == value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("'a\\nb'", "a\nb"),
        ("'a\\%\\_'", "a\\%\\_"),
        ("'it\\'s'", "it's"),
        ("N'x'", "x"),
        ("'\\q'", "q"),
        ("'\\0'", "\0"),
    ],
)
def test_escapes_are_mysqls(written: str, value: str) -> None:
    assert string(Words.of(written), 0) == value
