"""Hypothesis strategies for the values of the model; needs the extra `[testing]`."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ibkeel.model import (
    Bar,
    Bars,
    BarSpec,
    Bracket,
    Contract,
    DataType,
    Index,
    Option,
    OrderTicket,
    OrderType,
    Quote,
    Right,
    Side,
    Stock,
)

__all__ = ["bars", "brackets", "contracts", "indices", "options", "quotes", "stocks", "tickets"]

_MOST_CENTS: Final = 1_000_000
_TICKER: Final = st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=5)
_INSTANT: Final = st.datetimes(datetime(2013, 1, 2), datetime(2030, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds


def _decimals(least: int = 1, most: int = _MOST_CENTS) -> SearchStrategy[Decimal]:
    return st.integers(least, most).map(lambda cents: Decimal(cents) / 100)


def stocks() -> SearchStrategy[Stock]:
    """Stocks with tickers of one to five letters."""
    return st.builds(Stock, _TICKER)


def indices() -> SearchStrategy[Index]:
    """Indices with tickers of one to five letters."""
    return st.builds(Index, _TICKER)


def options() -> SearchStrategy[Option]:
    """Options with strikes of 0.50 to 10,000 in steps of 0.50."""
    return st.builds(
        Option,
        _TICKER,
        st.dates(date(2013, 1, 2), date(2030, 12, 31)),
        st.integers(1, 20_000).map(lambda halves: Decimal(halves) / 2),
        st.sampled_from(Right),
    )


def contracts() -> SearchStrategy[Contract]:
    """Stocks, indices and options."""
    return st.one_of(stocks(), indices(), options())


@st.composite
def quotes(draw: DrawFn, contract: Contract | None = None) -> Quote:
    """Quotes with a bid below the ask; either side, or both, may be missing."""
    bid = draw(st.integers(1, _MOST_CENTS))
    ask = bid + draw(st.integers(1, 1_000))
    size = st.none() | st.integers(0, 10_000).map(float)
    sides = draw(st.tuples(st.booleans(), st.booleans()))
    return Quote(
        contract=contract if contract is not None else draw(contracts()),
        at=draw(_INSTANT),
        data_type=draw(st.sampled_from(DataType)),
        bid=bid / 100 if sides[0] else None,
        ask=ask / 100 if sides[1] else None,
        last=draw(st.none() | st.integers(bid, ask).map(lambda cents: cents / 100)),
        bid_size=draw(size),
        ask_size=draw(size),
        volume=draw(st.none() | st.integers(0, 10**9).map(float)),
    )


@st.composite
def bars(draw: DrawFn, contract: Contract | None = None, *, min_size: int = 0, max_size: int = 60) -> Bars:
    """One-minute bars, ascending, some minutes missing."""
    start = draw(_INSTANT).replace(second=0, microsecond=0)
    count = draw(st.integers(min_size, max_size))
    rows = []
    for _ in range(count):
        low, *between, high = sorted(draw(st.lists(st.integers(1, _MOST_CENTS), min_size=4, max_size=4)))
        opened, closed = draw(st.permutations(between))
        prices = (opened / 100, high / 100, low / 100, closed / 100)
        rows.append(Bar(start, *prices, float(draw(st.integers(0, 10**7)))))
        start += timedelta(minutes=draw(st.integers(1, 3)))
    return Bars.from_rows(
        rows,
        contract=contract if contract is not None else draw(contracts()),
        spec=BarSpec(duration="1 D", size="1 min"),
    )


@st.composite
def tickets(draw: DrawFn) -> OrderTicket:
    """Orders of every type, with the prices that their type takes."""
    order_type = draw(st.sampled_from(OrderType))
    return OrderTicket(
        contract=draw(st.one_of(stocks(), options())),
        side=draw(st.sampled_from(Side)),
        quantity=draw(st.integers(1, 1_000)),
        order_type=order_type,
        limit_price=draw(_decimals()) if order_type in {OrderType.LMT, OrderType.STP_LMT} else None,
        stop_price=draw(_decimals()) if order_type in {OrderType.STP, OrderType.STP_LMT} else None,
    )


@st.composite
def brackets(draw: DrawFn) -> Bracket:
    """Brackets whose prices are on their proper sides of each other."""
    side = draw(st.sampled_from(Side))
    low, middle, high = (
        Decimal(cents) / 100
        for cents in sorted(draw(st.lists(st.integers(1, _MOST_CENTS), min_size=3, max_size=3, unique=True)))
    )
    entry = OrderTicket(
        contract=draw(st.one_of(stocks(), options())),
        side=side,
        quantity=draw(st.integers(1, 1_000)),
        order_type=OrderType.LMT,
        limit_price=middle,
    )
    stop, profit = (low, high) if side is Side.BUY else (high, low)
    return Bracket(entry=entry, stop_loss=stop, take_profit=draw(st.none() | st.just(profit)))
