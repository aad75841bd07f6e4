"""Packets of the server, whole and joined; and a server that says nothing."""

from __future__ import annotations

import random
import socket
import threading

import pytest

from alterd_vitess.stream import wire
from alterd_vitess.stream.errors import StreamLost
from alterd_vitess.stream.wire import LONGEST, Packets


class Wire:
    """A socket that gets what a thread sends."""

    def __init__(self, *pieces: bytes) -> None:
        self._far, self._near = socket.socketpair()
        self.packets = Packets(self._near, "db1:3306")
        self._thread = threading.Thread(target=self._send, args=pieces)
        self._thread.start()

    def _send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._far.sendall(piece)
        self._far.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Packets:
        return self.packets

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._far.close()
        self._near.close()


def packet(content: bytes) -> bytes:
    return len(content).to_bytes(3, "little") + b"\0" + content


def test_packets_are_handed_out_when_they_are_whole() -> None:
    whole = packet(b"one") + packet(b"") + packet(b"x" * 300_000)
    with Wire(whole[:2], whole[2:9], whole[9:]) as packets:
        seen = b""
        for length in (7, 4, 300_004):
            data, alone = packets.some()
            assert not alone
            assert len(data) >= length
            seen += data[:length]
            packets.give_back(data[length:])
        assert seen == whole
        with pytest.raises(StreamLost, match="change stream of db1:3306 ended: it closed the connection"):
            packets.some()


@pytest.mark.parametrize("rest", [0, 1, LONGEST, LONGEST + 5])
def test_long_packets_are_joined(rest: int) -> None:
    content = random.Random(rest).randbytes(LONGEST) + b"z" * rest
    pieces = [content[at : at + LONGEST] for at in range(0, len(content) + 1, LONGEST)]
    sent = b"".join(packet(piece) for piece in pieces)
    with Wire(packet(b"first"), sent, packet(b"last")) as packets:
        data, _ = packets.some()
        packets.give_back(data[9:])
        data, alone = packets.some()
        assert alone
        assert data[4:] == content
        data, alone = packets.some()
        assert (data, alone) == (packet(b"last"), False)


def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "SILENCE", 0.01)
    far, near = socket.socketpair()
    with far, near, pytest.raises(StreamLost, match=r"said nothing for 0\.01 s"):
        Packets(near, "db1:3306").some()
