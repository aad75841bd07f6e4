"""From binlog events to frames: some whole transactions, or a part of a large one."""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

import zstandard

from alterd_runtime.mysql.quoting import qualified
from alterd_vitess.gtid import GtidSet
from alterd_vitess.stream.decoder import Mismatch, NotFull
from alterd_vitess.stream.errors import UnsafeChange
from alterd_vitess.stream.events import (
    FLAGS_BEFORE,
    HEAD,
    IGNORABLE,
    PASSED_OVER,
    ROW_EVENTS,
    TYPE_BEFORE,
    EventType,
    Gtid,
    check,
    is_one_phase,
    read_format,
    read_gtid,
    read_tagged_gtid,
)
from alterd_vitess.stream.frames import Frame
from alterd_vitess.stream.groups import MOST, Group, Groups, read_xid, written_xid
from alterd_vitess.stream.payload import payload_events
from alterd_vitess.stream.queries import read_query, text_at
from alterd_vitess.stream.statements import Meaning, Watched, meaning, shown
from alterd_vitess.stream.touched import Touched

MOST_KEYS: Final = 20_000
MOST_BYTES: Final = 256 * 1024
"""Of keys in a frame, from which on no further transaction is put into it."""
PART_BYTES: Final = 16 * 1024 * 1024
"""Of row events, from which on a transaction is sent in parts; or when it has more than `MOST_KEYS`."""

UNREADABLE: Final = (ValueError, LookupError, struct.error, zstandard.ZstdError)
"""What handlers raise for events that are not as they should be."""

Handler = Callable[[bytes, int, int], None]
"""(data, where the event's body begins, where the event ends)."""

_SID: Final = 16
_GNO: Final = struct.Struct("<q")
_BEGIN: Final = b"BEGIN"
_XA: Final = "commit or roll back what XA RECOVER shows, and submit the change again"
_LOOK: Final = "the table may be another one now: look at it, and submit the change again"
_USE_ROWS: Final = "set binlog_format=ROW in all sessions, and submit the change again"
_REPORT: Final = "it comes from a server that alterd does not know well enough: report it with the server's version"
_BEGINNINGS: Final = frozenset({Meaning.BEGINS, Meaning.XA_BEGINS})
_XA_ENDINGS: Final = frozenset({Meaning.XA_COMMITS, Meaning.XA_ROLLS_BACK})
_FATAL: Final = {
    Meaning.ROWS: ("rows of the schema are changed by a statement that is logged as text", _USE_ROWS),
    Meaning.DDL: ("a statement names the table", _LOOK),
    Meaning.DROPS_SCHEMA: ("its schema was dropped", "nothing is left to change"),
}


class State(Enum):
    """Of the transaction that is being read."""

    NONE = auto()
    NAMED = auto()
    """Its GTID was seen."""
    OPEN = auto()


