"""From events to frames: what belongs together, and what ends the stream."""

from __future__ import annotations

import struct
from uuid import UUID

import pytest
import zstandard

from alterd_vitess.keys import Key, KeyColumn
from alterd_vitess.stream import groups as groups_module
from alterd_vitess.stream import transactions as assembling
from alterd_vitess.stream.errors import UnsafeChange
from alterd_vitess.stream.events import EventType, Format, read_format
from alterd_vitess.stream.frames import Frame
from alterd_vitess.stream.groups import Groups
from alterd_vitess.stream.layout import Layout
from alterd_vitess.stream.statements import Watched
from alterd_vitess.stream.touched import Touched
from alterd_vitess.stream.transactions import Transactions
from tests.unit.test_vitess_decoder import TAGGED, Kind, event, image, map_body, packed, payload, query_body

SID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
KEY = Key(name="PRIMARY", columns=(KeyColumn(name="id", data_type="int", unsigned=True),))
KINDS = [Kind(3, fixed=4), Kind(15, b"\xff\x00", prefix=1)]
LENGTHS = bytes([0, 13, *[0] * 16, 8, *[0] * 10, 10, 10, 10, *[0] * 12])
"""Of heads behind the common one, by type."""


def format_body(lengths: bytes = LENGTHS, *, checksums: int = 1, version: bytes = b"9.7.4-2") -> bytes:
    return struct.pack("<H50sIB", 4, version, 0, 19) + lengths + bytes([checksums]) + b"crc!"


def gtid(gno: int) -> bytes:
    return event(EventType.GTID, b"\0" + UUID(SID).bytes + gno.to_bytes(8, "little") + b"\2" + bytes(20))


def query(text: str) -> bytes:
    return event(EventType.QUERY, query_body(text.encode(), b"\x0c\1shop\0"))


def rows(*keys: int, number: int = 7, kind: int = EventType.WRITE_ROWS, crc: bool = True) -> bytes:
    extra = b"" if kind <= EventType.DELETE_ROWS_V1 else b"\2\0"
    updates = kind in (EventType.UPDATE_ROWS, EventType.UPDATE_ROWS_V1)
    images = b"".join(image(KINDS, [key.to_bytes(4, "little"), b"name"]) for key in keys)
    head = number.to_bytes(6, "little") + b"\1\0" + extra
    return event(kind, head + packed(2) + b"\x03" * (1 + updates) + images, crc=crc)


def table_map(number: int = 7, table: bytes = b"t", kinds: list[Kind] = KINDS, *, crc: bool = True) -> bytes:
    body = number.to_bytes(6, "little") + b"\1\0" + map_body(kinds, [False] * len(kinds), table=table)
    return event(EventType.TABLE_MAP, body, crc=crc)


BEGIN = query("BEGIN")
XID = event(EventType.XID, bytes(8))
FORMAT = event(EventType.FORMAT_DESCRIPTION, format_body(), crc=False)
PREPARE = event(EventType.XA_PREPARE, b"\0" + struct.pack("<III", 1, 1, 0) + b"x")
ONE_PHASE = event(EventType.XA_PREPARE, b"\1" + struct.pack("<III", 1, 1, 0) + b"x")


class Feed:
    """A stream's reader, without a server."""

    def __init__(self, *, folded: bool = False) -> None:
        self.frames: list[Frame] = []
        watched = Watched(table_schema="Shop" if folded else "shop", table="t", folded=folded)
        touched = Touched(watched, KEY, Layout(2, (0,)))
        self.transactions = Transactions(watched, touched, "/* own */", self.frames.append)
        self(FORMAT)

    def __call__(self, *events: bytes) -> list[Frame]:
        for one in events:
            self.transactions.event(b"12345" + one, 5, 5 + len(one))
        self.transactions.flush()
        return self.frames


@pytest.fixture
def feed() -> Feed:
    return Feed()


def keys(*numbers: int) -> list[bytes]:
    return [KEY.of_row([number]) for number in numbers]


def test_many_transactions_become_one_frame(feed: Feed) -> None:
    feed(
        *(gtid(4), BEGIN, table_map(), rows(1, 2), rows(2, 3, kind=EventType.UPDATE_ROWS), XID),
        *(gtid(5), BEGIN, table_map(8, b"other"), rows(9, number=8), XID),
        *(gtid(6), BEGIN, table_map(), rows(1, kind=EventType.DELETE_ROWS_V1), query("COMMIT")),
        *(event(EventType.TAGGED_GTID, TAGGED), query("CREATE TABLE other (id int)")),
    )
    tagged = ("89268ef3-e57a-11f1-a0b0-02fc00000001:tag_1", 4, 4)
    assert feed.frames == [Frame([(SID, 4, 6), tagged], [(SID, 4, 4), (SID, 6, 6)], keys(1, 2, 3), 4)]


