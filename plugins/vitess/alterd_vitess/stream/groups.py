"""XA transactions that touched the table, from their XA PREPARE until they are committed or rolled back.

At XA PREPARE rows and GTID are in the binlog and nobody can read the rows; XA COMMIT, perhaps days and files later,
names the transaction and no row. So the keys are kept by the transaction's xid: some in memory, the rest in a file
without a name.
"""

from __future__ import annotations

import re
import struct
import tempfile
from collections.abc import Iterator
from typing import IO, Final, NamedTuple

import msgspec

from alterd_vitess.stream.events import Gtid

MOST: Final = 1000
"""Prepared transactions on one table; beyond that nobody ends them."""
IN_MEMORY: Final = 200_000
"""Keys of all of them; what comes then is in the file."""

_HEAD: Final = struct.Struct("<xIII")
"""Of an XA prepare event: one phase or two, the format's number, and the lengths of the name's two parts."""
_WRITTEN: Final = re.compile(r"X'((?:[0-9a-f]{2})*)'\s*,\s*X'((?:[0-9a-f]{2})*)'\s*,\s*(\d+)\s*;?\s*$", re.IGNORECASE)


class Xid(NamedTuple):
    """A transaction's name."""

    gtrid: bytes
    bqual: bytes
    number: int
    """Of the format."""


def read_xid(data: bytes, at: int) -> Xid:
    """Of the XA prepare event whose body begins at `at`. Raises struct.error, ValueError."""
    number, gtrid, bqual = _HEAD.unpack_from(data, at)
    at += _HEAD.size
    if max(gtrid, bqual) > 64 or len(data) < at + gtrid + bqual:
        raise ValueError("the name of an XA transaction is cut off")
    return Xid(data[at : at + gtrid], data[at + gtrid : at + gtrid + bqual], number)


def written_xid(text: str) -> Xid | None:
    """Of a statement as the binlog has it: ``XA COMMIT X'6162',X'',1``. None where none stands there."""
    found = _WRITTEN.search(text)
    if found is None:
        return None
    return Xid(bytes.fromhex(found[1]), bytes.fromhex(found[2]), int(found[3]) & 0xFFFFFFFF)


class Group:
    """What one of them touched."""

    def __init__(self) -> None:
        self.gtid = Gtid("", 0)
        """Of its XA PREPARE."""
        self.rows = 0
        self.parts: list[list[bytes] | tuple[int, int]] = []
        """Keys, or where they are in the file."""


class Groups:
    """All that are open."""

    def __init__(self, folder: str = "", in_memory: int = IN_MEMORY) -> None:
        """`folder`: where the file may be; the system's temporary one unless given."""
        self.reading: Group | None = None
        """The transaction that is being read, if it began as an XA transaction."""
        self._folder, self._in_memory = folder, in_memory
        self._open: dict[Xid, Group] = {}
        self._keys = 0
        """In memory."""
        self._file: IO[bytes] | None = None
        self._end = self._pieces = 0
        """Of the file: where it ends, and how many pieces of it are needed still."""

    def __len__(self) -> int:
        return len(self._open)

    @property
    def in_memory(self) -> int:
        """Keys."""
        return self._keys

    def put(self, keys: list[bytes], rows: int) -> None:
        """The transaction that is being read touched them. Raises OSError."""
        group = self.reading = self.reading or Group()
        group.rows += rows
        if self._keys + len(keys) <= self._in_memory:
            self._keys += len(keys)
            group.parts.append(keys)
        else:
            group.parts.append(self._written(keys))

    def prepare(self, xid: Xid, gtid: Gtid) -> bool:
        """The transaction that was being read is prepared. False where there are too many, or the name is taken."""
        group, self.reading = self.reading, None
        if group is None or xid in self._open or len(self._open) >= MOST:
            return False
        group.gtid = gtid
        self._open[xid] = group
        return True

    def end(self, xid: Xid) -> Group | None:
        """It is committed or rolled back, and open no more. Its parts are to be read or dropped."""
        return self._open.pop(xid, None)

    def parts(self, group: Group) -> Iterator[list[bytes]]:
        """Its keys, and forgets them. Raises OSError."""
        while group.parts:
            part = group.parts.pop(0)
            yield self._released(part)

    def drop(self, group: Group) -> None:
        for _ in self.parts(group):
            pass

    def cut_off(self) -> None:
        """The transaction that is being read has no end."""
        group, self.reading = self.reading, None
        if group is not None:
            self.drop(group)

    def _written(self, keys: list[bytes]) -> tuple[int, int]:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="alterd-xa-", dir=self._folder or None)  # noqa: SIM115 - kept
        data = msgspec.msgpack.encode(keys)
        self._file.seek(self._end)
        self._file.write(data)
        piece = self._end, len(data)
        self._end += len(data)
        self._pieces += 1
        return piece

    def _released(self, part: list[bytes] | tuple[int, int]) -> list[bytes]:
        if isinstance(part, list):
            self._keys -= len(part)
            return part
        assert self._file is not None
        start, size = part
        self._file.seek(start)
        keys = msgspec.msgpack.decode(self._file.read(size), type=list[bytes])
        self._pieces -= 1
        if not self._pieces:  # nobody needs it any more
            self._file.close()
            self._file, self._end = None, 0
        return keys
