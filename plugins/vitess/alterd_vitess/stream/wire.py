"""Packets of MySQL's protocol, straight off a connection's socket."""

from __future__ import annotations

import socket
import struct
from typing import Final

from alterd_vitess.stream.errors import lost

SILENCE: Final = 20.0
"""Seconds without a byte, although heartbeats are due twice a second."""
_AT_ONCE: Final = 256 * 1024
HEAD: Final = 4
"""Bytes before a packet: its length in three, its number."""
LONGEST: Final = 0xFFFFFF
"""A packet of this length goes on in the next one."""
_LENGTH: Final = struct.Struct("<I")


class Packets:
    """Reads a socket, TLS or not, in large pieces. For one thread."""

    def __init__(self, wire: socket.socket, server: str) -> None:
        self._wire = wire
        self._server = server
        self._data = b""
        wire.settimeout(SILENCE)

    def some(self) -> tuple[bytes, bool]:
        """Bytes that begin with at least one whole packet; the reader gives back what it did not use. Waits.

        True: the bytes are one packet alone, in pieces on the wire for it is beyond 16 MiB, behind a head that says
        nothing. Raises `StreamLost`.
        """
        data = self._until(self._data, HEAD)
        length = _LENGTH.unpack_from(data)[0] & LONGEST
        if length == LONGEST:
            return self._joined(data), True
        return self._until(data, HEAD + length), False

    def give_back(self, rest: bytes) -> None:
        self._data = rest

    def _joined(self, data: bytes) -> bytes:
        pieces = [b"\0" * HEAD]
        length = LONGEST
        while length == LONGEST:
            data = self._until(data, HEAD)
            length = _LENGTH.unpack_from(data)[0] & LONGEST
            data = self._until(data, HEAD + length)
            pieces.append(data[HEAD : HEAD + length])
            data = data[HEAD + length :]
        self._data = data
        return b"".join(pieces)

    def _until(self, data: bytes, length: int) -> bytes:
        """`data` and what follows it, at least `length` bytes."""
        if len(data) >= length:
            return data
        pieces, have = [data], len(data)
        while have < length:
            piece = self._more()
            pieces.append(piece)
            have += len(piece)
        return b"".join(pieces)

    def _more(self) -> bytes:
        try:
            data = self._wire.recv(_AT_ONCE)
        except TimeoutError as error:
            raise lost(self._server, f"it said nothing for {SILENCE:g} s") from error
        except OSError as error:
            raise lost(self._server, f"{error}") from error
        if not data:
            raise lost(self._server, "it closed the connection")
        return data
