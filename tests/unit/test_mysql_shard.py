"""Which server is the primary: the decision alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alterd_contracts.errors import UnsafeShard
from alterd_contracts.topology import ServerAddress
from alterd_runtime.mysql.server import ServerFacts, check_supported
from alterd_runtime.mysql.shard import Answer, Chosen, NoneWritable, SeveralWritable, choose_primary


def facts(uuid: str, *, read_only: bool = False, super_read_only: bool = False) -> ServerFacts:
    return ServerFacts(
        version=(8, 4, 0),
        version_text="8.4.0",
        server_uuid=uuid,
        server_id=1,
        hostname="host",
        port=3306,
        read_only=read_only,
        super_read_only=super_read_only,
        gtid_mode="ON",
        log_bin=True,
        binlog_format="ROW",
        binlog_row_image="FULL",
        performance_schema=True,
        utc_now=datetime(2026, 1, 1, tzinfo=UTC),
    )


def answer(number: int, *, read_only: bool = False, uuid: str = "", sources: tuple[str, ...] = ()) -> Answer:
    return Answer(
        address=ServerAddress("db", number),
        facts=facts(uuid or f"u{number}", read_only=read_only),
        sources=sources,
    )


def silent(number: int) -> Answer:
    return Answer(address=ServerAddress("db", number), error="no answer")


def test_replicas_are_told_from_strangers() -> None:
    primary = answer(1)
    second = answer(3, read_only=True, sources=("u2",))
    first = answer(2, read_only=True, sources=("u1",))
    stranger = answer(4, read_only=True, sources=("elsewhere",))
    chosen = choose_primary([second, stranger, silent(5), first, primary])
    assert chosen == Chosen(primary=primary, replicas=(second, first), strangers=(stranger,), unreachable=(silent(5),))


def test_two_addresses_of_one_server_are_one() -> None:
    one, again = answer(1, uuid="u"), answer(2, uuid="u")
    assert choose_primary([one, again]) == Chosen(primary=one)


def test_super_read_only_is_not_writable() -> None:
    only = Answer(address=ServerAddress("db", 1), facts=facts("u", super_read_only=True))
    assert choose_primary([only]) == NoneWritable((only,))


@given(st.lists(st.sampled_from(["writable", "read only", "silent"]), max_size=6))
def test_only_a_single_writable_server_is_chosen(kinds: list[str]) -> None:
    answers = [
        silent(number) if kind == "silent" else answer(number, read_only=kind == "read only")
        for number, kind in enumerate(kinds, start=1)
    ]
    writable = tuple(each for each in answers if each.facts is not None and each.facts.writable)
    match choose_primary(answers):
        case Chosen() as chosen:
            assert (chosen.primary,) == writable
            others = {*chosen.replicas, *chosen.strangers, *chosen.unreachable}
            assert others | {chosen.primary} == set(answers)
        case SeveralWritable(found):
            assert len(found) > 1
            assert found == writable
        case NoneWritable(found):
            assert not writable
            assert found == tuple(answers)


@pytest.mark.parametrize(
    ("version", "comment"),
    [
        ("10.11.6-MariaDB-log", ""),
        ("8.0.11-TiDB-v7.5.0", "TiDB Server"),
        ("8.0.30-Vitess", ""),
        ("8.0.18", "MySQL Community Server - GPL"),
        ("5.7.44-log", "MySQL Community Server (GPL)"),
        ("whatever", ""),
    ],
)
def test_other_servers_are_refused(version: str, comment: str) -> None:
    with pytest.raises(UnsafeShard, match=r"db:3306 runs .*8\.0\.19"):
        check_supported(version, comment, ServerAddress("db"))


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("8.0.19", (8, 0, 19)), ("8.4.3-3", (8, 4, 3)), ("9.7.4-2", (9, 7, 4)), ("8.0.36-28.1", (8, 0, 36))],
)
def test_mysql_and_percona_are_taken(version: str, numbers: tuple[int, int, int]) -> None:
    assert check_supported(version, "Percona Server (GPL)", ServerAddress("db")) == numbers
