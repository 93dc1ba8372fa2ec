"""What is wrong on the way to the data: the port, the log-on, the link behind the Gateway, clocks, farms, orders."""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

import attrs

from ibkeel.errors import (
    AccountMismatch,
    AnotherProcess,
    ClientIdInUse,
    CompetingSession,
    ConnectionFailure,
    IbkeelError,
    NotEntitled,
    OrderRefused,
    OrderRejected,
    QuoteUnavailable,
    RequestFailed,
    UnknownContract,
)
from ibkeel.model import Broker, DataType, Grade, Health, OrderTicket, OrderType, Quote, Side, Stock

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
_READ_ONLY: Final = "read-only"
_DELAYED_ONLY: Final = frozenset({10089, 10167})
_SUBSCRIBE: Final = (
    "subscribe to the exchange's data in Client Portal (Settings, Market Data Subscriptions), and sign the market data "
    "agreement for the API; a paper login shares the live login's data only when that is set there"
)


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """A bot can run, and should know."""
    FAULT = "fault"
    """A bot cannot do its work."""
    UNKNOWN = "unknown"
    """It could not be looked at, because of what was found before."""


@attrs.frozen(kw_only=True)
class Finding:
    """One thing that was looked at.

    Args:
        check: What was looked at, such as `port`.
        verdict: How bad it is.
        said: What was seen, in words.
        remedy: What to do about it; empty when there is nothing to be done.
    """

    check: str
    verdict: Verdict
    said: str
    remedy: str = ""

    @property
    def is_problem(self) -> bool:
        """Whether something is wrong here."""
        return self.verdict in {Verdict.WARNING, Verdict.FAULT}


def well(check: str, said: str) -> Finding:
    """Nothing is wrong there."""
    return Finding(check=check, verdict=Verdict.OK, said=said)


def fault(check: str, said: str, remedy: str) -> Finding:
    """A bot cannot do its work."""
    return Finding(check=check, verdict=Verdict.FAULT, said=said, remedy=remedy)


def warning(check: str, said: str, remedy: str) -> Finding:
    """A bot can run, and should know."""
    return Finding(check=check, verdict=Verdict.WARNING, said=said, remedy=remedy)


@attrs.frozen
class Diagnosis:
    """What was found, in the order in which it was looked at: a later finding may follow from an earlier one.

    Args:
        findings: Each thing that was looked at, once.
    """

    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What is wrong, faults before warnings, the likely cause of the others first."""
        worst_first = (Verdict.FAULT, Verdict.WARNING)
        return tuple(row for verdict in worst_first for row in self.findings if row.verdict is verdict)

    @property
    def cause(self) -> Finding | None:
        """What to mend first; None when all is well."""
        return next(iter(self.problems), None)

    def as_data(self) -> dict[str, Any]:
        """The diagnosis as JSON knows values."""
        return {
            "cause": None if self.cause is None else self.cause.check,
            "findings": [{**attrs.asdict(row), "verdict": row.verdict.value} for row in self.findings],
        }


@attrs.frozen
class _Reply:
    data: bytes
    was_closed: bool


async def look_at_port(host: str, port: int) -> list[Finding]:
    """Knock, and greet as an API client does; the greeting names no client id and is cut off after the answer."""
    try:
        reply = await _knocked(host, port)
    except TimeoutError:
        remedy = f"check that {host} is up, and that no firewall stands between"
        return [fault("port", f"{host}:{port} does not answer within {_PATIENCE:g} s", remedy)]
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
    return len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[:4], "big")  # a length in front


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


def log_on_failed(error: IbkeelError) -> Finding:
    """Why a session could not be had."""
    said = str(error)
    if isinstance(error, AccountMismatch):
        return fault("account", said, "make port, account and `orders` fit together: nothing was sent")
    if isinstance(error, AnotherProcess):
        return fault("client id", said, "end that program, or run `ibkeel doctor` with another --client-id")
    if isinstance(error, ClientIdInUse):
        return fault(
            "client id",
            said,
            "end the other program, or wait a minute if it has just ended; a bot must keep its id: its orders are "
            "bound to it. To look beside a bot that runs: --client-id with another number",
        )
    return fault("session", said, "restart the Gateway, and look at its window for a dialog that waits")


def look_at_health(health: Health) -> Iterator[Finding]:
    """The tiers of the adapter's own health that a user can act on, in the order of cause and effect."""
    rows = {row.name: row for row in health.checks}
    session = rows.get("session")
    upstream = rows.get("upstream")
    if upstream is not None and upstream.grade is not Grade.OK:
        yield fault(
            "upstream",
            f"the Gateway has no link to Interactive Brokers' servers ({upstream.evidence})",
            "check this machine's network; in the hours of the nightly reset just wait; if it lasts, restart the Gateway",
        )
    elif session is not None and session.grade is Grade.DOWN:
        yield fault("session", session.evidence, session.remedy)
    trip = rows.get("server time")
    if trip is not None:
        yield _round_trip(trip.grade, trip.evidence, health.round_trip)
    yield from _farms(health)
    clock = rows.get("clock")
    if clock is not None:
        is_well = clock.grade is Grade.OK
        yield well("clock", clock.evidence) if is_well else fault("clock", clock.evidence, clock.remedy)