def test_names_are_compared_as_the_server_does() -> None:
    for folded in (False, True):
        feed = Feed(folded=folded)
        feed(gtid(1), BEGIN, table_map(table=b"T"), rows(1), table_map(8, b"ts"), rows(2, number=8), XID)
        assert [frame.keys for frame in feed.frames] == [keys(1) if folded else []]


def test_an_unfinished_transaction_is_in_no_frame(feed: Feed) -> None:
    assert feed(gtid(4), BEGIN, table_map(), rows(1)) == []
    assert feed(rows(2), XID) == [Frame([(SID, 4, 4)], [(SID, 4, 4)], keys(1, 2), 2)]


def test_a_transaction_that_the_servers_death_cut_off_is_forgotten(feed: Feed) -> None:
    feed(gtid(4), BEGIN, table_map(), rows(1), FORMAT, gtid(4), BEGIN, table_map(), rows(2), XID)
    assert feed.frames == [Frame([(SID, 4, 4)], [(SID, 4, 4)], keys(2), 1)]


def test_a_rollback_in_the_binlog_touches_what_it_could_not_undo(feed: Feed) -> None:
    feed(gtid(4), BEGIN, table_map(), rows(1), query("ROLLBACK"))
    assert feed.frames == [Frame([(SID, 4, 4)], [(SID, 4, 4)], keys(1), 1)]


def test_large_frames_are_sent_at_once(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembling, "MOST_KEYS", 2)
    for number, one in enumerate((1, 2, 3, 4), start=1):
        for part in (gtid(number), BEGIN, table_map(), rows(one), XID):
            feed.transactions.event(part, 0, len(part))
    assert [frame.keys for frame in feed.frames] == [keys(1, 2, 3)]


def test_a_compressed_transaction(feed: Feed) -> None:
    bare = [query_body(b"BEGIN"), bytes(8)]
    inside = event(EventType.QUERY, bare[0], crc=False) + table_map(crc=False) + rows(1, 2, crc=False)
    inside += event(EventType.XID, bare[1], crc=False)
    feed(gtid(1), event(EventType.TRANSACTION_PAYLOAD, payload(zstandard.compress(inside))))
    feed(gtid(2), BEGIN, table_map(), rows(3), XID)
    assert [frame.keys for frame in feed.frames] == [keys(1, 2), keys(3)]


def test_large_transactions_come_in_parts(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembling, "MOST_KEYS", 1)
    feed.transactions.event(gtid(1), 0, len(gtid(1)))
    for one in (
        BEGIN,
        table_map(8, b"other"),
        rows(9, number=8),
        XID,
        gtid(2),
        BEGIN,
        table_map(),
        rows(1, 2),
        rows(3),
    ):
        feed.transactions.event(one, 0, len(one))
    before, part = Frame([(SID, 1, 1)], [], [], 0), Frame([], [(SID, 2, 2)], keys(1, 2), 2)
    assert feed.frames == [before, part], "what is whole goes before the part"
    feed(rows(4), XID)
    assert feed.frames[2:] == [Frame([], [(SID, 2, 2)], keys(3, 4), 2), Frame([(SID, 2, 2)], [(SID, 2, 2)], [], 0)]
    feed(gtid(3), BEGIN, table_map(), rows(5), XID)
    assert feed.frames[-1] == Frame([(SID, 3, 3)], [(SID, 3, 3)], keys(5), 1)


def test_a_part_is_as_small_as_its_rows_are_large(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembling, "PART_BYTES", 1)
    feed(gtid(1), BEGIN, table_map(), rows(1), rows(2), XID)
    assert [frame.keys for frame in feed.frames] == [keys(1), keys(2), []]


def test_a_part_of_a_transaction_that_the_servers_death_cut_off(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembling, "MOST_KEYS", 1)
    feed(gtid(4), BEGIN, table_map(), rows(1, 2), FORMAT, gtid(4), BEGIN, table_map(8, b"o"), rows(3, number=8), XID)
    assert feed.frames == [Frame([], [(SID, 4, 4)], keys(1, 2), 2), Frame([(SID, 4, 4)], [], [], 0)]


# XA ------------------------------------------------------------------------------------------------------------------


def xa(how: str, name: bytes = b"x", number: int = 1) -> bytes:
    return query(f"XA {how} X'{name.hex()}',X'',{number}")


def prepare(name: bytes = b"x", number: int = 1) -> bytes:
    return event(EventType.XA_PREPARE, b"\0" + struct.pack("<III", number, len(name), 0) + name)


