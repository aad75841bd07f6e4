"""GTID sets beside sets of numbers in Python."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alterd_contracts.errors import InvalidInput
from alterd_vitess.gtid import LAST_GNO, GtidSet

A = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
B = "89268ef3-e57a-11f1-a0b0-02fc00000001"
SIDS = [A, f"{A}:a", f"{A}:tag_1", B, f"{B}:a"]

Intervals = list[tuple[str, int, int]]

gnos = st.integers(1, 40)
interval = st.tuples(st.sampled_from(SIDS), gnos, gnos).map(lambda found: (found[0], *sorted(found[1:])))
some_intervals = st.lists(interval, max_size=30)


def made(intervals: Intervals) -> GtidSet:
    found = GtidSet()
    for sid, first, last in intervals:
        found.add(sid, first, last)
    return found


def plain(intervals: Intervals) -> set[tuple[str, int]]:
    return {(sid, gno) for sid, first, last in intervals for gno in range(first, last + 1)}


@given(some_intervals)
def test_it_holds_what_was_added_as_intervals_apart_from_each_other(intervals: Intervals) -> None:
    found = made(intervals)
    assert plain(found.intervals()) == plain(intervals)
    known = found.intervals()
    assert known == sorted(known)
    for (sid, _, last), (other, first, _) in pairwise(known):
        assert sid != other or last + 1 < first
    assert bool(found) == bool(intervals)


@given(some_intervals, some_intervals)
def test_it_works_as_a_set_does(left: Intervals, right: Intervals) -> None:
    a, b = made(left), made(right)
    assert a.contains(b) == (plain(left) >= plain(right))
    assert (a == b) == (plain(left) == plain(right))
    assert plain(a.minus(b).intervals()) == plain(left) - plain(right)
    assert a.minus(b) == made(a.minus(b).intervals())
    both = a.copy()
    both.update(b)
    assert plain(both.intervals()) == plain(left) | plain(right)
    assert plain(a.intervals()) == plain(left), "a copy is apart from what it was made of"


@given(some_intervals)
def test_text_and_binary_form_are_read_back(intervals: Intervals) -> None:
    found = made(intervals)
    assert GtidSet.parse(str(found)) == found
    assert GtidSet.decode(found.encode()) == found


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("", ""),
        (" , ,\n", ""),
        (A, ""),
        (f"{A.upper()}:1-5:7:6", f"{A}:1-7"),
        (f"{{{A}}}:3", f"{A}:3"),
        (f"{A.replace('-', '')}:3", f"{A}:3"),
        (f"{A}:5-3", ""),
        (f"{A}:1\t- 5:\n9", f"{A}:1-5:9"),
        (f"{B}:1,\n{A}:4,{A}:2-3", f"{A}:2-4,{B}:1"),
        (f"{A}:b:1:A:2:9-9:1", f"{A}:a:1-2:9:b:1"),
        (f"{A}:tag:1,{A}:7", f"{A}:7:tag:1"),
        (f"{A}:1-5:tag", f"{A}:1-5"),
        (f"{A}:{LAST_GNO}", f"{A}:{LAST_GNO}"),
    ],
)
def test_text_is_read_and_shown_as_mysql_does(written: str, shown: str) -> None:
    assert str(GtidSet.parse(written)) == shown


@pytest.mark.parametrize(
    "written",
    [
        "x",
        "3e11fa47-71ca-11e1-9e33-c80aa942956:1",
        f"{A}:",
        f"{A}:0",
        f"{A}:0-3",
        f"{A}:1-",
        f"{A}:-1",
        f"{A}:{LAST_GNO + 1}",
        f"{A}:1-{LAST_GNO + 1}",
        f"{A}:tag-x:1",
        f"{A}:{'t' * 33}:1",
        f"{{{A}:1",
        f"{A}:1;{B}:1",
    ],
)
def test_what_is_no_set_is_refused(written: str) -> None:
    with pytest.raises(InvalidInput, match="is no set of GTIDs"):
        GtidSet.parse(written)


def test_tags_alone_need_the_newer_binary_form() -> None:
    assert GtidSet.parse(f"{A}:1-5").encode()[:8] == (1).to_bytes(8, "little")
    tagged = GtidSet.parse(f"{A}:1-5:tag:1").encode()
    assert (tagged[0], tagged[7]) == (1, 1)
    assert tagged[1:7] == (2).to_bytes(6, "little")


@pytest.mark.parametrize("text", [f"{A}:1-5", f"{A}:1-5:tag:1-9:11"])
def test_a_binary_form_that_is_cut_off_is_refused(text: str) -> None:
    whole = GtidSet.parse(text).encode()
    for length in range(len(whole)):
        with pytest.raises(InvalidInput):
            GtidSet.decode(whole[:length])
    with pytest.raises(InvalidInput):
        GtidSet.decode(whole + b"\0")


def test_the_set_in_a_previous_gtids_event() -> None:
    sent = bytes.fromhex(  # by MySQL 9.7.4
        "0103000000000001"
        "89268ef3e57a11f1a0b002fc00000001"
        "00"
        "0100000000000000"
        "0100000000000000"
        "1fec000000000000"
        "89268ef3e57a11f1a0b002fc00000001"
        "0a6d79746167"
        "0100000000000000"
        "0100000000000000"
        "0200000000000000"
        "89268ef3e57a11f1a0b002fc00000001"
        "0a7461675f31"
        "0100000000000000"
        "0100000000000000"
        "0300000000000000"
    )
    found = GtidSet.decode(sent)
    assert str(found) == f"{B}:1-60446:mytag:1:tag_1:1-2"
    assert found.encode() == sent