def _round_trip(grade: Grade, evidence: str, seconds: float | None) -> Finding:
    if grade is Grade.OK and seconds is not None:
        said = f"the Gateway answered in {seconds * 1000:.0f} ms"
        return well("round trip", said)
    return fault(
        "round trip",
        f"the session is open and nothing comes back ({evidence}): the connection is half open, or the Gateway hangs",
        "restart the Gateway; with a tunnel or a container between, restart that first",
    )


def _farms(health: Health) -> Iterator[Finding]:
    farms = [row for row in health.checks if row.name.startswith("farm ")]
    bad = [row for row in farms if row.grade is not Grade.OK]
    if bad:
        said = "; ".join(row.evidence for row in bad)
        yield fault(
            "farms",
            said,
            "wait some minutes: farms come back by themselves; if one does not, restart the Gateway",
        )
    elif farms:
        yield well("farms", f"{len(farms)} data farms are well")


async def look_at_orders(broker: Broker, symbol: str, quote: Quote | None, *, sends: bool) -> Finding:
    """Whether an order would be taken: by a what-if, which is never executed."""
    if not sends:
        said = "orders is DRY_RUN: none is sent, so it was not asked whether the Gateway would take one"
        return well("orders", said)
    price = None if quote is None else quote.ask or quote.last
    ticket = OrderTicket(
        contract=Stock(symbol),
        side=Side.BUY,
        quantity=1,
        order_type=OrderType.MKT if price is None else OrderType.LMT,
        limit_price=price,
    )
    try:
        await broker.preview(ticket)
    except (OrderRejected, OrderRefused) as error:
        return _orders_refused(str(error))
    except (RequestFailed, ConnectionFailure) as error:
        said = f"a what-if of one {symbol} was not answered: {error}"
        return warning("orders", said, "see the findings above")
    return well("orders", f"a what-if of one {symbol} was taken; nothing was executed")


@attrs.frozen
class Seen:
    """One symbol's finding, and its quote when there was one."""

    finding: Finding
    quote: Quote | None = None


async def look_at_data(broker: Broker, symbols: Iterable[str], *, is_open: bool) -> list[Seen]:
    """Ask for a quote of each symbol."""
    return [await _data_of(broker, symbol, is_open=is_open) for symbol in symbols]


def _orders_refused(said: str) -> Finding:
    if _READ_ONLY in said.lower():
        return fault(
            "read-only",
            f"the Gateway's API takes no orders: {said}",
            "untick 'Read-Only API' in the Gateway's API settings, or set orders to DRY_RUN",
        )
    return warning(
        "orders",
        f"a what-if was refused: {said}",
        "read the reason: permissions, funds and trading hours are the usual ones",
    )


async def _data_of(broker: Broker, symbol: str, *, is_open: bool) -> Seen:
    check = f"data {symbol}"
    try:
        quote = await broker.quote(Stock(symbol))
    except (RequestFailed, ConnectionFailure) as error:
        return Seen(_data_failed(check, symbol, error, is_open=is_open))
    if quote.data_type is DataType.LIVE or (quote.data_type is DataType.FROZEN and not is_open):
        shown = f"bid {quote.bid}, ask {quote.ask}, last {quote.last}"
        return Seen(well(check, f"{quote.data_type}: {shown}"), quote)
    return Seen(_data_delayed(check, symbol, f"prices of {symbol} are {quote.data_type}"), quote)


def _data_delayed(check: str, symbol: str, said: str) -> Finding:
    remedy = f"{_SUBSCRIBE}. Nothing is entered on delayed quotes"
    return warning(check, f"only delayed data of {symbol}: {said}", remedy)


def _data_failed(check: str, symbol: str, error: Exception, *, is_open: bool) -> Finding:
    said = str(error)
    match error:
        case CompetingSession():
            remedy = "end the other session of this user (a phone, Client Portal, another TWS): it takes the live data"
        case NotEntitled() if error.code in _DELAYED_ONLY:
            return _data_delayed(check, symbol, said)
        case NotEntitled():
            remedy = _SUBSCRIBE
        case UnknownContract():
            remedy = "check the ticker; a share class is written with a space, such as 'BRK B'"
        case QuoteUnavailable() if not is_open:
            return well(check, f"no prices of {symbol}: the exchange is closed")
        case _:
            remedy = "see the findings above: farms and upstream come first"
    return fault(check, said, remedy)