def test_a_prepared_transaction_touches_when_it_is_committed(feed: Feed) -> None:
    feed(gtid(1), xa("START"), table_map(), rows(1, 2), xa("END"), PREPARE)
    assert feed.frames == [Frame([], [], [], 0, [(SID, 1, 1)])], "nobody can read its rows"
    feed(gtid(2), BEGIN, table_map(), rows(3), XID)
    feed(gtid(3), xa("COMMIT"))
    assert feed.frames[1:] == [
        Frame([(SID, 2, 2)], [(SID, 2, 2)], keys(3), 1),
        Frame([(SID, 1, 1), (SID, 3, 3)], [(SID, 3, 3)], keys(1, 2), 2),
    ]


def test_a_prepared_transaction_that_is_rolled_back_touches_nothing(feed: Feed) -> None:
    feed(gtid(1), xa("START"), table_map(), rows(1), xa("END"), PREPARE, gtid(2), xa("ROLLBACK"))
    assert feed.frames == [Frame([(SID, 1, 2)], [], [], 0, [(SID, 1, 1)])]
    feed(gtid(3), xa("START"), table_map(), rows(2), xa("END"), PREPARE, gtid(4), xa("COMMIT"))
    assert feed.frames[1:] == [Frame([(SID, 3, 4)], [(SID, 4, 4)], keys(2), 1, [(SID, 3, 3)])], "its name is free"


def test_xa_transactions_of_other_tables_and_in_one_phase_and_unknown_ones(feed: Feed) -> None:
    feed(gtid(1), xa("START"), table_map(), rows(1), xa("END"), ONE_PHASE)
    feed(gtid(2), xa("START"), table_map(8, b"other"), rows(2, number=8), xa("END"), PREPARE)
    feed(gtid(3), xa("COMMIT"))
    feed(gtid(4), xa("COMMIT", b"never seen"))
    feed(gtid(5), query("XA COMMIT 'by', 'hand'"))
    assert feed.frames == [
        Frame([(SID, 1, 1)], [(SID, 1, 1)], keys(1), 1),
        *(Frame([(SID, number, number)], [], [], 0) for number in (2, 3, 4, 5)),
    ]


def test_prepared_transactions_are_told_apart_by_all_of_their_names(feed: Feed) -> None:
    for number, (name, kind) in enumerate([(b"x", 1), (b"x", 7), (b"\xff\0", 1), (b"x", 2**31 - 1)], start=1):
        feed(gtid(number), xa("START", name, kind), table_map(), rows(number), xa("END", name, kind))
        feed(prepare(name, kind))
    ends = [
        ("COMMIT", b"\xff\0", 1, 3),
        ("COMMIT", b"x", 2**31 - 1, 4),
        ("ROLLBACK", b"x", 1, 1),
        ("COMMIT", b"x", 7, 2),
    ]
    for number, (how, name, kind, _) in enumerate(ends, start=5):
        feed(gtid(number), xa(how, name, kind))
    assert [frame.keys for frame in feed.frames[4:]] == [keys(3), keys(4), [], keys(2)]
    assert [frame.gtids[0][1] for frame in feed.frames[4:]] == [3, 4, 1, 2]


def test_a_large_prepared_transaction_is_in_a_file_and_comes_in_parts(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembling, "MOST_KEYS", 1)
    feed.transactions._groups = groups = Groups(in_memory=3)
    for gno, name, first in ((1, b"x", 0), (2, b"y", 100)):
        feed(gtid(gno), xa("START", name), table_map())
        feed(*(rows(first + number, first + number + 1) for number in range(1, 9, 2)), xa("END", name), prepare(name))
    assert groups.in_memory == 2
    assert [frame.keys for frame in feed.frames] == [[], []]
    feed(gtid(3), xa("COMMIT"))
    sent = feed.frames[2:]
    assert [key for frame in sent for key in frame.keys] == keys(*range(1, 9))
    assert [frame.gtids for frame in sent] == [[], [], [], [(SID, 1, 1), (SID, 3, 3)]]
    assert {tuple(frame.touching) for frame in sent} == {((SID, 3, 3),)}
    assert sum(frame.rows for frame in sent) == 8
    feed(gtid(4), xa("ROLLBACK", b"y"))
    assert (len(groups), groups.in_memory, groups._file) == (0, 0, None)


def test_a_large_xa_transaction_in_one_phase(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembling, "MOST_KEYS", 1)
    feed(gtid(1), xa("START"), table_map(), rows(1, 2), rows(3, 4), xa("END"), ONE_PHASE)
    assert feed.frames == [
        Frame([], [(SID, 1, 1)], keys(1, 2), 0),
        Frame([(SID, 1, 1)], [(SID, 1, 1)], keys(3, 4), 4),
    ]


