"""What is wrong with this machine, and who listens on the port. Nothing logs on."""

import asyncio
import contextlib
import platform
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

import attrs

from ibkeel.errors import JournalError
from ibkeel.journal import Journal
from ibkeel.monitor.doctor.findings import Finding, Verdict

_LIBRARIES: Final = ("ib_insync", "ib_async")
_FIRST: Final = (3, 11)
_LAST_TESTED: Final = (3, 13)
_WITHOUT_INSYNC: Final = (3, 14)

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


def _version_of(package: str) -> str | None:
    """The version of an installed package; None when it is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@attrs.frozen(kw_only=True)
class Machine:
    """What is installed here.

    Args:
        python: Major and minor version.
        version_of: Tells a package's version, None when it is not installed.
    """

    python: tuple[int, int] = attrs.field(factory=lambda: sys.version_info[:2])
    version_of: Callable[[str], str | None] = _version_of


def look_at_machine(machine: Machine, journal: Path | None) -> Iterator[Finding]:
    """Python, the client library and the journal."""
    yield _python(machine)
    yield _library(machine)
    if journal is not None:
        yield _journal(journal)


@attrs.frozen
class _Reply:
    data: bytes
    was_closed: bool


async def look_at_port(host: str, port: int) -> list[Finding]:
    """Knock, and greet as an API client does; the greeting names no client id and is cut off after the answer.

    Args:
        host: Name or address.
        port: Of the API.
    """
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return [_fault("port", f"{host}:{port} does not answer within {_PATIENCE:g} s", _unreached(host))]
    except OSError as error:
        said = f"nobody listens on {host}:{port} ({error.strerror or error})"
        return [_fault("port", said, _START)]
    accepted = Finding(check="port", verdict=Verdict.OK, said=f"{host}:{port} accepts connections")
    try:
        reply = await _greeted(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return [accepted, *_judged(f"{host}:{port}", reply)]


def _python(machine: Machine) -> Finding:
    shown = ".".join(map(str, machine.python))
    own = machine.version_of("ibkeel") or "from a source tree"
    said = f"Python {shown} ({platform.python_implementation()}), ibkeel {own}"
    if machine.python < _FIRST:
        return Finding(
            check="python", verdict=Verdict.FAULT, said=said, remedy="install Python 3.11, 3.12 or 3.13"
        )
    if machine.python > _LAST_TESTED:
        said += "; tested with 3.11 to 3.13"
    return Finding(check="python", verdict=Verdict.OK, said=said)


def _library(machine: Machine) -> Finding:
    found = {name: version for name in _LIBRARIES if (version := machine.version_of(name)) is not None}
    said = ", ".join(f"{name} {version}" for name, version in found.items())
    if len(found) == len(_LIBRARIES):
        return _library_fault(
            f"both {said} are installed; they overwrite each other's eventkit folder, so one of them is broken",
            "pip uninstall ib_async eventkit aeventkit, then pip install --force-reinstall ib_insync (or the reverse)",
        )
    if not found:
        return _library_fault("no Interactive Brokers client is installed", "pip install ib_async")
    if machine.python >= _WITHOUT_INSYNC and "ib_insync" in found:
        shown = ".".join(map(str, machine.python))
        return _library_fault(
            f"{said} cannot be imported on Python {shown}: its event library asks for a loop that is not there",
            "pip uninstall ib_insync eventkit, then pip install ib_async, its maintained successor",
        )
    return Finding(check="library", verdict=Verdict.OK, said=said)


def _library_fault(said: str, remedy: str) -> Finding:
    return Finding(check="library", verdict=Verdict.FAULT, said=said, remedy=remedy)


def _journal(path: Path) -> Finding:
    if not path.exists():
        return Finding(check="journal", verdict=Verdict.OK, said=f"{path} is not there yet; a bot makes it")
    try:
        with Journal.open(path, read_only=True) as journal:
            journal.check_integrity()
            said = f"{path} is whole: {journal.count()} records"
    except JournalError as error:
        return Finding(
            check="journal",
            verdict=Verdict.FAULT,
            said=str(error),
            remedy="stop the bot, put the file aside for a look, and restore the last backup; without one begin with a new "
            "file: open, completed and executed orders are then read from the Gateway",
        )
    return Finding(check="journal", verdict=Verdict.OK, said=said)


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
        yield Finding(check="handshake", verdict=Verdict.OK, said=said)
    elif reply.data:
        shown = reply.data[:40].decode("ascii", "replace").splitlines()[0]
        yield _fault("handshake", f"what listens on {where} is no Gateway: it said {shown!r}", _OTHER)
    elif reply.was_closed:
        yield _fault(
            "handshake",
            f"{where} closes the connection at the API's greeting",
            "add this machine's address to 'Trusted IPs' in the Gateway's API settings; or another program owns that port",
        )
    else:
        yield _fault("handshake", f"{where} accepts connections and says nothing", _WINDOW)


def _fault(check: str, said: str, remedy: str) -> Finding:
    return Finding(check=check, verdict=Verdict.FAULT, said=said, remedy=remedy)
