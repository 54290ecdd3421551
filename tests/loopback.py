"""HTTP servers of tests: on loopback, on a free port, with nothing left of them at their end."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class LoopbackServer(ThreadingHTTPServer):
    """Serves while its ``with`` block runs; the block's end closes every connection and joins every thread.

    A client that keeps its connection open would otherwise keep the thread that serves it, and a socket, until it is
    collected: in the middle of another test.
    """

    daemon_threads = False  # so that `server_close` joins them

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._connections: set[socket.socket] = set()
        self._serving = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.01}, name="loopback-server", daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def close_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().close_request(request)

    def __enter__(self) -> Self:
        self._serving.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._serving.join()
        for connection in self._connections.copy():
            with suppress(OSError):  # it has ended meanwhile
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()
