"""Touched keys beyond the memory, positions of parts and of prepared transactions, and the proof of both."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from alterd_vitess import positions as positions_module
from alterd_vitess.errors import KeysNotKept
from alterd_vitess.gtid import GtidSet
from alterd_vitess.positions import Positions
from alterd_vitess.proof import Proof
from alterd_vitess.ranges import CopyPlan, Range
from alterd_vitess.spill import Spill
from alterd_vitess.touched import Touched
from tests.support import eventually

SID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"


def some_keys(*numbers: int) -> list[bytes]:
    return [number.to_bytes(2, "big") for number in numbers]


# The file ------------------------------------------------------------------------------------------------------------


def test_a_key_is_once_in_the_file_with_its_last_touch(tmp_path: Path) -> None:
    spill = Spill(str(tmp_path / "touched"))
    spill.put(some_keys(1, 2, 3), 5)
    spill.put(some_keys(3, 4), 9)
    assert (len(spill), spill.oldest()) == (4, 5)
    assert spill.known(some_keys(0, 3, 4, 7)) == set(some_keys(3, 4))
    assert spill.some(2) == dict.fromkeys(some_keys(1, 2), 5)
    assert spill.oldest() == 9
    spill.put(some_keys(1), 11)
    assert list(spill.some(2).items()) == [(some_keys(3)[0], 9), (some_keys(4)[0], 9)], "each in its turn"
    assert (len(spill), (tmp_path / "touched").exists()) == (1, True)
    assert spill.some(5) == {some_keys(1)[0]: 11}
    assert (len(spill), spill.oldest(), (tmp_path / "touched").exists()) == (0, None, False)


def test_what_an_older_attempt_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "touched").write_bytes(b"no database" * 500)
    spill = Spill(str(tmp_path / "touched"))
    spill.put(some_keys(*range(30_000)), 1)
    assert len(spill) == 30_000
    assert len(spill.known(some_keys(*range(25_000)))) == 25_000
    spill.close()
    spill.close()
    assert not len(spill)


def test_no_room_for_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeysNotKept, match="cannot be kept in") as caught:
        Spill(str(tmp_path / "no" / "folder")).put(some_keys(1), 1)
    assert caught.value.retryable
    assert "workdir" in caught.value.hint


class Story:
    """Random steps with room for a few keys only, beside dicts that have room for all."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.plan = CopyPlan(some_keys(30)[0])
        self.touched = Touched(self.plan, self.chance.randint(1, 5))
        self.waiting: dict[bytes, int] = {}
        self.taken: dict[bytes, int] = {}
        self.held: dict[Range, dict[bytes, int]] = {}
        self.visible = self.sequence = self.spilled = 0

    def step(self) -> None:
        self.chance.choice((self._touch, self._touch, self._show, self._take, self._end, self._dispatch, self._land))()
        touched = self.touched
        assert self._found() == self.waiting
        assert touched.waiting == len(self.waiting)
        kept = [self.waiting, self.taken, *self.held.values()]
        assert len(touched) == sum(map(len, kept))
        assert touched.unapplied_since() == min((least for each in kept for least in each.values()), default=None)
        self.spilled += touched.spilled

    def _found(self) -> dict[bytes, int]:
        spill = self.touched._spill
        rows = spill._database.execute("SELECT key, sequence FROM spilled") if spill._database else ()
        filed: dict[bytes, int] = dict(rows)
        assert not filed.keys() & self.touched._waiting.keys(), "each waits in one place"
        return self.touched._waiting | filed

    def _touch(self) -> None:
        self.sequence += 1
        keys = some_keys(*(self.chance.randrange(40) for _ in range(self.chance.randint(1, 6))))
        self.touched.touch(keys, self.sequence)
        self.waiting.update(dict.fromkeys(keys, self.sequence))

    def _show(self) -> None:
        self.visible = self.chance.randint(self.visible, self.sequence)

    def _take(self) -> None:
        batch = self.touched.take(self.visible, self.chance.randint(1, 9))
        for key in self.waiting.keys() - self._found().keys():
            sequence = self.waiting.pop(key)
            assert sequence <= self.visible
            if key in batch:
                assert key not in self.taken
                self.taken[key] = sequence
            elif chunk := self.plan.flying(key):
                self.held.setdefault(chunk, {})[key] = sequence
            else:
                assert self.plan.ahead(key)

    def _end(self) -> None:
        batch = self.chance.sample(sorted(self.taken), self.chance.randint(0, len(self.taken)))
        if self.chance.random() < 0.6:
            self.touched.applied(batch)
            for key in batch:
                del self.taken[key]
        else:
            self.touched.put_back(batch)
            for key in batch:
                self.waiting.setdefault(key, self.taken.pop(key))

    def _dispatch(self) -> None:
        if self.plan.pending:
            self.plan.dispatch(
                self.chance.choice([key for key in some_keys(*range(31)) if key in self.plan.pending[0]])
            )

    def _land(self) -> None:
        if self.plan.in_flight:
            chunk = self.plan.in_flight[0]
            self.touched.landed(chunk)
            for key, sequence in self.held.pop(chunk, {}).items():
                self.waiting.setdefault(key, sequence)


