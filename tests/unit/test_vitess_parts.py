"""The engine's pure parts."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alterd_vitess.completing import LONGEST_BACK_OFF, back_off
from alterd_vitess.constraints import ConstraintNames
from alterd_vitess.gtid import GtidSet
from alterd_vitess.positions import Positions
from alterd_vitess.ranges import CopyPlan, Range, merged
from alterd_vitess.servo import SMALLEST, next_size
from alterd_vitess.shadow import renamed, retargeted
from alterd_vitess.touched import Touched
from alterd_vitess.typed import typed_copy

UUID = "9e8a9249_3976_11ed_9442_0a43f95f28a3"
SID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"


# The copy's plan -----------------------------------------------------------------------------------------------------

keys = st.binary(min_size=1, max_size=2)
ranges = st.tuples(st.binary(max_size=2), keys).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: Range(*pair))


@given(end=keys, copied=st.lists(ranges, max_size=5), probes=st.lists(keys, max_size=20))
def test_what_is_not_copied_is_pending(end: bytes, copied: list[Range], probes: list[bytes]) -> None:
    copied = [each for each in copied if each.high <= end]
    plan = CopyPlan(end, copied)
    for key in probes:
        done = key > end or any(key in each for each in copied)
        assert plan.ahead(key) is not done


@given(end=keys, cuts=st.lists(keys, max_size=8))
def test_chunks_cover_the_plan_once(end: bytes, cuts: list[bytes]) -> None:
    plan = CopyPlan(end)
    chunks = [plan.dispatch(cut) for cut in [*sorted(cuts), end] if plan.pending and plan.pending[0].low < cut <= end]
    assert merged(chunks) == [Range(b"", end)]
    assert all(before.high == after.low for before, after in itertools.pairwise(chunks))
    for chunk in chunks:
        plan.committed(chunk)
    assert plan.finished


def test_an_empty_table_has_nothing_to_copy() -> None:
    plan = CopyPlan(b"")
    assert plan.finished
    assert not plan.ahead(b"x")


def test_all_is_taken_only_when_nothing_is_under_way() -> None:
    plan = CopyPlan(b"z")
    touched = Touched(plan)
    touched.touch([b"zz"], 1)
    with pytest.raises(RuntimeError):
        touched.take_all()
    touched.landed(plan.dispatch(b"z"))
    assert touched.take_all() == [b"zz"]
    assert len(touched) == 1
    touched.applied([b"zz"])
    assert not len(touched)


def test_frames_count_as_applied_up_to_the_first_that_is_not() -> None:
    positions = Positions(GtidSet.parse(f"{SID}:1-5"))
    assert positions.receive([(SID, 6, 7)]) == 1
    assert positions.receive([(SID, 8, 8)]) == 2
    assert str(positions.received) == f"{SID}:1-8"
    assert str(positions.applied(1)) == f"{SID}:1-5"
    assert str(positions.applied(2)) == f"{SID}:1-7"
    assert str(positions.applied(1)) == f"{SID}:1-7", "it never goes back"
    assert str(positions.applied(None)) == f"{SID}:1-8"


@given(cuts=st.integers(0, 12), lost=st.integers(0, 12), split=st.booleans())
def test_ranges_that_cannot_be_compared_are_followed(cuts: int, lost: int, split: bool) -> None:
    names = [f"{17 * number % 13:x}".encode() for number in range(1, cuts + 2)]  # in no order
    done = [Range(low, high) for low, high in itertools.pairwise([b"", *names])]
    copied = done[: lost + 1]
    if split and len(copied) > 1:
        del copied[-2]
    plan = CopyPlan.chained(names[-1], reversed(copied))
    missing = [each for each in done if each not in copied]
    assert len(plan.pending) <= 2
    for chunk in missing:
        assert plan.dispatch(chunk.high) == chunk
        plan.committed(chunk)
    assert plan.finished


# The servo -----------------------------------------------------------------------------------------------------------


@given(size=st.integers(10, 100_000), rows=st.integers(0, 100_000), seconds=st.floats(0, 100))
def test_a_chunk_grows_by_half_and_shrinks_at_once(size: int, rows: int, seconds: float) -> None:
    following = next_size(size, rows, seconds, wanted=0.1, largest=100_000)
    assert SMALLEST <= following <= min(100_000, int(size * 1.5) + 1) or following == size
    if rows and seconds > 0.2:
        assert following <= max(SMALLEST, rows // 2)


def test_a_chunk_may_be_tiny_when_told() -> None:
    assert next_size(5, 5, 0.001, wanted=0.1, largest=5) == 5


def test_back_off_grows_and_ends() -> None:
    waits = [back_off(attempts) for attempts in range(12)]
    assert waits[:4] == [0.0, 1.0, 2.0, 4.0]
    assert max(waits) == LONGEST_BACK_OFF


# Statements ----------------------------------------------------------------------------------------------------------


def test_the_shadow_is_made_of_the_source() -> None:
    definition = "CREATE TABLE `a``b` (\n  `CREATE TABLE ``x``` int,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB"
    assert renamed(definition, "s").startswith("CREATE TABLE `s` (\n  `CREATE TABLE ``x```")
    names = ConstraintNames(UUID, "my table")
    for alter, made in (
        ("ALTER TABLE  `my table` ADD c INT, DROP d", "ALTER TABLE `s` ALGORITHM=COPY, ADD c INT, DROP d"),
        ("ALTER TABLE t LOCK=NONE, ADD c INT, ALGORITHM=INSTANT", "ALTER TABLE `s` ALGORITHM=COPY, ADD c INT"),
        ("ALTER TABLE t ADD c INT, ALGORITHM=INPLACE", "ALTER TABLE `s` ALGORITHM=COPY, ADD c INT"),
        ("ALTER TABLE t ALGORITHM=INPLACE", ""),
        (
            "ALTER TABLE t ADD c INT, LOCK=NONE PARTITION BY HASH (c)",
            "ALTER TABLE `s` ALGORITHM=COPY, ADD c INT PARTITION BY HASH (c)",
        ),
    ):
        assert retargeted(alter, "s", names) == made


def test_a_typed_copy_has_no_keys_but_the_counters() -> None:
    definition = (
        "CREATE TABLE `s` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `KEY` text COMMENT 'a, b',\n"
        "  PRIMARY KEY (`id`),\n  UNIQUE KEY `u` (`KEY`(10)),\n  FULLTEXT KEY `f` (`KEY`)\n"
        ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
    )
    number = "  `alterd_number` bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY"
    assert typed_copy(definition, "r", "id") == (
        f"CREATE TEMPORARY TABLE `r` (\n  `id` int NULL,\n  `KEY` text COMMENT 'a, b',\n{number}\n"
        ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
    )
    elsewhere = definition.replace(") ENGINE", ") /*!50100 TABLESPACE `ts` */ ENGINE") + " COMMENT='x' /*!50100 P */"
    assert typed_copy(elsewhere, "r", "id") == typed_copy(definition, "r", "id")
