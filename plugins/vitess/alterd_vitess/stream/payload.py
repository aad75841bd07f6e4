"""Compressed transactions, event by event: never all of one in memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO, Final

import zstandard

from alterd_vitess.stream.events import HEAD, read_packed

_SIZE_AT: Final = 9
_AT_ONCE: Final = 1 << 20
_WINDOW: Final = 1 << 31
_END, _LENGTH, _COMPRESSION = 0, 1, 2
_ZSTD, _PLAIN = 0, 255


def payload_events(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(data, where it begins, where it ends) of each event in a transaction payload event; they have no checksums.

    Raises ValueError, zstandard.ZstdError.
    """
    with _content(data, at, end) as content:
        buffer, place = b"", 0
        while True:
            buffer, place = _filled(content, buffer, place, HEAD), 0
            if not buffer:
                return
            size = _size(buffer, 0)
            buffer = _filled(content, buffer, 0, size)
            while True:  # as many as are there
                yield buffer, place, place + size
                place += size
                if len(buffer) - place < HEAD:
                    break
                size = _size(buffer, place)
                if len(buffer) - place < size:
                    break


def _size(buffer: bytes, place: int) -> int:
    """Of the event that begins at `place`."""
    size = int.from_bytes(buffer[place + _SIZE_AT : place + _SIZE_AT + 4], "little")
    if size < HEAD:
        raise ValueError("an event in a compressed transaction has no size")
    return size


def _filled(content: IO[bytes], buffer: bytes, place: int, size: int) -> bytes:
    """What is left of `buffer`, and at least so many bytes; empty at the end."""
    pieces = [buffer[place:]]
    have = len(pieces[0])
    while have < size:
        piece = content.read(max(_AT_ONCE, size - have))
        if not piece:
            if have:
                raise ValueError("a compressed transaction ends within an event")
            break
        pieces.append(piece)
        have += len(piece)
    return b"".join(pieces)


def _content(data: bytes, at: int, end: int) -> IO[bytes]:
    """What the numbered fields at the event's begin say of its content, and the content."""
    size, compression = None, None
    while True:
        field, at = read_packed(data, at)
        if field == _END:
            break
        length, at = read_packed(data, at)
        if field == _LENGTH:
            size, _ = read_packed(data, at)
        elif field == _COMPRESSION:
            compression, _ = read_packed(data, at)
        at += length
    if size != end - at or compression not in (_ZSTD, _PLAIN):
        raise ValueError("a compressed transaction has an unknown form")
    if compression == _PLAIN:
        return io.BytesIO(data[at:end])
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    return decompressor.stream_reader(memoryview(data)[at:end], read_across_frames=True)
