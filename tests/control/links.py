"""A wire with scissors: a TCP proxy whose links can be cut or fall silent; and odd servers."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BYTES = 65_536


class Wire:
    """Forwards to `port` on loopback until it is cut (reset) or silenced (nothing passes)."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._links: list[socket.socket] = []
        self._silent = threading.Event()
        self._ended = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        for link in self._links:
            # Zero linger: the other end gets a reset, as from a machine that went away.
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            link.close()
        self._links.clear()

    def silence(self) -> None:
        """As when packets are dropped: both ends believe that the link stands."""
        self._silent.set()

    def close(self) -> None:
        self._ended.set()
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            self._links += [near, far]
            threading.Thread(target=self._forward, args=(near, far), daemon=True).start()

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        other = {near: far, far: near}
        while not self._ended.is_set():
            try:
                ready, _, _ = select.select([near, far], [], [], 0.05)
                for link in ready if not self._silent.is_set() else ():
                    data = link.recv(BYTES)
                    if not data:
                        near.close()
                        far.close()
                        return
                    other[link].sendall(data)
            except (OSError, ValueError):
                return
            if self._silent.is_set():
                self._ended.wait(0.05)


@contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    wire = Wire(port)
    try:
        yield wire
    finally:
        wire.close()


@contextmanager
def serving(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that does `behave` with each connection. → its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=attend, args=(link,), daemon=True).start()

        def attend(link: socket.socket) -> None:
            try:
                with link:
                    behave(link)
            except OSError:
                return

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
