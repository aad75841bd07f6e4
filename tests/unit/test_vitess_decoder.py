"""From bytes of the binlog to keys and transactions, with events made here."""

from __future__ import annotations

import random
import struct
import zlib
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from alterd_vitess.keys import Key, KeyColumn
from alterd_vitess.stream import decoder as decoding
from alterd_vitess.stream.decoder import Decoder, Mismatch, NotFull
from alterd_vitess.stream.events import read_number, read_tagged_gtid
from alterd_vitess.stream.payload import payload_events
from alterd_vitess.stream.queries import read_query
from alterd_vitess.stream.tablemaps import TableMap, read_table_map

Content = bytes | None


def packed(number: int) -> bytes:
    if number < 251:
        return bytes([number])
    return b"\xfc" + number.to_bytes(2, "little")


class Kind:
    """A type of column: its number and metadata, bytes of a length before the content, bytes of a fixed content."""

    def __init__(self, number: int, meta: bytes = b"", *, fixed: int = 0, prefix: int = 0) -> None:
        self.number, self.meta, self.fixed, self.prefix = number, meta, fixed, prefix

    def content(self, source: random.Random) -> bytes:
        return source.randbytes(self.fixed if not self.prefix else source.choice([0, 1, 3, 200]))

    def encoded(self, content: bytes) -> bytes:
        return (len(content).to_bytes(self.prefix, "little") if self.prefix else b"") + content


