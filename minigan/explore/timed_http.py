"""HTTP with a time limit for the head of a request: silent clients would else fill the places for connections."""

from __future__ import annotations

from asyncio import TimerHandle
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_MOST_SECONDS = 10  # from the connection, or a request's first byte, to the end of its head


class TimedProtocol(H11Protocol):
    """uvicorn's protocol, which closes a connection where a request's head does not end in time."""

    _timer: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._limit_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._limit_head()

    def _limit_head(self) -> None:
        """Start the clock if it stands and a head is awaited; stop it if the head is there."""
        if self.conn.their_state is not h11.IDLE:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
        elif self._timer is None:
            self._timer = self.loop.call_later(_MOST_SECONDS, self.transport.close)
