"""The page, what it shows and what it may do, as a web application, served until it is interrupted."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from importlib import resources
from typing import Any, Final
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from ibkeel.errors import ConfigurationError
from ibkeel.monitor.dashboard.source import SILENT, Controls, Looks, Source
from ibkeel.monitor.doors import Access
from ibkeel.telemetry import redact

_HIGHEST_PORT: Final = 65535
_COOKIE: Final = "ibkeel"
_EVERY: Final = 0.5  # seconds between two looks at the source
_QUIET: Final = 15.0  # seconds after which a line is sent though nothing changed
_REASON: Final = "the page"
_LONGEST_REASON: Final = 200
_FILES: Final = {"board.css": "text/css", "board.js": "text/javascript"}
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_STREAMS: Final = 32  # pages that are open at once

Handler = Callable[[Request], Any]


def dashboard_app(
    source: Source,
    controls: Controls,
    access: Access,
    *,
    metrics: Callable[[], str] | None = None,
    every: float = _EVERY,
) -> Starlette:
    """The web application.

    Args:
        source: What is shown.
        controls: What the halt button does.
        access: Who may.
        metrics: Gives the text that Prometheus scrapes; None when this process counts nothing.
        every: Seconds between two looks at the source.
    """
    page = _Page(source, controls, access, metrics, every)
    return Starlette(
        routes=[
            Route("/", page.guarded(page.home)),
            Route("/static/{name}", page.guarded(page.static)),
            Route("/login", page.login, methods=["POST"]),
            Route("/api/board", page.guarded(page.board)),
            Route("/api/stream", page.guarded(page.stream)),
            Route("/api/halt", page.guarded(page.halt), methods=["POST"]),
            Route("/api/lift", page.guarded(page.lift), methods=["POST"]),
            Route("/metrics", page.guarded(page.metrics)),
            Route("/healthz", page.alive),
            Route("/readyz", page.ready),
        ]
    )


def _file(name: str) -> str:
    return (resources.files("ibkeel.monitor.dashboard") / "static" / name).read_text(encoding="utf-8")


def _refused(status: int, words: str) -> Response:
    return JSONResponse({"error": words}, status_code=status, headers=_HEADERS)


class _Page:
    def __init__(
        self,
        source: Source,
        controls: Controls,
        access: Access,
        metrics: Callable[[], str] | None,
        every: float,
    ) -> None:
        self._controls, self._access = controls, access
        self._metrics, self._every = metrics, every
        self._looks, self._streams = Looks(source, controls, every), 0

    def guarded(self, handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            why = self._access.against_reading(request.headers, request.cookies.get(_COOKIE))
            if not why:
                response: Response = await handler(request)
                return response
            if request.url.path == "/" and "token" in why:
                return Response(_file("login.html"), 401, _HEADERS, "text/html")
            return _refused(401 if "token" in why else 403, why)

        return answer

    async def login(self, request: Request) -> Response:
        """Take the token once, and remember it in a cookie that no other site can use."""
        if self._access.is_too_long(request.headers):
            return _refused(413, "too long")
        given = "".join(parse_qs((await request.body()).decode("utf-8", "replace")).get("token", ()))
        headers = {**request.headers, "authorization": f"Bearer {given}"}
        why = self._access.against_reading(headers, None)
        if why:
            return Response(_file("login.html"), 401, _HEADERS, "text/html")
        response = RedirectResponse("/", 303, _HEADERS)
        response.set_cookie(_COOKIE, given, httponly=True, samesite="strict")
        return response

    async def home(self, _: Request) -> Response:
        """The page, with the word that its requests must bear."""
        text = _file("board.html").replace("{{page}}", self._access.csrf)
        return Response(text, 200, _HEADERS, "text/html")

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _FILES:
            return _refused(404, "no such file")
        return Response(_file(name), 200, _HEADERS, _FILES[name])

    async def board(self, _: Request) -> Response:
        look = await self._looks.look()
        return Response(look.text, 200, _HEADERS, "application/json")

    async def stream(self, request: Request) -> Response:
        """The view now, and whenever it changed."""
        if self._streams >= _STREAMS:
            return _refused(503, f"{_STREAMS} pages are open already; close one")
        headers = {**_HEADERS, "X-Accel-Buffering": "no"}
        return StreamingResponse(self._changes(request), headers=headers, media_type="text/event-stream")

    async def _changes(self, request: Request) -> AsyncIterator[str]:
        last, quiet = "", 0.0
        self._streams += 1
        try:
            while not await request.is_disconnected():
                look = await self._looks.look()
                if look.settled != last or quiet >= _QUIET:
                    last, quiet = look.settled, 0.0
                    yield f"data: {look.text}\n\n"
                quiet += self._every
                await asyncio.sleep(self._every)
        finally:
            self._streams -= 1

    async def halt(self, request: Request) -> Response:
        refusal = self._against_changing(request)
        if refusal is not None:
            return refusal
        reason = await self._reason(request)
        return self._turned(lambda: self._controls.halt(reason))

    async def lift(self, request: Request) -> Response:
        refusal = self._against_changing(request)
        return refusal if refusal is not None else self._turned(self._controls.lift)

    def _against_changing(self, request: Request) -> Response | None:
        if self._access.is_too_long(request.headers):
            return _refused(413, "its body is too long, or of unknown length")
        why = self._access.against_changing(request.headers)
        return _refused(403, why) if why else None

    async def _reason(self, request: Request) -> str:
        try:
            said = json.loads(await request.body())
        except ValueError:
            return _REASON
        reason = said.get("reason") if isinstance(said, dict) else None
        words = " ".join(str(reason or "").split())[:_LONGEST_REASON]
        return f"{_REASON}: {words}" if words else _REASON

    def _turned(self, turn: Callable[[], None]) -> Response:
        try:
            turn()
        except ConfigurationError as error:
            return _refused(500, redact(str(error)))
        self._looks.forget()
        return JSONResponse({"halted": redact(self._controls.halted)}, headers=_HEADERS)

    async def metrics(self, _: Request) -> Response:
        if self._metrics is None:
            return _refused(404, "metrics are served by the bot itself: [telemetry] metrics_port")
        return PlainTextResponse(self._metrics(), headers=_HEADERS)

    async def alive(self, _: Request) -> Response:
        return PlainTextResponse("ok\n", headers=_HEADERS)

    async def ready(self, _: Request) -> Response:
        """Whether a bot runs and its session is good enough to trade; says nothing else to strangers."""
        data = (await self._looks.look()).data
        is_live = data["origin"] == "bot" and (data["age"] or 0.0) <= SILENT
        is_ready = is_live and data["session"]["state"] == "ready"
        words = "ready\n" if is_ready else "not ready\n"
        return PlainTextResponse(words, 200 if is_ready else 503, headers=_HEADERS)


async def serve_page(app: Starlette, host: str, port: int) -> None:
    """Serve an application; returns when the task is cancelled or the process is told to end."""
    if not 0 < port <= _HIGHEST_PORT:
        raise ConfigurationError(f"port is {port}; valid: 1 to {_HIGHEST_PORT}")
    config = uvicorn.Config(
        app, host=host, port=port, log_level="critical", server_header=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    try:
        await server.serve()
    except (SystemExit, UnicodeError):  # its word for a port that is taken; and a host that cannot be a name
        raise ConfigurationError(
            f"cannot listen on {host}:{port}; it is no address of this machine, or a page is served there already"
        ) from None
