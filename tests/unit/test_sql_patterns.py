"""LIKE and REGEXP: what they match, and that neither takes for ever."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alterd_cli.sql import table
from alterd_cli.sql.patterns import BadPattern, Like, Searcher, TookTooLong
from alterd_contracts.errors import InvalidInput
from tests.unit.test_sql_table import TABLE, ask, record

ENDLESS = "a" * 64 + "!"


@pytest.mark.parametrize("condition", ["message regexp '^(a+)+$'", "regexp_like(message, '(a|aa)*$') and id = 0"])
def test_a_pattern_without_end_is_bound_by_the_time_of_a_select(
    condition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "LONGEST", 0.3)
    begun = time.monotonic()
    with pytest.raises(InvalidInput, match="took longer than 0"):
        ask(f"select id from {TABLE} where {condition}", [record(message=ENDLESS)])
    assert time.monotonic() - begun < 10
    monkeypatch.undo()
    assert ask(f"select id from {TABLE} where message regexp '^(x|a+)!$'", [record(message="aa!")]).rows == ((1,),)


@pytest.fixture(scope="module")
def searcher() -> Iterator[Searcher]:
    searcher = Searcher()
    try:
        yield searcher
    finally:
        searcher.close()


def test_after_one_that_took_too_long_the_next_is_searched_for(searcher: Searcher) -> None:
    with pytest.raises(TookTooLong):
        searcher.search("^(a+)+$", ENDLESS, until=time.monotonic() + 0.1)
    assert searcher.search("^(a+)+$", "aaa", until=time.monotonic() + 10)
    with pytest.raises(BadPattern, match="malformed"):
        searcher.search("(a+", "aaa", until=time.monotonic() + 10)


@given(st.text(alphabet='aB\n"\\é漢.', max_size=8))
@pytest.mark.parametrize("pattern", ["b", "^a", "(A|b)+$", "[^a]{2}", "a.*b.*", "(é|漢)+", '"+\\\\?'])
def test_a_pattern_matches_as_in_this_process(searcher: Searcher, pattern: str, text: str) -> None:
    found = re.search(pattern, text, re.IGNORECASE) is not None
    assert searcher.search(pattern, text, until=time.monotonic() + 10) is found


def test_a_like_of_many_parts_takes_no_time_to_speak_of() -> None:
    begun = time.monotonic()
    assert ask(f"select id from {TABLE} where message like '{'%a' * 12}%b'", [record(message="a" * 300)]).rows == ()
    assert time.monotonic() - begun < 5


LETTERS = st.text(alphabet="aAb%_\\.\n", max_size=8)


@given(LETTERS, LETTERS)
def test_like_is_what_its_signs_say(pattern: str, text: str) -> None:
    """As one expression says, which may take its time."""
    parts, letters = [], iter(pattern)
    for letter in letters:
        if letter == "\\":
            parts.append(re.escape(next(letters, "\\")))
        else:
            parts.append({"%": ".*", "_": "."}.get(letter) or re.escape(letter))
    found = re.fullmatch("".join(parts), text, re.DOTALL | re.IGNORECASE) is not None
    assert Like.of(pattern, "\\").matches(text) is found