@pytest.mark.parametrize("seed", range(100))
def test_keys_in_the_file_behave_as_those_in_memory(seed: int) -> None:
    story = Story(seed)
    for _ in range(80):
        story.step()
    assert story.spilled


def test_all_keys_are_taken_under_the_lock_wherever_they_wait() -> None:
    plan = CopyPlan(b"")
    touched = Touched(plan, 2)
    touched.touch(some_keys(*range(10)), 1)
    assert (touched.spilled, touched.waiting, touched.unapplied_since()) == (8, 10, 1)
    assert sorted(touched.take_all()) == some_keys(*range(10))
    assert (touched.spilled, touched.waiting, len(touched)) == (0, 0, 10)


# Positions -----------------------------------------------------------------------------------------------------------


def test_a_checkpoint_has_a_gap_where_a_prepared_transaction_is_open() -> None:
    positions = Positions(GtidSet.parse(f"{SID}:1-5"))
    positions.receive([], [(SID, 6, 6)])
    positions.receive([(SID, 7, 9)])
    assert str(positions.received) == f"{SID}:1-9"
    assert str(positions.whole) == str(positions.applied(None)) == f"{SID}:1-5:7-9"
    assert str(positions.settled(None)) == f"{SID}:1-9", "nobody waits for it"
    ending = positions.receive([(SID, 6, 6), (SID, 10, 10)])
    assert str(positions.applied(ending)) == f"{SID}:1-5:7-9", "its rows are not applied yet"
    assert str(positions.settled(ending)) == f"{SID}:1-5:7-9"
    assert str(positions.applied(None)) == f"{SID}:1-10"


def test_many_frames_are_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions_module, "MOST_FRAMES", 8)
    positions = Positions(GtidSet())
    for number in range(1, 1000):
        positions.receive([(SID, number, number)])
        assert len(positions._frames) <= 8
    for since in (2, 100, 500, 998):
        found = positions.applied(since)
        assert not found or found.intervals()[0][2] < since, "never further than it may"
    assert str(positions.applied(None)) == f"{SID}:1-999"


# The proof -----------------------------------------------------------------------------------------------------------


class Asked:
    """A primary that shows what it is told to."""

    def __init__(self) -> None:
        self.shown = GtidSet()
        self.questions = 0

    async def value(self, _sql: str, params: Sequence[Any]) -> int:
        self.questions += 1
        await asyncio.sleep(0)
        return int(not self.shown.contains(GtidSet.parse(params[0])))


def proof_of(asked: Asked, positions: Positions, *warned: list[str]) -> Proof:
    return Proof(asked, positions, *(each.append for each in warned))  # type: ignore[arg-type]


async def test_a_proof_that_is_cancelled_proves_nothing() -> None:
    asked, positions = Asked(), Positions(GtidSet())
    proof = proof_of(asked, positions)
    positions.receive([(SID, 1, 1)])
    proof.needed([(SID, 1, 1)])
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await proof.prove()
        assert proof.visible == 0
    asked.shown.add(SID, 1, 1)
    assert await proof.prove() == 1


async def test_what_never_was_committed_is_not_waited_for() -> None:
    asked, positions, warned = Asked(), Positions(GtidSet()), list[str]()
    proof = proof_of(asked, positions, warned)
    positions.receive([])
    proof.needed([(SID, 1, 1)])
    waiting = asyncio.create_task(proof.prove())
    await eventually(lambda: asked.questions >= 20)
    assert not waiting.done()
    assert any(f"{SID}:1" in text for text in warned)
    proof.withdraw(GtidSet.of(SID, 1, 1))
    assert await waiting == 1
    positions.receive([])
    proof.needed([(SID, 1, 1)])  # and here it comes again
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await proof.prove()
