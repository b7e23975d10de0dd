"""A proxy that counts: every byte of a node's TCP connections, TLS and all, on its way to the server and back."""

from __future__ import annotations

import contextlib
import socket
import threading


class CountingProxy:
    """Listens on a free port of 127.0.0.1 and passes everything on to `port`. up, down: bytes so far, to the server and back.

    Bytes of TCP's payload: headers of IP and TCP, about 40 a packet, are not among them.
    """

    def __init__(self, port: int):
        self._to = port
        self.up = self.down = self.connections = 0
        self._lock, self._open = threading.Lock(), set[socket.socket]()
        self.port = 0
        self.open()

    def open(self) -> None:
        """Listen, the second time on the port of the first."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def counts(self) -> tuple[int, int]:
        """Bytes up and down so far."""
        with self._lock:
            return self.up, self.down

    def close(self) -> None:
        """Listen no more, and end all connections: a node that tries is refused, as by a machine that is up without a server."""
        for each in [self._listener, *list(self._open)]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                each.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                node, _ = listener.accept()
            except OSError:
                return  # closed
            try:
                server = socket.create_connection(("127.0.0.1", self._to), timeout=10)
                server.settimeout(None)
            except OSError:
                node.close()  # as if the server itself had refused
                continue
            with self._lock:
                self.connections += 1
                self._open |= {node, server}
            threading.Thread(target=self._pass_on, args=(node, server, "up"), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, node, "down"), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket, way: str) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                with self._lock:
                    setattr(self, way, getattr(self, way) + len(data))
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)
        if way == "down":  # the server has said its last: nobody needs these two any more
            for each in (one, other):
                with contextlib.suppress(OSError):
                    each.close()
                self._open.discard(each)
