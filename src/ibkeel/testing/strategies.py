"""Hypothesis strategies for the values of the model, for events and for faults; needs the extra `[testing]`."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin

import attrs
import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ibkeel.model import (
    Bar,
    Bars,
    BarSpec,
    Bracket,
    Contract,
    DataType,
    Grade,
    Health,
    HealthCheck,
    Index,
    Option,
    OptionChain,
    OptionClass,
    OrderTicket,
    OrderType,
    Quote,
    Right,
    Side,
    Stock,
)
from ibkeel.model.bars import second_of
from ibkeel.sim import Scenario, faults
from ibkeel.telemetry import Event

__all__ = [
    "START",
    "a_fault",
    "bars",
    "brackets",
    "chains",
    "contracts",
    "events",
    "fault_schedules",
    "histories",
    "indices",
    "options",
    "quotes",
    "stocks",
    "tickets",
]

START: Final = datetime(2024, 3, 4, 14, 30, tzinfo=UTC)
"""Where histories begin: the open of an ordinary Monday in New York."""

_MOST_CENTS: Final = 1_000_000
_TICKER: Final = st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=5)
_INSTANT: Final = st.datetimes(datetime(2013, 1, 2), datetime(2030, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds

_WORDS: Final = st.sampled_from(
    ["", "SPY", "quote", "history", "ready", "open", "closed", "filled", "unknown"]
)
_FIGURES: Final = st.floats(0.0, 1e6, allow_nan=False)


_PRICE: Final = st.integers(1, _MOST_CENTS).map(lambda cents: Decimal(cents) / 100)


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
def histories(draw: DrawFn, spec: BarSpec, contract: Contract, *, max_size: int = 160) -> Bars:
    """Bars as a market makes them: a walk with trends and outbreaks, some bars missing, some without trades.

    Unlike `bars`, whose prices may do anything, these are what a strategy is made for.

    Args:
        draw: Given by Hypothesis.
        spec: Their specification; they begin at `START` and know no nights.
        contract: What they are of.
        max_size: Most bars.
    """
    count = draw(st.integers(0, max_size))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pace = draw(st.sampled_from([0.0, 1e-4, 1e-3, 1e-2]))
    trend = draw(st.floats(-0.5, 0.5))
    outbreak = draw(st.sampled_from([0.0, -0.05, 0.05]))
    steps = pace * (rng.standard_normal(count + 1) + trend)
    steps[-1] += outbreak
    path = np.round(draw(st.floats(5.0, 1_000.0)) * np.exp(np.cumsum(steps)), 2) + 0.01
    volume = np.floor(rng.exponential(5_000.0, count)) * (rng.random(count) < draw(st.floats(0.5, 1.0)))
    volume[-1:] *= draw(st.sampled_from([1.0, 5.0]))
    reach = np.round(path[1:] * pace * rng.random(count), 2)
    kept = np.flatnonzero(rng.random(count) < draw(st.sampled_from([1.0, 0.9, 0.5])))
    at = second_of(START) + np.arange(count) * np.timedelta64(spec.size_seconds, "s")
    return Bars(
        contract=contract,
        spec=spec,
        at=at[kept],
        open=path[:-1][kept],
        high=(np.maximum(path[:-1], path[1:]) + reach)[kept],
        low=np.maximum(np.minimum(path[:-1], path[1:]) - reach, 0.01)[kept],
        close=path[1:][kept],
        volume=volume[kept],
    )


@st.composite
def chains(draw: DrawFn, underlying: Stock | Index | None = None) -> OptionChain:
    """Option chains of one or two classes; expiries and strikes ascend, and not every pair exists."""
    stock = underlying if underlying is not None else draw(stocks())
    days = st.lists(st.dates(date(2024, 3, 4), date(2025, 12, 19)), min_size=1, max_size=6, unique=True)
    halves = st.lists(st.integers(1, 4_000), min_size=1, max_size=30, unique=True)
    names = (stock.symbol, f"{stock.symbol}W")[: draw(st.integers(1, 2))]
    return OptionChain(
        underlying=stock,
        classes=tuple(
            OptionClass(
                trading_class=name,
                expiries=tuple(sorted(draw(days))),
                strikes=tuple(Decimal(half) / 2 for half in sorted(draw(halves))),
            )
            for name in names
        ),
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
        limit_price=draw(_PRICE) if order_type in {OrderType.LMT, OrderType.STP_LMT} else None,
        stop_price=draw(_PRICE) if order_type in {OrderType.STP, OrderType.STP_LMT} else None,
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


def events(*kinds: type[Any], texts: SearchStrategy[str] = _WORDS) -> SearchStrategy[Any]:
    """Events of some kinds, with every field drawn.

    Args:
        kinds: Which; none means all.
        texts: What stands in text fields.
    """
    return st.one_of([_built(kind, texts) for kind in kinds or get_args(Event)])


def _built(kind: type[Any], texts: SearchStrategy[str]) -> SearchStrategy[Any]:
    if kind is Health:
        return st.builds(Health, checks=st.lists(_checks(texts), max_size=3).map(tuple))
    fields = {field.name: _of_type(field.type, texts) for field in attrs.fields(kind)}
    return st.builds(kind, **fields)


def _checks(texts: SearchStrategy[str]) -> SearchStrategy[HealthCheck]:
    return st.builds(
        HealthCheck, name=texts, grade=st.sampled_from(Grade), evidence=texts, at=_INSTANT, remedy=texts
    )


def _of_type(annotation: Any, texts: SearchStrategy[str]) -> SearchStrategy[Any]:
    simple: Mapping[Any, SearchStrategy[Any]] = {
        NoneType: st.none(),
        bool: st.booleans(),
        date: st.dates(date(2024, 1, 2), date(2026, 12, 30)),
        datetime: _INSTANT,
        float: _FIGURES,
        int: st.integers(0, 10_000),
        str: texts,
    }
    if annotation in simple:
        return simple[annotation]
    if get_origin(annotation) is UnionType:
        return st.one_of([_of_type(part, texts) for part in get_args(annotation)])
    if get_origin(annotation) is tuple:
        return st.lists(_of_type(get_args(annotation)[0], texts), max_size=3).map(tuple)
    return _built(annotation, texts)


_OWN: Final[Mapping[type[faults.Fault], Mapping[str, SearchStrategy[Any]]]] = {
    faults.AnsweredWith: {"code": st.sampled_from([162, 200, 321, 354]), "text": st.just("no")},
    faults.ClockSkew: {"seconds": st.integers(-100, 100)},
    faults.CompetingSession: {"revives": st.booleans()},
    faults.Delayed: {"delay": st.sampled_from([0.01, 3])},
    faults.FarmBroken: {
        "service": st.sampled_from(["market_data", "history", "definitions"]),
        "revives": st.booleans(),
    },
    faults.Garbage: {"framed": st.booleans()},
    faults.LostAcknowledgement: {"when_request": st.just("place_order")},
    faults.NotEntitled: {"code": st.sampled_from([354, 10089, 10090, 10167])},
    faults.Notice: {"code": st.just(2110), "text": st.just("broken")},
    faults.PortReset: {"port": st.sampled_from([None, 4003])},
    faults.Restart: {"rolls_back_ids": st.booleans()},
    faults.Slow: {"delay": st.integers(0, 20)},
    faults.UpstreamLost: {
        "restores_as": st.sampled_from([1101, 1102]),
        "says_again_every": st.integers(0, 3),
    },
}
"""What is drawn of a kind beside what all kinds have."""

_OCCASIONS: Final = ("historical_data", "place_order", "market_data", "cancel_order", "start_api")


def a_fault(kind: type[faults.Fault], *, within: int = 60) -> SearchStrategy[faults.Fault]:
    """One fault of a kind: at a time, or at a request such as the second order or just after it.

    Args:
        kind: One of `ibkeel.sim.faults.KINDS`.
        within: Latest second at which it begins to strike or to wait for its request, after the Gateway first listened.
    """
    drawn: dict[str, SearchStrategy[Any]] = {
        "after": st.integers(0, within),
        "times": st.integers(1, 3),
        "chance": st.sampled_from([0.5, 1.0]),
        "client_id": st.sampled_from([None, 1]),
        **_OWN.get(kind, {}),
    }
    if not kind.is_momentary:
        drawn["duration"] = st.integers(1, 20)
    at_requests = {"when_request": st.sampled_from(_OCCASIONS), "skip": st.integers(0, 2), **drawn}
    if kind.strikes_requests:
        return st.builds(kind, **drawn) | st.builds(kind, **at_requests)
    drawn["every"] = st.sampled_from([None, 7.0])
    at_requests["wait"] = st.sampled_from([0.0, 0.06, 1.0])
    return st.builds(kind, **drawn) | st.builds(kind, **at_requests)


@st.composite
def fault_schedules(
    draw: st.DrawFn, *kinds: type[faults.Fault], within: int = 60, max_size: int = 4
) -> Scenario:
    """Up to so many faults, each of which is over after a while, in whatever order.

    Equal draws strike alike: what chance decides is decided by the scenario's own seed.

    Args:
        draw: Hypothesis' own.
        kinds: Which; none means all.
        within: Latest second at which one begins to strike.
        max_size: Most faults.
    """
    chosen = st.sampled_from(kinds or tuple(faults.KINDS.values()))
    one = chosen.flatmap(lambda kind: a_fault(kind, within=within))
    planned = draw(st.lists(one, min_size=1, max_size=max_size))
    return Scenario(name="drawn", faults=tuple(planned), seed=draw(st.integers(0, 3)))
