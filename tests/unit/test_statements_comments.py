"""Comments go, executable ones are unwrapped, quotes are left alone; tried against what MySQL 9.7 does."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from alterd_intake.statements.comments import strip_comments


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("a -- x\nb", "a\nb"),
        ("a --\nb", "a\nb"),
        ("a --", "a"),
        ("a --x", "a --x"),
        ("a--\tx\nb", "a\nb"),
        ("a --\x01x\nb", "a\nb"),
        ("a # x\r\nb", "a\nb"),
        ("a#'\nb", "a\nb"),
        ("a/*x*/b", "a b"),
        ("a /* x */ b", "a b"),
        ("a /* x */, b", "a, b"),
        ("f(/* x */)", "f()"),
        ("a/**/b", "a b"),
        ("a/*/ b */c", "a c"),
        ("a /* /* */ b", "a b"),
        ("-/*x*/- a", "- - a"),
        ("2*/*x*/3", "2* 3"),
        ("5--/* x */ 1", "5--/**/ 1"),
        ("5-/* x */-/* x */ 1", "5- - 1"),
        ("/*! 5--*/ 1", " 5--/**/ 1"),
        ("'/* x */' \"-- y\" `# z`", "'/* x */' \"-- y\" `# z`"),
        ("'it''s -- x' /* ' */", "'it''s -- x'"),
        ("'it\\'s -- x' # '", "'it\\'s -- x'"),
        ("`a``-- b` -- c", "`a``-- b`"),
        ("`a\\` -- c", "`a\\`"),
        ("'\"' -- \"", "'\"'"),
        ("select /*+ BKA(t) */ 1 /* x */", "select /*+ BKA(t) */ 1"),
        ("/*M! 100 x */ a", " a"),
        ("\ufeffa -- x", "a"),
        # executable comments
        ("/*!50000 alter table t */", " alter table t"),
        ("/*! alter*/ table", " alter table"),
        ("create /*!32302 temporary */ table t", "create temporary table t"),
        ("a/*!80000b*/c", "a b c"),
        ("a /*!080000 b*/", "a b"),
        ("a /*!1 b*/", "a 1 b"),
        ("a /*!80000 b /* c */ d */ e", "a b d e"),
        ("a /*! b /*! c */ d */ e", "a b c d e"),
        ("a /*!80000 '*/' \"*/\" `*/` */ e", "a '*/' \"*/\" `*/` e"),
        ("a /*! b -- */\n c */ d", "a b\n c d"),
        ("2*/*!80000 3 */*/**/4", "2* 3 * 4"),
        ("2*/*!80000 3*/*/* x */4", "2* 3 * 4"),
        # for no MySQL at all
        ("a /*!99999 b */ c", "a c"),
        ("a /*!100100 b /* x */ y */ c", "a c"),
        ("a /*!500000 b*/ c", "a c"),
        ("a /*!999999 b ' */ c", "a c"),
    ],
)
def test_comments(script: str, text: str) -> None:
    plain = strip_comments(script)
    assert plain.unclosed is None
    assert plain.text == text


@pytest.mark.parametrize(
    ("script", "what", "line"),
    [
        ("'a", "quote '", 1),
        ('\n\n"a\\"', 'quote "', 3),
        ("`a``", "back-quote `", 1),
        ("a\n/* b", "comment /*", 2),
        ("a /*! b", "comment /*", 1),
        ("a /*!99999 b /* c */", "comment /*", 1),
        ("a /*+ b", "comment /*", 1),
        ("/*/", "comment /*", 1),
        ("a /*! 'b */", "quote '", 1),
    ],
)
def test_what_is_not_closed_is_told(script: str, what: str, line: int) -> None:
    unclosed = strip_comments(script).unclosed
    assert unclosed is not None
    assert (unclosed.what, unclosed.line) == (what, line)


PIECES = ["a", "'b;'", '"c"', "`d``e`", ";", ",", "(", ")", "\n", " ", "-", "*", "/", "é🙂", "1", "\\"]
COMMENTS = ["/* x */", "-- y\n", "# z\n", "/*!80000 ", "/*!", "*/", "/*+ h */", "/*!99999 n */", "--\n", "/**/"]


@given(st.lists(st.sampled_from(PIECES + COMMENTS), max_size=40))
@settings(max_examples=300, deadline=None)
def test_each_character_is_found_where_it_came_from(parts: list[str]) -> None:
    script = "".join(parts)
    plain = strip_comments(script)
    assume("/**/" not in plain.text)  # stands where a blank would begin a comment
    for offset, character in enumerate(plain.text):
        if not character.isspace():
            assert script[plain.origin(offset)] == character


@given(st.lists(st.sampled_from(PIECES + COMMENTS), max_size=40))
@settings(max_examples=300, deadline=None)
def test_what_is_plain_stays_as_it_is(parts: list[str]) -> None:
    once = strip_comments("".join(parts))
    assume(once.unclosed is None and "/**/" not in once.text)
    again = strip_comments(once.text)
    assert again.unclosed is None
    assert again.text == once.text


@given(st.text(alphabet="'\"`\\/*!-# \n;a8\ufeff", max_size=60))
@settings(max_examples=500, deadline=None)
def test_no_text_makes_it_fail(script: str) -> None:
    strip_comments(script)
