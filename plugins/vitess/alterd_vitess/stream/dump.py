"""A dump of a server's binlog, as a replica gets it: asked for, and taken off the wire."""

from __future__ import annotations

import socket
import struct
import uuid
from typing import Final

from alterd_contracts.errors import AlterdError
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_vitess.gtid import GtidSet
from alterd_vitess.stream.errors import StreamLost, StreamRefused, UnsafeChange, lost
from alterd_vitess.stream.transactions import UNREADABLE, Transactions
from alterd_vitess.stream.wire import LONGEST, Packets

HEARTBEAT: Final = 0.5
"""Seconds after which a silent server says that it lives."""
SEND_PATIENCE: Final = 31_536_000
"""Seconds for which the server waits while we take nothing: a run may be throttled for long."""

_COMMAND: Final = 0x1E
_NO_FILE_POSITION: Final = 4
_PACKET: Final = struct.Struct("<IB4xB")
"""Length and number, answer, then the event: time and type."""
_HEADS: Final = 24
"""Bytes before an event's body."""
_EVENT_AT: Final = 5
_ERROR: Final = 0xFF
_END: Final = 0xFE
_LENGTH: Final = struct.Struct("<I")

_SETUP: Final = f"""
SET @source_binlog_checksum = @@global.binlog_checksum, @master_binlog_checksum = @@global.binlog_checksum,
    @source_heartbeat_period = {HEARTBEAT * 1e9:.0f}, @master_heartbeat_period = {HEARTBEAT * 1e9:.0f},
    @replica_uuid = %s, @slave_uuid = %s, SESSION net_write_timeout = {SEND_PATIENCE}
"""

_FATAL_READ: Final = 1236
_REPLACED: Final = "same server_uuid/server_id"
"""In the text for a dump that gives way to another one."""
_SHUT_DOWN: Final = frozenset({1053, 1077, 1079, 1080, 1152, 1317, 3169, 4031})
_NO_PRIVILEGE: Final = frozenset({1044, 1045, 1142, 1227})


class Dump:
    """Events from a GTID set on. The session is of no other use any more."""

    def __init__(self, session: BlockingSession) -> None:
        self._session = session
        wire: socket.socket = session.connection._sock  # type: ignore[attr-defined]
        self._wire = wire
        self._packets = Packets(wire, str(session.address))

    def ask(self, start: GtidSet, server_id: int) -> None:
        """Asks for all that is not in `start`. A fresh uuid: the server ends an older dump of the same replica."""
        replica = str(uuid.uuid4())
        self._session.execute(_SETUP, (replica, replica))
        known = start.encode()
        body = struct.pack("<BHIIQI", _COMMAND, 0, server_id, 0, _NO_FILE_POSITION, len(known)) + known
        try:
            self._wire.sendall(struct.pack("<I", len(body)) + body)
        except OSError as error:
            raise self._lost(str(error)) from error

    def read(self, transactions: Transactions) -> None:
        """Takes in what is there, waiting for something. Raises what ends the stream."""
        data, alone = self._packets.some()
        if alone:
            transactions.event(data, _EVENT_AT, len(data))
            return
        self._packets.give_back(data[self._take(data, transactions) :])

    def _take(self, data: bytes, transactions: Transactions) -> int:
        """Hands out the events of all whole packets: where these end."""
        at, size, kind = 0, len(data), 0
        unpack, handlers = _PACKET.unpack_from, transactions.handlers
        try:
            while at + _HEADS <= size:
                head, answer, kind = unpack(data, at)
                length = head & LONGEST
                end = at + 4 + length
                if end > size or length == LONGEST:
                    return at
                if answer:
                    raise self._refusal(data[at + 4 : end])
                handlers[kind](data, at + _HEADS, end)
                at = end
        except UNREADABLE as error:
            raise transactions.unreadable(kind, error) from error
        if at + _EVENT_AT <= size:
            end = at + 4 + (_LENGTH.unpack_from(data, at)[0] & LONGEST)
            if end <= size:  # too short for an event
                raise self._refusal(data[at + 4 : end])
        return at

    def _refusal(self, packet: bytes) -> AlterdError:
        """What the server says instead of an event."""
        if packet[0] == _ERROR:
            number = int.from_bytes(packet[1:3], "little")
            text = packet[3:].decode("utf-8", "replace")
            return self._error(number, text[6:] if text.startswith("#") else text)
        if packet[0] == _END:
            return self._lost("it ended the dump")
        return self._lost("it sent a packet that is no event")

    def _error(self, number: int, text: str) -> AlterdError:
        said = f"MySQL error {number}: {text}"
        server = self._session.address
        if number in _SHUT_DOWN or (number == _FATAL_READ and _REPLACED in text):
            return self._lost(said)
        if number in _NO_PRIVILEGE:
            return StreamRefused(
                f"{server} does not send its binlog: {said}",
                hint="grant REPLICATION SLAVE ON *.* to the account that alterd uses on this shard",
                server=server,
            )
        if number != _FATAL_READ:
            return StreamRefused(f"{server} does not send its binlog: {said}", server=server)
        hint = "submit the change again: it begins anew"
        if "purged" in text:
            hint += "; raise binlog_expire_logs_seconds if binlogs are purged within hours"
        return UnsafeChange(f"{server} has not the whole binlog that is needed: {said}", hint=hint, server=server)

    def _lost(self, why: str) -> StreamLost:
        return lost(str(self._session.address), why)
