"""The demo's proof, as far as it is pure: ledger, comparison, what writers do, when the demo gets in the way."""

from __future__ import annotations

import math
import random
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alterd_cli.demo.course import Act, Course
from alterd_cli.demo.figures import STEP, Latencies, Wait, figures
from alterd_cli.demo.ledger import Changes, Kept, Ledger, Settled, merged
from alterd_cli.demo.messages import Start
from alterd_cli.demo.mismatch import NAMED, Mismatches, compare
from alterd_cli.demo.mix import Keys, Mix
from alterd_cli.demo.place import Place
from alterd_cli.demo.table import COLUMNS, Row, differing, row
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status

SEED, ROWS = 7, 30
PLACE = Place.of("127.0.0.1:3306", "somebody", "hunter2", "shop", "member")

keys = st.integers(1, ROWS + 10)
held = st.one_of(st.none(), st.integers(1, 10_000).map(lambda number: row("other", number)))
changes = st.dictionaries(keys, held, min_size=1, max_size=4)


def model_of(ledger: Ledger) -> dict[int, Row]:
    return {key: held for key in range(1, ROWS + 50) if (held := ledger.get(key)) is not None}


# The ledger.


@given(st.lists(changes, max_size=20))
def test_a_ledger_expects_what_was_acknowledged_and_nothing_else(history: list[Changes]) -> None:
    ledger, model = Ledger(SEED, ROWS), {key: row(SEED, key) for key in range(1, ROWS + 1)}
    for each in history:
        ledger.acknowledge(each)
        for key, after in each.items():
            model.pop(key, None)
            if after is not None:
                model[key] = after
    assert dict(ledger.expected()) == model
    assert [key for key, _ in ledger.expected()] == sorted(model)
    assert ledger.count() == len(model)


@given(changes, changes, st.data())
def test_a_transaction_in_doubt_has_happened_whole_or_not_at_all(
    earlier: Changes, doubtful: Changes, data: st.DataObject
) -> None:
    ledger = Ledger(SEED, ROWS)
    ledger.acknowledge(earlier)
    before = {key: ledger.get(key) for key in doubtful}
    ledger.put_in_doubt(doubtful)
    assert model_of(ledger) == model_of(Ledger(SEED, ROWS, earlier)), "until it is settled it has not happened"
    choice = {key: data.draw(st.booleans()) for key in doubtful}
    found = {key: (doubtful if happened else before)[key] for key, happened in choice.items()}
    settled = ledger.settle(doubtful, found)
    if found == before:
        assert settled is Settled.NEVER
    elif found == doubtful:
        assert settled is Settled.HAPPENED
    else:
        assert settled is Settled.TORN
    assert {key: ledger.get(key) for key in doubtful} == found
    assert not ledger.doubts


def test_a_lost_row_is_seen_when_its_transaction_is_settled() -> None:
    ledger = Ledger(SEED, ROWS)
    doubt = {3: row("new", 1), 4: row("new", 2)}
    ledger.put_in_doubt(doubt)
    assert ledger.settle(doubt, {3: row("new", 1)}) is Settled.TORN


def test_a_key_in_doubt_is_settled_before_it_is_written_to_again() -> None:
    ledger = Ledger(SEED, ROWS)
    ledger.put_in_doubt({3: None})
    with pytest.raises(ValueError, match=r"the keys \[3\] are in doubt"):
        ledger.acknowledge({3: row("new", 1), 4: None})
    with pytest.raises(ValueError, match="in doubt"):
        ledger.put_in_doubt({3: None})


def test_ledgers_of_all_owners_become_one() -> None:
    one, other = Ledger(SEED, ROWS), Ledger(SEED, ROWS)
    one.acknowledge({2: None})
    other.acknowledge({3: row("new", 1)})
    other.put_in_doubt({5: None})
    whole = merged([one, other])
    assert whole.touched == {2: None, 3: row("new", 1)}
    assert whole.doubts == [{5: None}]
    other.acknowledge({2: None})
    with pytest.raises(ValueError, match=r"two owners touched the keys \[2\]"):
        merged([one, other])
    with pytest.raises(ValueError, match="different tables"):
        merged([one, Ledger(SEED + 1, ROWS)])


@given(changes, st.lists(changes, max_size=2))
def test_a_ledger_comes_back_from_another_process(touched: Changes, doubts: list[Changes]) -> None:
    kept = Kept.of(Ledger(SEED, ROWS, touched, doubts))
    back = msgspec.msgpack.decode(msgspec.msgpack.encode(kept), type=Kept).open()
    assert (back.touched, back.doubts) == (touched, doubts)


# The comparison.


@given(st.dictionaries(keys, st.integers(1, 10_000).map(lambda number: row("some", number)), max_size=20))
def test_equal_tables_have_no_mismatch(rows: dict[int, Row]) -> None:
    mismatches = Mismatches()
    assert compare(sorted(rows.items()), sorted(rows.items()), mismatches) == (len(rows), len(rows))
    assert not mismatches


