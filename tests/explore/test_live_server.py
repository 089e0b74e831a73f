"""The server at a real port: it outlives clients that leave, and others that say nonsense."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from explore.live import served

from minigan.explore import server, timed_http
from minigan.explore.explorer import Explorer
from minigan.explore.serving import open_port

BODY = json.dumps({"noise": 0, "codes": [1, 0.0, 0.0]}).encode()


@pytest.fixture(scope="module")
def port(explorer: Explorer) -> Iterator[int]:
    with served(explorer) as port:
        yield port


def head(port: int, length: int) -> bytes:
    """Return the start of a request for a picture."""
    line = b"POST /api/picture HTTP/1.1\r\n"
    return line + b"Host: 127.0.0.1:%d\r\nContent-Length: %d\r\n\r\n" % (port, length)


def say(port: int, request: bytes, *, leave: bool = False) -> bytes:
    """Send a request, and return the start of the answer; or leave before it comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        return b"" if leave else connection.recv(65536)


def test_it_outlives_clients_that_leave(port: int) -> None:
    for request in (
        head(port, len(BODY)),  # before the body
        head(port, len(BODY)) + BODY[:10],  # in the middle of it
        head(port, len(BODY)) + BODY,  # before the answer
        b"POST /api/pic",
        b"",
    ):
        say(port, request, leave=True)
        assert b" 200 " in say(port, head(port, len(BODY)) + BODY).split(b"\r\n")[0]


def test_no_answer_is_made_for_a_client_that_left(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[float] = []
    picture = Explorer.picture

    def slow_picture(*given: Any) -> Any:
        made.append(time.monotonic())
        time.sleep(0.2)
        return picture(*given)

    monkeypatch.setattr(Explorer, "picture", slow_picture)
    for _ in range(50):
        say(port, head(port, len(BODY)) + BODY, leave=True)
    assert b" 200 " in say(port, head(port, len(BODY)) + BODY).split(b"\r\n")[0]
    assert len(made) < 10


def test_a_request_that_never_ends_is_refused(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_MOST_SECONDS", 0.1)
    answer = say(port, head(port, len(BODY)) + BODY[:10])
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("start", [b"", b"POST /api/pic", head(1, 1)[:-2]])
def test_a_silent_connection_is_closed(
    port: int, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(timed_http, "_MOST_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(start)
        assert connection.recv(65536) == b""


def test_a_head_that_trickles_is_cut(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after a whole request: each byte that comes does not prolong the time."""
    monkeypatch.setattr(timed_http, "_MOST_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head(port, len(BODY)) + BODY)
        assert b" 200 " in connection.recv(65536)
        with pytest.raises(OSError):
            for letter in b"POST /api/picture HTTP/1.1" * 10:
                connection.sendall(bytes([letter]))
                time.sleep(0.05)


def test_a_client_that_rests_between_requests_is_not_cut(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed_http, "_MOST_SECONDS", 1.0)
    request = head(port, len(BODY)) + BODY
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for _ in range(2):
            for piece in (request[:30], request[30:-5], request[-5:]):
                connection.sendall(piece)
                time.sleep(0.1)
            assert b" 200 " in connection.recv(65536)
            time.sleep(1.2)


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",  # TLS
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/picture HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(port: int, request_: bytes) -> None:
    answer = say(port, request_)
    assert b" 4" in answer.split(b"\r\n")[0] and b"Traceback" not in answer
    assert b" 200 " in say(port, head(port, len(BODY)) + BODY).split(b"\r\n")[0]


def test_answers_are_sent_without_delay() -> None:
    """asyncio sets TCP_NODELAY where the socket names its protocol; without it an answer waits for 40 ms."""
    with open_port(0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
