"""The server of the page: it answers this machine alone, and every wrong request with a sentence."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from anyio import CancelScope, CapacityLimiter, create_task_group, fail_after
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from minigan.errors import MiniganError
from minigan.explore import requests
from minigan.explore.explorer import Explorer
from minigan.explore.requests import RequestError

STATIC = Path(__file__).parent / "static"
FILES = {
    "": "index.html",
    "style.css": "style.css",
    "codes.js": "codes.js",
    "map.js": "map.js",
    "real.js": "real.js",
    "served.js": "served.js",
}
_HOST = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?", re.IGNORECASE)
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_MOST_SECONDS = 10  # until all of a request has arrived
Answer = Callable[[Explorer, dict[str, Any]], dict[str, Any]]


def make_app(explorer: Explorer) -> Starlette:
    """Return the application that serves the page of an explorer."""
    limiter = CapacityLimiter(1)  # one calculation at a time
    routes = [Route(f"/{path}", partial(_file, name)) for path, name in FILES.items()]
    for name, answer in _ANSWERS.items():
        endpoint = partial(_answer, explorer, limiter, answer)
        routes.append(Route(f"/api/{name}", endpoint, methods=["POST"]))
    return Starlette(
        routes=routes,
        middleware=[Middleware(LocalOnly)],
        exception_handlers={HTTPException: _http_error, MiniganError: _own_error},
    )


class LocalOnly:
    """Middleware that refuses a foreign Host or Origin, and adds the headers of every answer.

    Another site's page can reach a server on this machine. The browser then names that site in Origin, or in Host
    where the site's name leads to 127.0.0.1.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # the server's start and end
            await self.app(scope, receive, send)
            return
        headers = Request(scope).headers
        app = self.app
        host = headers.get("host", "")
        if not _is_local(host):
            app = _refusal("this server answers to 127.0.0.1 and localhost alone")
        elif headers.get("origin", f"http://{host}") != f"http://{host}":
            app = _refusal("this server answers to its own page alone")

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                added = [(k.lower().encode(), v.encode()) for k, v in _HEADERS.items()]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await app(scope, receive, send_with_headers)


def _is_local(host: str) -> bool:
    return _HOST.fullmatch(host) is not None


def _refusal(sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, 403)


async def _file(name: str, request: Request) -> Response:
    return FileResponse(STATIC / name)


async def _answer(
    explorer: Explorer, limiter: CapacityLimiter, answer: Answer, request: Request
) -> Response:
    fields = requests.read_json(await _body(request))
    response: Response = _own_error(request, RequestError("the request was cut off"))
    async with create_task_group() as tasks:
        tasks.start_soon(_cancel_when_left, request, tasks.cancel_scope)
        try:
            response = JSONResponse(await run_sync(answer, explorer, fields, limiter=limiter))
        except MiniganError as error:
            response = _own_error(request, error)
        tasks.cancel_scope.cancel()
    return response


async def _cancel_when_left(request: Request, scope: CancelScope) -> None:
    """Cancel the wait for an answer when the browser has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _body(request: Request) -> bytes:
    """Return the body; RequestError if it has too many bytes, which are then not kept, or takes too long."""
    body = b""
    try:
        with fail_after(_MOST_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > requests.MOST_BYTES:
                    raise RequestError(f"a request has at most {requests.MOST_BYTES:,} bytes")
    except ClientDisconnect as error:
        raise RequestError("the request was cut off") from error
    except TimeoutError as error:
        raise RequestError(f"the request did not end within {_MOST_SECONDS} s") from error
    return body


def _model(explorer: Explorer, fields: dict[str, Any]) -> dict[str, Any]:
    return explorer.describe()


def _picture(explorer: Explorer, fields: dict[str, Any]) -> dict[str, Any]:
    codes = requests.codes_of(fields, explorer.layout)
    pixels, reading = explorer.picture(requests.noise_of(fields), codes)
    return {"pixels": _text(pixels), **reading.to_json()}


def _traversal(explorer: Explorer, fields: dict[str, Any]) -> dict[str, Any]:
    codes = requests.codes_of(fields, explorer.layout)
    code = requests.code_index_of(fields, explorer.layout)
    pictures, values = explorer.traversal(requests.noise_of(fields), codes, code)
    return {"pixels": [_text(picture) for picture in pictures], "values": values}


def _read(explorer: Explorer, fields: dict[str, Any]) -> dict[str, Any]:
    pixels = requests.pixels_of(fields, explorer.settings.image_shape)
    return explorer.read(pixels[None])[0].to_json()


def _real(explorer: Explorer, fields: dict[str, Any]) -> dict[str, Any]:
    """Return real pictures and their readings, for the list to choose from and for the map."""
    pictures = explorer.real_pictures()
    return {
        "pixels": [_text(picture) for picture in pictures],
        "readings": [reading.to_json() for reading in explorer.real_readings()],
    }


_ANSWERS: dict[str, Answer] = {
    "model": _model,
    "picture": _picture,
    "traversal": _traversal,
    "read": _read,
    "real": _real,
}


def _text(pixels: np.ndarray) -> str:
    return base64.b64encode(pixels.tobytes()).decode()


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentences = {404: "there is no such page", 405: "this page is asked for in another way"}
    return JSONResponse(
        {"error": sentences.get(error.status_code, error.detail)}, error.status_code, error.headers
    )


def _own_error(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)