@given(
    st.dictionaries(keys, st.integers(1, 10_000).map(lambda number: row("some", number)), min_size=1, max_size=20),
    st.sampled_from(["lost", "added", "doubled", *COLUMNS]),
    st.data(),
)
def test_every_kind_of_damage_is_found_and_named(rows: dict[int, Row], damage: str, data: st.DataObject) -> None:
    found = sorted(rows.items())
    place = data.draw(st.integers(0, len(found) - 1))
    key, held = found[place]
    if damage == "lost":
        del found[place]
        told = "is missing"
    elif damage == "added":
        key = data.draw(keys.filter(lambda other: other not in rows))
        found = sorted([*found, (key, held)])
        told = "must not be there"
    elif damage == "doubled":
        found.insert(place, found[place])
        told = "is there twice"
    else:
        found[place] = (key, altered(held, damage))
        told = f"{damage} is "
    mismatches = Mismatches()
    counts = compare(sorted(rows.items()), found, mismatches)
    assert mismatches.total == 1
    assert mismatches.first[0].key == key
    assert told in mismatches.first[0].text
    assert counts == (len(rows), len(found))


def altered(held: Row, column: str) -> Row:
    """Another row, by one value."""
    value: Any = getattr(held, column)
    match column:
        case "badge":
            other: Any = value + 1
        case "note":
            other = None if value is not None else ""
        case "email":
            other = value.swapcase()
        case "settings":
            other = value.replace("true", "null").replace("false", "true")
        case _:
            other = f"{value}0"
    return msgspec.structs.replace(held, **{column: other})


def test_many_mismatches_are_counted_and_the_first_are_named() -> None:
    mismatches = Mismatches()
    compare(Ledger(SEED, ROWS).expected(), [], mismatches)
    assert mismatches.total == ROWS
    assert [each.key for each in mismatches] == list(range(1, NAMED + 1))
    assert str(mismatches).endswith(f"… and {ROWS - NAMED} more")


def test_json_is_compared_by_what_it_means_and_text_by_its_bytes() -> None:
    one = row(SEED, 1)
    same = msgspec.structs.replace(one, settings='{"lang":"de", "n" : 1}')
    assert differing(msgspec.structs.replace(one, settings='{"n": 1, "lang": "de"}'), same) == []
    assert differing(same, msgspec.structs.replace(same, settings='{"lang":"de", "n" : 2}')) == ["settings"]
    assert differing(one, msgspec.structs.replace(one, email=one.email.upper())) == ["email"]
    assert differing(msgspec.structs.replace(one, note=None), msgspec.structs.replace(one, note="")) == ["note"]


# What the writers do.


@pytest.mark.parametrize("seed", range(3))
def test_writers_keep_to_their_keys_and_unique_values(seed: int) -> None:
    owners = 3
    mixes = [Mix(Ledger(seed, 600), PLACE, owner, owners) for owner in range(owners)]
    kinds: Counter[str] = Counter()
    last = 600
    for turn in range(3_000):
        owner = turn % owners
        mix = mixes[owner]
        operation = mix.next()
        kinds[operation.kind] += 1
        done = dict(operation.changes)
        for step in operation.steps:
            if step.keyed is not None:  # as the server does it
                last += 1 + (owner - last - 1) % owners
                done[last] = step.keyed
        assert all(key % owners == owner for key in done)
        if operation.commits:
            mix.acknowledge(done)
    whole = merged(mix.ledger for mix in mixes)
    rows = [held for _, held in whole.expected()]
    assert len({held.email.lower() for held in rows}) == len(rows), "a unique value is with two rows"
    assert len({held.badge for held in rows}) == len(rows)
    assert len(kinds) == 14
    assert sum(held is None for held in whole.touched.values()) > 100
    assert any(held.email.startswith("W") for held in rows), "freed values come back in other letters"


def test_the_same_seed_does_the_same() -> None:
    one, other = (Mix(Ledger(SEED, 600), PLACE, 1, 3) for _ in range(2))
    for _ in range(200):
        operation = one.next()
        assert operation == other.next()
        if operation.commits:
            one.acknowledge(operation.changes)
            other.acknowledge(operation.changes)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9))))
def test_keys_are_a_set_that_can_be_picked_from(steps: list[tuple[bool, int]]) -> None:
    found, model = Keys(), set[int]()
    for adds, key in steps:
        (found.add if adds else found.discard)(key)
        (model.add if adds else model.discard)(key)
        assert len(found) == len(model)
        assert all((each in found) == (each in model) for each in range(10))
        if model:
            assert found.pick(random.Random(key)) in model


def test_passwords_are_not_shown() -> None:
    start = Start(
        address="127.0.0.1:3306",
        user="somebody",
        password="hunter2",
        schema="shop",
        table="member",
        rows=1,
        seed=1,
        rate=1,
        writers=1,
        result="/tmp/result",
    )
    assert "hunter2" not in repr(PLACE) + repr(start) + str(start)


# Figures.