def test_prepared_transactions_that_nobody_ends(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups_module, "MOST", 2)
    for number in (1, 2):
        feed(gtid(number), xa("START", b"%d" % number), table_map(), rows(number), prepare(b"%d" % number))
    with pytest.raises(UnsafeChange, match="prepared XA transactions") as caught:
        feed(gtid(3), xa("START"), table_map(), rows(3), prepare())
    assert "XA RECOVER" in caught.value.hint


def test_a_name_that_cannot_be_read_is_no_reason_to_lose_a_row(feed: Feed) -> None:
    feed(gtid(1), xa("START"), table_map(), rows(1), PREPARE)
    with pytest.raises(UnsafeChange, match="whose name cannot be read"):
        feed(gtid(2), query("XA COMMIT 'by', 'hand'"))


def test_what_others_say_that_changes_nothing_is_passed_over(feed: Feed) -> None:
    ignorable = event(200, b"?", flags=0x80)
    other = event(EventType.PARTIAL_UPDATE_ROWS, (8).to_bytes(6, "little") + bytes(9))
    passed = [event(kind, b"any") for kind in (3, 5, 13, 14, 27, 28, 29, 35, 36, 37, 41)]
    feed(*passed, ignorable, gtid(1), BEGIN, table_map(8, b"other"), other, *passed, ignorable, XID)
    feed(gtid(2), query("/* own */ RENAME TABLE t TO x"))
    assert [frame.gtids for frame in feed.frames] == [[(SID, 1, 1)], [(SID, 2, 2)]]


DAMAGED = bytearray(rows(1))
DAMAGED[-6] ^= 1
GROUP = (gtid(1), BEGIN, table_map())


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ((event(EventType.ANONYMOUS_GTID, bytes(42)),), "a transaction has no GTID"),
        ((event(EventType.INCIDENT, b"\1\0"),), "an incident event"),
        ((event(39 + 100, b""),), "unknown event 139"),
        ((event(18, b"LOAD DATA"),), "unknown event 18"),
        ((BEGIN,), "a statement has no GTID before it"),
        ((XID,), "a transaction ends that did not begin"),
        ((gtid(1), gtid(2)), r"a transaction has no end in transaction .*:1"),
        ((gtid(1), table_map(), rows(1)), "rows change outside of a transaction"),
        ((gtid(1), BEGIN, rows(1)), "a row event has no table map before it"),
        ((*GROUP, event(EventType.ROTATE, bytes(8) + b"binlog.2"), rows(1)), "a row event has no table map"),
        ((gtid(1), BEGIN, table_map(kinds=KINDS[:1])), "the table was altered: it has 1 columns instead of 2"),
        ((gtid(1), BEGIN, table_map(kinds=KINDS[::-1])), "the table was altered: its column id has another type"),
        ((*GROUP, event(EventType.PARTIAL_UPDATE_ROWS, (7).to_bytes(6, "little") + bytes(9))), "parts of JSON values"),
        (
            (*GROUP, event(EventType.WRITE_ROWS, (7).to_bytes(6, "little") + b"\1\0\2\0\2\1\0abcd")),
            "all of their columns",
        ),
        ((*GROUP, bytes(DAMAGED)), "its checksum is wrong"),
        ((*GROUP, rows(1)[:-9] + b"crc!"), "its checksum is wrong"),
        ((gtid(1), query("DROP TABLE `t`")), "a statement names the table: DROP TABLE `t`"),
        ((gtid(1), BEGIN, query("UPDATE x SET a = 'secret'")), "logged as text: UPDATE x SET a = '…'"),
        ((gtid(1), query("DROP DATABASE shop")), "its schema was dropped"),
        (
            (event(EventType.FORMAT_DESCRIPTION, format_body(checksums=9), crc=False),),
            "checksums of an unknown kind, 9",
        ),
        ((event(EventType.FORMAT_DESCRIPTION, format_body(bytes(42)), crc=False),), "QUERY have a head of 0 bytes"),
        ((event(EventType.FORMAT_DESCRIPTION, b"\3\0" + format_body()[2:], crc=False),), "has format 3"),
    ],
)
def test_what_ends_the_stream(feed: Feed, events: tuple[bytes, ...], said: str) -> None:
    with pytest.raises(UnsafeChange, match=said) as caught:
        feed(*events)
    assert caught.value.where["table"] == "`shop`.`t`"
    assert caught.value.hint
    assert "secret" not in caught.value.message
    assert feed.frames == []


def test_the_server_of_a_binlog() -> None:
    assert read_format(format_body()).version == 90704
    assert read_format(format_body(version=b"8.0.36-log", checksums=0)) == Format(80036, 0)
