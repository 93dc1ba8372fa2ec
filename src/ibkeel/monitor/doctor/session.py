"""What is wrong with the session: the log-on, the link behind the Gateway, the clocks, the farms, the orders, the data."""

from collections.abc import Iterable, Iterator
from typing import Final

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
from ibkeel.monitor.doctor.findings import Finding, Verdict, fault, well

_READ_ONLY: Final = "read-only"
_DELAYED_ONLY: Final = frozenset({10089, 10167})
_SUBSCRIBE: Final = (
    "subscribe to the exchange's data in Client Portal (Settings, Market Data Subscriptions), and sign the market data "
    "agreement for the API; a paper login shares the live login's data only when that is set there"
)


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
    """Whether an order would be taken: by a what-if, which is never executed.

    Args:
        broker: Connected.
        symbol: Of a stock, one share of which is asked about.
        quote: Of it, for a price; None asks about a market order.
        sends: Whether the configuration lets orders leave at all.
    """
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
        return Finding(check="orders", verdict=Verdict.WARNING, said=said, remedy="see the findings above")
    said = f"a what-if of one {symbol} was taken; nothing was executed"
    return well("orders", said)


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
    return Finding(
        check="orders",
        verdict=Verdict.WARNING,
        said=f"a what-if was refused: {said}",
        remedy="read the reason: permissions, funds and trading hours are the usual ones",
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
    return Finding(
        check=check,
        verdict=Verdict.WARNING,
        said=f"only delayed data of {symbol}: {said}",
        remedy=f"{_SUBSCRIBE}. Nothing is entered on delayed quotes",
    )


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
