"""Who listens on the port, told without logging on."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from ibkeel.monitor.doctor.findings import Finding, fault, well

_PATIENCE: Final = 5.0
_HELLO: Final = b"API\0\x00\x00\x00\x09v157..178"
_LONGEST: Final = 256
_START: Final = (
    "start the Gateway or TWS and log in; check host and port, and 'Enable ActiveX and Socket Clients' in its "
    "API settings"
)
_WINDOW: Final = (
    "look at the Gateway's window: a login, a two-factor prompt or a dialog may wait there; check 'Trusted IPs' "
    "and 'Allow connections from localhost only'; if all that is well, restart it"
)
_OTHER: Final = (
    "another program owns that port: give the Gateway's own, as its API settings show it (4001 or 4002; TWS 7496 "
    "or 7497)"
)


@attrs.frozen
class _Reply:
    data: bytes
    was_closed: bool


async def look_at_port(host: str, port: int) -> list[Finding]:
    """Knock, and greet as an API client does; the greeting names no client id and is cut off after the answer."""
    try:
        reply = await _knocked(host, port)
    except TimeoutError:
        return [fault("port", f"{host}:{port} does not answer within {_PATIENCE:g} s", _unreached(host))]
    except OSError as error:
        said = f"nobody listens on {host}:{port} ({error.strerror or error})"
        return [fault("port", said, _START)]
    except UnicodeError:
        said = f"{host!r} cannot be the name of a machine: a part of it is empty or too long"
        return [
            fault("port", said, "give the Gateway's name or address with --host, or in the configuration")
        ]
    accepted = well("port", f"{host}:{port} accepts connections")
    return [accepted, *_judged(f"{host}:{port}", reply)]


async def fetch_time(host: str, port: int) -> datetime | None:
    """What a Gateway's clock says, without logging on: its answer to the greeting tells it.

    Args:
        host: Name or address.
        port: Of the API.

    Returns:
        Aware, in UTC, to the second; None when nobody answers, or in a zone that is not known.
    """
    try:
        reply = await _knocked(host, port)
    except (OSError, UnicodeError):
        return None
    return None if _version(reply.data) is None else _time(reply.data)


def _time(data: bytes) -> datetime | None:
    told = data[4:].split(b"\0")[1].decode("ascii", "replace")
    day, _, rest = told.partition(" ")
    clock, _, zone = rest.partition(" ")
    try:
        naive = datetime.strptime(f"{day} {clock}", "%Y%m%d %H:%M:%S")  # noqa: DTZ007 - the zone follows
        return naive.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except (KeyError, ValueError, OSError, OverflowError):  # a zone that is a name of Windows, or no time
        return None


async def _knocked(host: str, port: int) -> _Reply:
    async with asyncio.timeout(_PATIENCE):
        reader, writer = await asyncio.open_connection(host, port)
    try:
        return await _greeted(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _unreached(host: str) -> str:
    return f"check that {host} is up, and that no firewall stands between"


async def _greeted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Reply:
    data, was_closed = b"", False
    try:
        async with asyncio.timeout(_PATIENCE):
            writer.write(_HELLO)
            await writer.drain()
            while not _is_whole(data) and len(data) < _LONGEST:
                more = await reader.read(_LONGEST)
                if not more:
                    was_closed = True
                    break
                data += more
    except TimeoutError:
        pass  # what came is judged, be it nothing
    except OSError:
        was_closed = True
    return _Reply(data, was_closed)


def _is_whole(data: bytes) -> bool:
    return len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[:4], "big")  # noqa: PLR2004 - a length in front


def _version(data: bytes) -> int | None:
    """The server's version, when the answer is one of the API's."""
    if not _is_whole(data):
        return None
    first, _, rest = data[4:].partition(b"\0")
    return int(first) if first.isdigit() and rest else None


def _judged(where: str, reply: _Reply) -> Iterator[Finding]:
    version = _version(reply.data)
    if version is not None:
        said = f"{where} speaks the API, server version {version}"
        yield well("handshake", said)
    elif reply.data:
        shown = reply.data[:40].decode("ascii", "replace").splitlines()[0]
        yield fault("handshake", f"what listens on {where} is no Gateway: it said {shown!r}", _OTHER)
    elif reply.was_closed:
        yield fault(
            "handshake",
            f"{where} closes the connection at the API's greeting",
            "add this machine's address to 'Trusted IPs' in the Gateway's API settings; or another program owns that port",
        )
    else:
        yield fault("handshake", f"{where} accepts connections and says nothing", _WINDOW)
