"""One address for applications, behind which the primary changes: what a proxy or a virtual IP is in production."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

from alterd_contracts.topology import ServerAddress

BLOCK = 65536


class Vip:
    """Leads to one server at a time, or to none: then connections end at once."""

    def __init__(self, target: ServerAddress | None = None) -> None:
        self._target = target
        self._guard = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._threads: list[threading.Thread] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self._accepting = threading.Thread(target=self._accept, name="vip", daemon=True)

    @property
    def address(self) -> ServerAddress:
        host, port = self._door.getsockname()
        return ServerAddress(host, port)

    def point(self, target: ServerAddress | None) -> None:
        """From now on new connections go there; those that are open are cut."""
        with self._guard:
            self._target = target
            pairs = list(self._pairs)
        for pair in pairs:
            _cut(pair)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._door.close()
        self.point(None)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                ours, _ = self._door.accept()
            except OSError:
                return  # closed
            thread = threading.Thread(target=self._carry, args=(ours,), name="vip", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _carry(self, ours: socket.socket) -> None:
        """One connection to its end."""
        with ours:
            with self._guard:
                target = self._target
            if target is None:
                return
            try:
                theirs = socket.create_connection((target.host, target.port), 5)
            except OSError:
                return
            with theirs:
                theirs.settimeout(None)
                for wire in (ours, theirs):
                    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                pair = (ours, theirs)
                with self._guard:
                    if self._target != target:  # moved meanwhile
                        return
                    self._pairs.add(pair)
                back = threading.Thread(target=_pump, args=(theirs, ours, pair), name="vip", daemon=True)
                back.start()
                _pump(ours, theirs, pair)
                back.join()
                with self._guard:
                    self._pairs.discard(pair)


def _pump(source: socket.socket, sink: socket.socket, pair: tuple[socket.socket, socket.socket]) -> None:
    with contextlib.suppress(OSError):  # one end is gone: so is the other
        while block := source.recv(BLOCK):
            sink.sendall(block)
    _cut(pair)


def _cut(pair: tuple[socket.socket, socket.socket]) -> None:
    for wire in pair:
        with contextlib.suppress(OSError):  # it is cut already
            wire.shutdown(socket.SHUT_RDWR)
