"""The simulated Gateway as a web page on loopback: one page, fed by server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from importlib import resources
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ibkeel.errors import ConfigurationError, InvalidInput
from ibkeel.sim import Fault, Scenario
from ibkeel.sim.view import GatewayView
from ibkeel.telemetry import redact
from ibkeel.telemetry.redaction import printable

_HOSTS: Final = frozenset({"127.0.0.1", "localhost"})
_Served = Callable[[Request], Awaitable[Response]]
_SECONDS: Final = 1.0
_ROWS: Final = 100
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@attrs.frozen(kw_only=True)
class Stage:
    """What the page may see and do, to let something go wrong and to end all that does; never the Gateway itself."""

    title: str
    view: Callable[[], GatewayView]
    inject: Callable[[Fault], None]
    heal: Callable[[], None]


def page(stage: Stage) -> Starlette:
    """The application: `/`, `/state`, `/events` and, by POST, `/faults`."""
    text = resources.files("ibkeel.cli").joinpath("sim_page.html").read_text(encoding="utf-8")

    async def home(_: Request) -> Response:
        first = json.dumps(view_data(stage)).replace("<", "\\u003c")  # so that no text ends the script
        return HTMLResponse(text.replace(">null</script>", f">{first}</script>"), headers=_HEADERS)

    async def state(_: Request) -> Response:
        return JSONResponse(view_data(stage), headers=_HEADERS)

    async def events(_: Request) -> Response:
        return StreamingResponse(_told(stage), media_type="text/event-stream", headers=_HEADERS)

    async def faults(request: Request) -> Response:
        return _acted(stage, await request.body()) if _is_own(request) else _refused()

    routes = [
        Route("/", _for_local(home)),
        Route("/state", _for_local(state)),
        Route("/events", _for_local(events)),
        Route("/faults", _for_local(faults), methods=["POST"]),
    ]
    return Starlette(routes=routes)


def _for_local(serve: _Served) -> _Served:
    """The same, but refused to who asks for it by another name than this machine's."""

    async def checked(request: Request) -> Response:
        return await serve(request) if _is_local(request) else _refused()

    return checked


async def serve_page(stage: Stage, port: int) -> None:
    """Serve the page on loopback until cancelled; ConfigurationError when the port is taken."""
    loop = asyncio.get_running_loop()
    try:
        (await loop.create_server(asyncio.Protocol, "127.0.0.1", port)).close()
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on 127.0.0.1:{port}: {error.strerror}; choose another --web"
        ) from error
    config = uvicorn.Config(
        page(stage),
        host="127.0.0.1",
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    await uvicorn.Server(config).serve()


def view_data(stage: Stage) -> dict[str, Any]:
    """What the page shows, as JSON data; account ids masked."""
    view = stage.view()
    data = attrs.asdict(view, value_serializer=lambda _, __, value: _plain(value))
    data["title"] = stage.title
    data["scenarios"] = Scenario.names()
    data["said"] = data["said"][:_ROWS]
    for each in data["said"]:
        each |= {"name": printable(each["name"]), "detail": printable(redact(each["detail"]))}
    for each, fault in zip(data["faults"], view.faults, strict=True):
        each["is_over"] = fault.ended_at is not None
    return data


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


async def _told(stage: Stage) -> AsyncIterator[str]:
    while True:
        yield f"data: {json.dumps(view_data(stage))}\n\n"
        await asyncio.sleep(_SECONDS)


def _is_local(request: Request) -> bool:
    """Whether the page was asked for by a name of this machine; another name may be a trick of a site."""
    return urlsplit(f"//{request.headers.get('host', '')}").hostname in _HOSTS


def _is_own(request: Request) -> bool:
    origin = urlsplit(request.headers.get("origin", ""))
    return origin.scheme == "http" and origin.netloc == request.headers.get("host")


def _acted(stage: Stage, body: bytes) -> Response:
    """Do what the page asks for: a scenario by name, or an end of everything."""
    try:
        name = json.loads(body)["name"]
        if name == "heal":
            stage.heal()
        else:
            for fault in _at_once(Scenario.named(str(name)).faults):
                stage.inject(fault)
    except (InvalidInput, KeyError, TypeError, ValueError, RuntimeError) as error:
        return JSONResponse({"error": str(error)}, status_code=400, headers=_HEADERS)
    return JSONResponse({"done": name}, headers=_HEADERS)


def _at_once(faults: Sequence[Fault]) -> Iterator[Fault]:
    """The same faults, the first of them now and the others as long after it as they would be."""
    first = min((fault.after or 0.0 for fault in faults), default=0.0)
    for fault in faults:
        yield attrs.evolve(fault, at=None, after=(fault.after or 0.0) - first or None)


def _refused() -> Response:
    reason = "only for the page itself, and as 127.0.0.1 or localhost"
    return JSONResponse({"error": reason}, status_code=403, headers=_HEADERS)
