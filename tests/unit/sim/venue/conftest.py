"""A market that shows exactly the quotes it is given, and short ways to make orders."""

from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import attrs
import pytest

from ibkeel.sim.values import (
    MarketQuote,
    OrderEcho,
    OrderError,
    OrderStatus,
    SimContract,
    SimOrder,
    SimSession,
)
from ibkeel.sim.venue import Venue, VenueSettings

NEW_YORK = ZoneInfo("America/New_York")
MONDAY = date(2024, 3, 4)

STOCK = SimContract(con_id=1, symbol="SPY", sec_type="STK", primary_exchange="ARCA")
OPTION = SimContract(
    con_id=2,
    symbol="SPY",
    sec_type="OPT",
    expiry=date(2024, 3, 15),
    strike=500.0,
    right="C",
    multiplier=100,
    under_con_id=1,
)
INDEX = SimContract(con_id=3, symbol="VIX", sec_type="IND")
EXPIRED = SimContract(
    con_id=4, symbol="SPY", sec_type="OPT", expiry=date(2024, 3, 1), strike=500.0, multiplier=100
)


def clock(hour, minute=0, second=0, *, day=MONDAY):
    return datetime.combine(day, time(hour, minute, second), NEW_YORK).astimezone(UTC)


OPENING, TEN = clock(9, 30), clock(10)


class ScriptedMarket:
    """A whole `Market`: four contracts, weekdays from 09:30 to 16:00, quotes as scripted."""

    def __init__(self):
        self._contracts = (STOCK, OPTION, INDEX, EXPIRED)
        self._quotes = {contract.con_id: [] for contract in self._contracts}

    def show(self, contract, at, **fields):
        quotes = self._quotes[contract.con_id]
        quotes.append(MarketQuote(at=at, **fields))
        quotes.sort(key=lambda quote: quote.at)

    def find(self, pattern):
        wanted = attrs.asdict(pattern, filter=lambda _, value: bool(value))
        return [
            contract
            for contract in self._contracts
            if all(getattr(contract, name) == value for name, value in wanted.items())
        ]

    def by_con_id(self, con_id):
        return next((c for c in self._contracts if c.con_id == con_id), None)

    def underlyings(self):
        return [each for each in self._contracts if each.sec_type != "OPT"]

    def option_classes(self, under_con_id):
        return ()

    def quote(self, contract, at):
        quotes = self._quotes[contract.con_id]
        index = bisect_right([quote.at for quote in quotes], at)
        return quotes[index - 1]._replace(at=at) if index else MarketQuote(at=at)

    def next_change(self, contract, after):
        return next((q.at for q in self._quotes[contract.con_id] if q.at > after), None)

    def greeks(self, contract, at):
        return None

    def bars(self, contract, *, start, end, size, what, rth):
        return ()

    def sessions(self, start, end):
        days = [start + timedelta(days=n) for n in range((end - start).days + 1)]
        return [
            SimSession(day=day, opens_at=clock(9, 30, day=day), closes_at=clock(16, day=day))
            for day in days
            if day.weekday() < 5
        ]


@attrs.define
class Bench:
    """A venue on a scripted market, and the events of one order in a form easy to compare."""

    market: ScriptedMarket
    venue: Venue
    next_id: int = 1

    def order(self, action, quantity, order_type="MKT", **fields):
        fields.setdefault("contract", OPTION)
        fields.setdefault("client_id", 7)
        if "order_id" not in fields:
            fields["order_id"] = self.next_id
            self.next_id += 1
        return SimOrder(action=action, quantity=quantity, order_type=order_type, **fields)

    def send(self, action, quantity, order_type="MKT", at=TEN, **fields):
        return self.venue.submit(self.order(action, quantity, order_type, **fields), at)

    def show(self, at=OPENING, contract=OPTION, **fields):
        self.market.show(contract, at, **fields)

    def bracket(self, quantity=10, at=TEN, **fields):
        """Buy at 5.00, take profit at 6.00, stop at 4.00; the last one transmits."""
        parent = self.order("BUY", quantity, "LMT", limit_price=5.0, transmit=False, **fields)
        attached = {"parent_id": parent.order_id}
        orders = [
            parent,
            self.order("SELL", quantity, "LMT", limit_price=6.0, transmit=False, **attached),
            self.order("SELL", quantity, "STP", stop_price=4.0, **attached),
        ]
        return [event for order in orders for event in self.venue.submit(order, at)]


def said(events, order_id=None):
    """Events as short words: echo:Submitted, status:Filled, 202, Execution, Commission."""
    return [_word(event) for event in events if order_id in {None, _order_id(event)}]


def _order_id(event):
    named = event.order if isinstance(event, OrderEcho) else event
    return getattr(named, "order_id", 0)


def _word(event):
    match event:
        case OrderEcho():
            return f"echo:{event.status}"
        case OrderStatus():
            return f"status:{event.status}"
        case OrderError():
            return event.code
        case _:
            return type(event).__name__


@pytest.fixture
def said_of():
    return said


@pytest.fixture
def at():
    return clock


@pytest.fixture
def stock():
    return STOCK


@pytest.fixture
def option():
    return OPTION


@pytest.fixture
def index():
    return INDEX


@pytest.fixture
def expired():
    return EXPIRED


@pytest.fixture
def make_bench():
    def make(*, cash=100_000.0, seed=0, **settings):
        market = ScriptedMarket()
        return Bench(market, Venue(market, cash=cash, seed=seed, settings=VenueSettings(**settings)))

    return make


@pytest.fixture
def bench(make_bench):
    """An option quoted 4.90 x 5.10, fifty contracts a side, and a stock 499.99 x 500.01."""
    bench = make_bench()
    bench.show(bid=4.9, ask=5.1, bid_size=50, ask_size=50, last=5.0)
    return bench


@pytest.fixture
def stock_bench(bench, stock):
    bench.show(contract=stock, bid=499.99, ask=500.01, bid_size=300, ask_size=300, last=500.0, close=495.0)
    return bench