@settings(max_examples=50)
@given(st.lists(st.floats(1e-4, 1e3), min_size=1, max_size=200), st.sampled_from([0.5, 0.99]))
def test_percentiles_are_right_but_for_a_bucket(seconds: list[float], share: float) -> None:
    latencies = Latencies()
    for each in seconds:
        latencies.add(Wait(seconds=each))
    exact = sorted(seconds)[math.ceil(share * len(seconds)) - 1]
    assert exact * 0.999 <= latencies.percentile(share) <= exact * STEP * 1.001
    assert latencies.longest.seconds == max(seconds)
    assert latencies.count == len(seconds)


def test_figures_are_of_all_writers() -> None:
    one, other = Latencies(), Latencies()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    one.add(Wait(seconds=0.1))
    other.add(Wait(seconds=0.3, at=at, after=2.5, statement="UPDATE …"))
    counts = [Counter({"operation:update": 2, "sessions": 1}), Counter({"operation:update": 1, "error:1213": 4})]
    found = figures(9.0, [one, other], counts)
    assert (found.statements, found.sessions, found.operations) == (2, 1, {"update": 3})
    assert found.interruptions == {"1213": 4}
    assert (found.longest.seconds, found.longest.at, found.longest.statement) == (0.3, at, "UPDATE …")


# When the demo gets in the way.


def record(status: Status = Status.RUNNING, **more: Any) -> Migration:
    return Migration(
        id=1,
        migration_uuid="9e8a9249_3976_11ed_9442_0a43f95f28a3",
        keyspace="commerce",
        shard="0",
        mysql_schema="commerce",
        mysql_table="customer",
        migration_statement="ALTER TABLE customer …",
        strategy="vitess",
        migration_status=status,
        **more,
    )


def test_an_online_change_is_throttled_blocked_and_let_go() -> None:
    course = Course(online=True, touching=25)
    assert course.see(record(Status.QUEUED), 0.0) == []
    assert course.see(record(reason_throttled="no word from the throttler"), 1.0) == []
    assert course.see(record(rows_copied=1000, progress=10.0), 2.0) == [Act.STOP_REPLICA]
    lagging = record(rows_copied=2000, progress=20.0, reason_throttled="lag 1.20 > 1 on db:3306")
    assert course.see(lagging, 3.5) == []
    assert course.see(lagging, 7.0) == []
    assert course.see(lagging, 7.6) == [Act.START_REPLICA]
    assert course.see(record(rows_copied=2000, progress=30.0), 9.0) == []
    assert course.throttled == pytest.approx(1.0 + 5.5)
    assert course.reason == "lag 1.20 > 1 on db:3306"
    assert course.see(record(progress=100.0), 20.0) == []
    waits = record(progress=100.0, message="the cut-over waits: connection 25 has used it for 9 s")
    assert course.see(waits, 21.0) == []
    assert course.see(waits, 24.0) == [Act.END_TOUCH]
    assert course.blocked == waits.message
    assert course.see(record(progress=100.0), 26.0) == []
    assert course.see(record(Status.COMPLETE), 27.0) == [Act.END_STRADDLE]
    assert course.see(record(Status.COMPLETE), 28.0) == []


def test_the_open_transaction_is_held_until_the_change_has_named_it() -> None:
    """On a busy machine a replica may be behind first."""
    course = Course(online=True, touching=25)
    behind = record(progress=100.0, ready_to_complete=True, message="replica db:25 is more than 10 s behind")
    assert course.see(behind, 20.0) == []
    assert course.see(behind, 25.0) == []
    named = record(progress=100.0, ready_to_complete=True, message="the cut-over waits: connection 25 has used it")
    assert course.see(named, 26.0) == []
    assert course.see(record(progress=100.0, ready_to_complete=True), 27.0) == []
    assert course.see(named, 29.0) == [Act.END_TOUCH]
    assert course.blocked == named.message


def test_a_strategy_that_names_nobody_is_not_kept_waiting_for_long() -> None:
    course = Course(online=True, touching=25)
    ready = record(progress=100.0, ready_to_complete=True)
    assert course.see(ready, 20.0) == []
    assert course.see(ready, 29.0) == []
    assert course.see(ready, 32.0) == [Act.END_TOUCH]


def test_a_change_that_blocks_anyway_is_let_in_soon() -> None:
    course = Course(online=False, touching=25)
    assert course.see(record(), 1.0) == []
    assert course.see(record(rows_copied=5, progress=5.0), 2.0) == []
    assert course.see(record(), 4.0) == [Act.END_TOUCH]
    assert course.see(record(Status.COMPLETE), 5.0) == [Act.END_STRADDLE]


def test_a_change_that_ends_early_leaves_nothing_held() -> None:
    course = Course(online=True, touching=25)
    assert course.see(record(rows_copied=1, progress=1.0), 1.0) == [Act.STOP_REPLICA]
    assert course.see(record(Status.FAILED), 2.0) == [Act.START_REPLICA, Act.END_TOUCH, Act.END_STRADDLE]


def test_nothing_is_held_for_ever() -> None:
    course = Course(online=True, touching=25)
    acts = [act for second in range(1_200) for act in course.see(record(rows_copied=1, progress=1.0), float(second))]
    assert acts == [Act.STOP_REPLICA, Act.START_REPLICA, Act.END_TOUCH, Act.END_STRADDLE]