class Transactions:
    """Events in, frames out. `emit` gets these; `flush` makes one of all that is complete."""

    def __init__(
        self,
        watched: Watched,
        touched: Touched,
        marker: str,
        emit: Callable[[Frame], None],
        groups: Groups | None = None,
    ) -> None:
        self._watched, self._touched, self._marker, self._emit = watched, touched, marker, emit
        self._groups = groups or Groups()
        self._version = self._crc = 0
        self._state = State.NONE
        self._gtid = Gtid("", 0)
        self._sids: dict[bytes, str] = {}
        self._pending = 0
        """Complete transactions that are in no frame yet."""
        self._in_parts = False
        """Some of what the transaction touched was sent already."""
        self._gtids, self._touching, self._prepared = GtidSet(), GtidSet(), GtidSet()
        self._keys: dict[bytes, None] = {}
        self._bytes = self._rows = 0
        self.handlers = self._made_handlers()
        """By the event's type."""

    def _made_handlers(self) -> list[Handler]:
        checked: dict[int, Handler] = {
            EventType.GTID: self._named,
            EventType.TAGGED_GTID: self._tagged,
            EventType.ANONYMOUS_GTID: self._anonymous,
            EventType.QUERY: self._query,
            EventType.XID: self._xid,
            EventType.XA_PREPARE: self._xa_prepare,
            EventType.TRANSACTION_PAYLOAD: self._payload,
            EventType.TABLE_MAP: self._table_map,
            EventType.PARTIAL_UPDATE_ROWS: self._partial,
        }
        unchecked: dict[int, Handler] = {
            EventType.FORMAT_DESCRIPTION: self._format,
            EventType.ROTATE: self._rotate,
            EventType.INCIDENT: self._incident,
            **dict.fromkeys(ROW_EVENTS, self._row_event),  # checked when they are the table's
            **dict.fromkeys(PASSED_OVER, self._pass),
        }
        known = {kind: self._checked(handler) for kind, handler in checked.items()} | unchecked
        return [known.get(kind, self._unknown) for kind in range(256)]

    def _checked(self, handler: Handler) -> Handler:
        def check_and_handle(data: bytes, at: int, end: int) -> None:
            if self._crc:
                check(data, at - HEAD, end)
            handler(data, at, end)

        return check_and_handle

    def event(self, data: bytes, start: int, end: int) -> None:
        """Takes an event, its head at `start`. Raises `UnsafeChange`."""
        try:
            self.handlers[data[start + 4]](data, start + HEAD, end)
        except UNREADABLE as error:
            raise self.unreadable(data[start + 4], error) from error

    def flush(self) -> None:
        """Sends what is complete, if anything is."""
        if not self._pending:
            return
        frame = Frame(
            self._gtids.intervals(),
            self._touching.intervals(),
            list(self._keys),
            self._rows,
            self._prepared.intervals(),
        )
        self._emit(frame)
        self._gtids, self._touching, self._prepared = GtidSet(), GtidSet(), GtidSet()
        self._keys = {}
        self._pending = self._bytes = self._rows = 0

    def unsafe(self, what: str, hint: str) -> UnsafeChange:
        """The error, which names the table and the transaction."""
        table = qualified(self._watched.table_schema, self._watched.table)
        known = {} if self._state is State.NONE else {"gtid": f"{self._gtid.sid}:{self._gtid.gno}"}
        at = f" in transaction {known['gtid']}" if known else ""
        return UnsafeChange(f"the changes of {table} cannot be followed: {what}{at}", hint=hint, table=table, **known)

    def unreadable(self, kind: int, error: Exception) -> UnsafeChange:
        """The error for an event of that type whose handler raised one of `UNREADABLE`."""
        return self.unsafe(f"an event of type {kind} cannot be read: {error}", _REPORT)

    def _format(self, data: bytes, at: int, end: int) -> None:
        found = read_format(data[at:end])
        self._version, self._crc = found.version, found.crc
        if self._state is not State.NONE:  # the server died in the middle of it: it was never committed
            self._touched.clear()
            self._groups.cut_off()
            self._state, self._in_parts = State.NONE, False
        self._touched.forget_tables()

    def _rotate(self, _data: bytes, _at: int, _end: int) -> None:
        self._touched.forget_tables()

    def _pass(self, _data: bytes, _at: int, _end: int) -> None:
        return

    def _named(self, data: bytes, at: int, _end: int) -> None:
        source = data[at + 1 : at + 1 + _SID]
        sid = self._sids.get(source)
        if sid is None:
            sid = self._sids[source] = read_gtid(data, at).sid
        self._begin(Gtid(sid, _GNO.unpack_from(data, at + 1 + _SID)[0]))

    def _tagged(self, data: bytes, at: int, _end: int) -> None:
        self._begin(read_tagged_gtid(data, at))

    def _begin(self, gtid: Gtid) -> None:
        if self._state is not State.NONE:
            raise self.unsafe("a transaction has no end", _REPORT)
        self._gtid = gtid
        self._state = State.NAMED

    def _xid(self, _data: bytes, _at: int, _end: int) -> None:
        self._end()

    def _end(self) -> None:
        """What the transaction touched becomes part of the next frame."""
        if self._state is State.NONE:
            raise self.unsafe("a transaction ends that did not begin", _REPORT)
        if self._groups.reading is not None:  # XA COMMIT … ONE PHASE
            self._send(self._groups.reading)
            self._groups.reading = None
        sid, gno = self._gtid
        self._gtids.add(sid, gno, gno)
        touched = self._touched
        if touched.keys or self._in_parts:
            self._in_parts = False
            self._touching.add(sid, gno, gno)
            self._keys.update(touched.keys)
            self._bytes += sum(map(len, touched.keys))
            self._rows += touched.rows
            touched.clear()
        self._over()

    def _over(self) -> None:
        self._state = State.NONE
        self._pending += 1
        if self._bytes > MOST_BYTES or len(self._keys) > MOST_KEYS:
            self.flush()

    def _part(self) -> None:
        """What the transaction touched so far goes on its way: never all of a large one in memory."""
        touched = self._touched
        if self._groups.reading is not None:  # nobody knows yet whether it is only prepared
            self._groups.put(list(touched.keys), touched.rows)
        else:
            self.flush()
            sid, gno = self._gtid
            self._emit(Frame([], [(sid, gno, gno)], list(touched.keys), touched.rows))
            self._in_parts = True
        touched.clear()

    def _send(self, group: Group) -> None:
        """All that a group touched was touched by the transaction that is being read; the last part stays here."""
        touched = self._touched
        sid, gno = self._gtid
        for keys in self._groups.parts(group):
            if touched.keys:
                self.flush()
                self._emit(Frame([], [(sid, gno, gno)], list(touched.keys), touched.rows))
                self._in_parts = True
                touched.clear()
            touched.keys |= dict.fromkeys(keys)
        touched.rows += group.rows

    def _query(self, data: bytes, at: int, end: int) -> None:
        end -= self._crc
        text = text_at(data, at)
        if end - text == len(_BEGIN) and data[text:end] == _BEGIN:
            self._means(Meaning.BEGINS, "")
            return
        query = read_query(data, at, end)
        found = meaning(query, self._watched, marker=self._marker, version=self._version)
        if found in _FATAL:
            what, hint = _FATAL[found]
            raise self.unsafe(f"{what}: {shown(query)}", hint)
        self._means(found, query.text)

    def _means(self, found: Meaning, text: str) -> None:
        if self._state is State.NONE:
            raise self.unsafe("a statement has no GTID before it", _REPORT)
        if found in _BEGINNINGS:
            self._state = State.OPEN
            if found is Meaning.XA_BEGINS:
                self._groups.reading = Group()
        elif found in _XA_ENDINGS:
            self._xa_end(text, found)
        elif found is Meaning.ENDS or (found is Meaning.HARMLESS and self._state is State.NAMED):
            self._end()  # DDL is a transaction of its own

    def _xa_prepare(self, data: bytes, at: int, _end: int) -> None:
        """The end of an XA transaction's rows: they are kept, or committed at once."""
        groups, touched = self._groups, self._touched
        if is_one_phase(data, at):
            self._end()
            return
        if touched.keys:
            groups.put(list(touched.keys), touched.rows)
            touched.clear()
        if groups.reading is None or not groups.reading.parts:
            groups.reading = None
            self._end()
            return
        if self._state is not State.OPEN:
            raise self.unsafe("a transaction ends that did not begin", _REPORT)
        if not groups.prepare(read_xid(data, at), self._gtid):
            raise self.unsafe(
                f"one of more than {MOST} prepared XA transactions, or one of the same name, follows", _XA
            )
        sid, gno = self._gtid
        self._prepared.add(sid, gno, gno)
        self._over()

    def _xa_end(self, text: str, how: Meaning) -> None:
        """XA COMMIT or XA ROLLBACK of what was prepared: only from here on its rows can be read."""
        xid = written_xid(text)
        if xid is None and len(self._groups):
            raise self.unsafe(f"an XA transaction ends whose name cannot be read: {text}", _REPORT)
        group = self._groups.end(xid) if xid is not None else None
        if group is not None:
            if how is Meaning.XA_COMMITS:
                self._send(group)
            else:
                self._groups.drop(group)
            sid, gno = group.gtid
            self._gtids.add(sid, gno, gno)
        self._end()

    def _payload(self, data: bytes, at: int, end: int) -> None:
        crc, self._crc = self._crc, 0
        for content, start, stop in payload_events(data, at, end - crc):
            self.event(content, start, stop)
        self._crc = crc

    def _table_map(self, data: bytes, at: int, end: int) -> None:
        try:
            self._touched.table_map(data, at, end - self._crc)
        except Mismatch as error:
            raise self.unsafe(f"the table was altered: {error}", _LOOK) from error

    def _row_event(self, data: bytes, at: int, end: int) -> None:
        if self._state is not State.OPEN:
            raise self.unsafe("rows change outside of a transaction", _REPORT)
        decoder = self._touched.decoder_of(data, at)
        if decoder is None:
            return
        if self._crc:
            check(data, at - HEAD, end)
        try:
            self._touched.row_event(decoder, data, at, end - self._crc)
        except NotFull as error:
            raise self.unsafe(
                "a session logs rows without all of their columns",
                "set binlog_row_image=FULL in all sessions, and submit the change again",
            ) from error
        touched = self._touched
        if len(touched.keys) > MOST_KEYS or touched.bytes > PART_BYTES:
            self._part()

    def _partial(self, data: bytes, at: int, _end: int) -> None:
        if self._touched.decoder_of(data, at) is not None:
            raise self.unsafe(
                "a session logs parts of JSON values",
                "clear binlog_row_value_options in all sessions, and submit the change again",
            )

    def _anonymous(self, _data: bytes, _at: int, _end: int) -> None:
        raise self.unsafe("a transaction has no GTID", "set gtid_mode=ON on the server, and submit the change again")

    def _incident(self, _data: bytes, _at: int, _end: int) -> None:
        raise self.unsafe("the server lost events that belong here (an incident event)", _LOOK)

    def _unknown(self, data: bytes, at: int, _end: int) -> None:
        if not data[at - FLAGS_BEFORE] & IGNORABLE:
            raise self.unsafe(f"unknown event {data[at - TYPE_BEFORE]}", _REPORT)
