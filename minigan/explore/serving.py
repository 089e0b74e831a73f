"""The port of the page, and the server that listens on it."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from minigan.errors import MiniganError
from minigan.explore.explorer import Explorer

if TYPE_CHECKING:  # loaded by the command that serves
    import uvicorn

HOST = "127.0.0.1"
_MOST_CONNECTIONS = 64


class PortError(MiniganError):
    """A port that cannot be opened."""


def open_port(port: int) -> socket.socket:
    """Return a socket that listens on this machine alone; 0 is any free port.

    Raises:
        PortError: The port is in use, or this user may not open it.
    """
    # asyncio sends without delay only where the protocol is named: else each answer waits 40 ms for the browser
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        why = (
            "is in use"
            if error.errno == errno.EADDRINUSE
            else f"cannot be opened ({error.strerror})"
        )
        raise PortError(f"port {port} {why}; choose another with --port") from error
    return listener


def make_server(explorer: Explorer) -> uvicorn.Server:
    """Return a server of an explorer's page; its `run` takes the open sockets, and serves until it should exit."""
    import uvicorn

    from minigan.explore.server import make_app
    from minigan.explore.timed_http import TimedProtocol

    config = uvicorn.Config(
        make_app(explorer),
        http=TimedProtocol,
        log_level="error",
        access_log=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
        ws="none",
    )
    return uvicorn.Server(config)