KINDS = [
    *(Kind(number, fixed=size) for number, size in {1: 1, 2: 2, 9: 3, 3: 4, 8: 8, 13: 1, 10: 3}.items()),
    Kind(4, b"\x04", fixed=4),
    Kind(5, b"\x08", fixed=8),
    *(Kind(17, bytes([fsp]), fixed=4 + (fsp + 1) // 2) for fsp in (0, 1, 6)),
    *(Kind(18, bytes([fsp]), fixed=5 + (fsp + 1) // 2) for fsp in (0, 3, 4)),
    *(Kind(19, bytes([fsp]), fixed=3 + (fsp + 1) // 2) for fsp in (0, 2, 5)),
    *(Kind(246, bytes([p, s]), fixed=size) for p, s, size in [(10, 2, 5), (65, 30, 30), (1, 0, 1), (9, 9, 4)]),
    Kind(15, b"\xff\x00", prefix=1),
    Kind(15, b"\x00\x01", prefix=2),
    Kind(16, b"\x01\x01", fixed=2),
    Kind(16, b"\x00\x08", fixed=8),
    *(Kind(number, bytes([size]), prefix=size) for number in (252, 245, 255, 242) for size in (1, 2, 3, 4)),
    Kind(254, b"\xfe\xc8", prefix=1),
    Kind(254, b"\xee\x90", prefix=2),  # 400 bytes: two bits of the length are in the type
    Kind(254, b"\xf7\x02", fixed=2),
    Kind(254, b"\xf8\x08", fixed=8),
]
KEYS = [
    (KeyColumn(name="a", data_type="int"), Kind(3, fixed=4)),
    (KeyColumn(name="b", data_type="bigint", unsigned=True), Kind(8, fixed=8)),
    (KeyColumn(name="c", data_type="binary", length=5), Kind(254, b"\xfe\x05", prefix=1)),
    (KeyColumn(name="d", data_type="varbinary", length=300), Kind(15, b"\x2c\x01", prefix=2)),
    (KeyColumn(name="e", data_type="mediumint"), Kind(9, fixed=3)),
]


def key_value(column: KeyColumn, source: random.Random) -> tuple[Any, bytes]:
    """What PyMySQL would return, and the binlog's content."""
    match column.data_type:
        case "binary":
            value = bytes(source.choices([0, 1, 255], k=source.randint(0, 5)))
            return value.ljust(5, b"\0"), value.rstrip(b"\0")
        case "varbinary":
            value = bytes(source.choices([0, 1, 255], k=source.randint(0, 9)))
            return value, value
        case _:
            size = {"int": 4, "bigint": 8, "mediumint": 3}[column.data_type]
            content = source.randbytes(size)
            return int.from_bytes(content, "little", signed=not column.unsigned), content


def bitmap(bits: list[bool], rest: bool = False) -> bytes:
    bits = [*bits, *([rest] * (-len(bits) % 8))]
    return sum(bit << number for number, bit in enumerate(bits)).to_bytes(len(bits) // 8, "little")


def map_body(kinds: list[Kind], nullable: list[bool], schema: bytes = b"shop", table: bytes = b"t") -> bytes:
    names = bytes([len(schema)]) + schema + b"\0" + bytes([len(table)]) + table + b"\0"
    metas = b"".join(kind.meta for kind in kinds)
    types = bytes(kind.number for kind in kinds)
    return names + packed(len(kinds)) + types + packed(len(metas)) + metas + bitmap(nullable) + b"\x01\x02metadata"


def image(kinds: list[Kind], contents: list[Content]) -> bytes:
    # MySQL leaves the bits behind the last column set
    found = bitmap([content is None for content in contents], rest=True)
    return found + b"".join(kind.encoded(c) for kind, c in zip(kinds, contents, strict=True) if c is not None)


class Example:
    """A table with a key somewhere in it, rows of it, and the keys these must give."""

    def __init__(self, seed: int, others: int, key_columns: int, rows: int) -> None:
        source = random.Random(seed)
        slots: list[tuple[KeyColumn | None, Kind]] = [(None, source.choice(KINDS)) for _ in range(others)]
        chosen = source.sample(KEYS, key_columns)
        for slot in chosen:
            slots.insert(source.randint(0, len(slots)), slot)
        self.kinds = [kind for _, kind in slots]
        self.nullable = [column is None and source.random() < 0.7 for column, _ in slots]
        columns = [column for column, _ in chosen]
        self.key = Key(name="k", columns=tuple(columns))
        self.positions = tuple(next(at for at, slot in enumerate(slots) if slot[0] is column) for column in columns)
        self.images: list[bytes] = []
        self.keys: dict[bytes, None] = {}
        for _ in range(rows):
            values = {column.name: key_value(column, source) for column in columns}
            contents: list[Content] = [
                values[column.name][1] if column else None if can and source.random() < 0.5 else kind.content(source)
                for (column, kind), can in zip(slots, self.nullable, strict=True)
            ]
            self.images.append(image(self.kinds, contents))
            self.keys[self.key.of_row([values[column.name][0] for column in columns])] = None

    @property
    def table(self) -> TableMap:
        return read_table_map(map_body(self.kinds, self.nullable))

    def event(self, updates: bool = False) -> bytes:
        """A row event behind its own head."""
        present = bitmap([True] * len(self.kinds)) * (1 + updates)
        return packed(len(self.kinds)) + present + b"".join(self.images)


examples = st.builds(Example, st.integers(), st.integers(0, 20), st.integers(1, 3), st.sampled_from([2, 4, 30]))


@pytest.mark.parametrize("many", [0, 3, 64])
def test_keys_are_found_wherever_they_stand(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MANY", many)

    @given(examples, st.booleans())
    def check(example: Example, updates: bool) -> None:
        found: dict[bytes, None] = {}
        body = b"before" + example.event(updates) + b"behind"
        decoder = Decoder(example.key, example.table, example.positions)
        for _ in range(2):
            rows = decoder.read(body, 6, len(body) - 6, found, updates)
            assert list(found) == list(example.keys)
            assert rows == len(example.images) // (1 + updates)

    check()


@given(examples)
def test_an_event_that_is_cut_off_is_no_event(example: Example) -> None:
    body = example.event()
    decoder = Decoder(example.key, example.table, example.positions)
    start = len(body) - len(example.images[-1])
    for end in range(start + 1, len(body)):
        with pytest.raises((ValueError, IndexError)):
            decoder.read(body[:end], 0, end, {}, updates=False)


def test_an_event_must_hold_all_columns_and_the_key() -> None:
    example = Example(1, others=9, key_columns=1, rows=2)
    decoder = Decoder(example.key, example.table, example.positions)
    body = bytearray(example.event())
    body[1] &= 0b1111_0111
    with pytest.raises(NotFull):
        decoder.read(bytes(body), 0, len(body), {}, updates=False)
    contents: list[Content] = [None] * 10
    nulls = packed(10) + bitmap([True] * 10) + image(example.kinds, contents)
    with pytest.raises(ValueError, match="a column of the key is NULL"):
        decoder.read(nulls, 0, len(nulls), {}, updates=False)
    with pytest.raises(ValueError, match="its table map 10"):
        decoder.read(packed(9) + bytes(body[1:]), 0, len(body), {}, updates=False)


def test_a_key_of_another_type_is_another_table() -> None:
    table = read_table_map(map_body([Kind(8, fixed=8)], [False]))
    with pytest.raises(Mismatch, match="its column a has another type"):
        Decoder(Key(name="k", columns=(KEYS[0][0],)), table, (0,))


def test_types_that_are_not_known_are_refused() -> None:
    with pytest.raises(ValueError, match="type that is not known, 243"):
        read_table_map(map_body([Kind(243, fixed=1)], [False]))
    with pytest.raises(ValueError, match="has metadata of 4 bytes, not 2"):
        read_table_map(map_body([Kind(15, b"\1\0\0\0", prefix=1)], [False]))


@given(st.integers(0, 2**64 - 1))
def test_numbers_of_variable_length(number: int) -> None:
    size = next(size for size in range(1, 10) if size == 9 or number < 1 << 7 * size)
    head = (1 << size - 1) - 1
    made = (number << size | head).to_bytes(size, "little") if size < 9 else b"\xff" + number.to_bytes(8, "little")
    assert read_number(b"x" + made, 1) == (number, 1 + size)
    with pytest.raises((ValueError, IndexError)):
        read_number(made[:-1], 0)


TAGGED = bytes.fromhex(
    "02760000000225024c3902cd039503f422c5038102c10204f103000000020410060a7461675f3108100a140c7f36bbdb8bc46006"
)
"""As MySQL 9.7.4 sent it."""


def test_a_tagged_gtid() -> None:
    assert read_tagged_gtid(b"head" + TAGGED, 4) == ("89268ef3-e57a-11f1-a0b0-02fc00000001:tag_1", 4)
    with pytest.raises(ValueError, match="has version 3"):
        read_tagged_gtid(b"\x06" + TAGGED[1:], 0)


def query_body(text: bytes, status: bytes = b"", schema: bytes = b"shop") -> bytes:
    return struct.pack("<IIBHH", 7, 0, len(schema), 0, len(status)) + status + schema + b"\0" + text


@pytest.mark.parametrize(
    ("status", "updated", "sql_mode"),
    [
        (b"", None, None),
        (b"\0abcd\1\4\0\0\0\0\0\0\0\x0c\2shop\0other\0", {"shop", "other"}, 4),
        (b"\x0c\0\1\x05\0\0\0\0\0\0\0", set(), 5),
        (b"\x0c\xfe\1\x05\0\0\0\0\0\0\0", None, 5),
        (b"\2\3std\0\6\3std\5\3UTC\x0b\1u\2lo\x0c\1a\0", {"a"}, None),
        (b"\3abcd\7ab\x08ab\x09abcdefgh\x0aabcd\x0dabc\x10a\x11abcdefgh\x12ab\x13a\x14a\x0c\1a\0", {"a"}, None),
        (b"\x99\x0c\1a\0", None, None),  # behind an unknown one nothing is known
    ],
)
def test_a_statement_and_its_session(status: bytes, updated: set[str] | None, sql_mode: int | None) -> None:
    body = query_body(b"DROP TABLE x", status)
    found = read_query(b"**" + body + b"behind", 2, 2 + len(body))
    assert (found.text, found.schema, found.sql_mode) == ("DROP TABLE x", "shop", sql_mode)
    assert found.updated == updated


def test_a_statement_in_its_sessions_charset() -> None:
    def text(charset: int, written: bytes) -> str:
        body = query_body(written, b"\4" + struct.pack("<HHH", charset, 1, 1))
        return read_query(body, 0, len(body)).text

    assert text(255, "größe".encode()) == "größe"
    assert text(8, "größe".encode("latin-1")) == "größe"
    assert text(28, "表".encode("gbk")) == "表"
    assert text(255, b"gr\xf6") == "gr\ufffd"
    assert text(9999, b"x\xff") == "x\ufffd"


def event(kind: int, body: bytes, *, crc: bool = True, flags: int = 0) -> bytes:
    made = struct.pack("<IBIIIH", 0, kind, 1, 19 + len(body) + 4 * crc, 0, flags) + body
    return made + struct.pack("<I", zlib.crc32(made)) * crc


def payload(content: bytes, *, kind: int = 0) -> bytes:
    size, compression = packed(len(content)), packed(kind)
    return b"\2" + packed(len(compression)) + compression + b"\1" + packed(len(size)) + size + b"\0" + content


def test_events_of_a_compressed_transaction() -> None:
    events = [event(1, b"x" * size, crc=False) for size in (0, 1, 3_000_000, 5, 1 << 20)]
    whole = b"".join(events)
    frames = zstandard.compress(whole[:100]) + zstandard.compress(whole[100:])
    made = b"xx" + payload(frames)
    assert [data[start:end] for data, start, end in payload_events(made, 2, len(made))] == events
    plain = payload(events[0] + events[1], kind=255)
    assert [data[start:end] for data, start, end in payload_events(plain, 0, len(plain))] == events[:2]


@pytest.mark.parametrize(
    "made",
    [
        payload(zstandard.compress(event(1, b"abc", crc=False)[:-1])),
        payload(zstandard.compress(event(1, b"abc", crc=False))[:-3]),
        payload(zstandard.compress(event(1, b"abc", crc=False)), kind=7),
        payload(b"abc") + b"more",
        payload(bytes(40), kind=255),
    ],
)
def test_a_compressed_transaction_that_is_not_whole(made: bytes) -> None:
    with pytest.raises((ValueError, zstandard.ZstdError)):
        list(payload_events(made, 0, len(made)))
