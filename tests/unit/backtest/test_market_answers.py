"""What a market of odd contracts tells reaches the model whole: each figure of it is another one."""

import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product
from zoneinfo import ZoneInfo

import attrs
import numpy as np
import pytest

from ibkeel.backtest import RecordedData, SeededData
from ibkeel.backtest.prices import Directory, MarketSessions, Prices
from ibkeel.errors import AmbiguousContract, QuoteUnavailable
from ibkeel.model import (
    Bars,
    BarSpec,
    Contract,
    ContractDetails,
    Greeks,
    Index,
    Option,
    OptionChain,
    OptionClass,
    OtherContract,
    Quote,
    Right,
    Stock,
    TradingHours,
)
from ibkeel.runner import Session
from ibkeel.sim.values import BarSize, MarketQuote, ModelGreeks, SimBar, SimContract, SimSession
from ibkeel.sim.values import OptionClass as SimClass

NOW = datetime(2026, 1, 7, 10, 0, tzinfo=UTC)
HOUR, TEN_MINUTES = timedelta(hours=1), timedelta(minutes=10)
HELSINKI = ZoneInfo("Europe/Helsinki")
SHARE, TWIN = (
    SimContract(
        con_id=number, symbol="ABC", sec_type="STK", exchange="LSE", primary_exchange=primary, currency="GBP",
        min_tick=0.5, long_name="ABC plc", timezone="Europe/Helsinki",
    )
    for number, primary in ((11, "AIM"), (12, "TSX"))
)  # fmt: skip
INDEX = SimContract(con_id=13, symbol="IDX", sec_type="IND", exchange="EUREX", currency="EUR")
OPTIONS = [
    SimContract(
        con_id=number, symbol="ABC", sec_type="OPT", expiry=expiry, strike=strike, right=right, multiplier=10,
        exchange="ICEEU", currency="GBP", trading_class=name, under_con_id=11,
    )
    for number, (expiry, strike, right, name) in enumerate(
        product((date(2026, 1, 16), date(2026, 2, 20)), (2.5, 7.5), "CP", ("ABC", "ABX")), 100
    )
]  # fmt: skip
DECOYS = [  # each is told from one of the above by a single field
    SimContract(con_id=14, symbol="IDY", sec_type="IND"),
    SimContract(con_id=15, symbol="IDX", sec_type="STK", primary_exchange="AIM"),
    *(attrs.evolve(row, con_id=row.con_id + 100, sec_type="WAR") for row in OPTIONS),
]
SHOWN = MarketQuote(
    at=NOW - timedelta(hours=1), bid=1.5, ask=2.5, bid_size=3, ask_size=4, last=2.0, last_size=5, volume=6,
    open=7.0, high=8.0, low=9.0, close=10.0, open_interest=11,
)  # fmt: skip
MODEL = ModelGreeks(iv=0.1, delta=0.2, gamma=0.3, vega=0.4, theta=-0.5, price=0.6, underlying_price=0.7)


class Odd:
    """Lists what is above, and remembers which bars it was asked for."""

    def __init__(self, shown=SHOWN):
        self.shown, self.asked = shown, None

    def find(self, pattern):
        wanted = {name: value for name, value in attrs.asdict(pattern).items() if value}
        rows = [SHARE, TWIN, INDEX, *OPTIONS, *DECOYS]
        told = [attrs.asdict(row) | {"expiry": row.expiry and f"{row.expiry:%Y%m%d}"} for row in rows]
        return [row for row, has in zip(rows, told, strict=True) if wanted.items() <= has.items()]

    def option_classes(self, number):
        dates, strikes = (date(2026, 1, 16), date(2026, 2, 20)), (2.5, 7.5)
        names = [("ICEEU", "ABX"), ("SMART", "ABX"), ("AMEX", "ABX"), ("AMEX", "ABC"), ("SMART", "ABC")]
        return [
            SimClass(
                exchange=exchange, trading_class=name, multiplier=number, expiries=dates, strikes=strikes
            )
            for exchange, name in names
        ]

    def quote(self, contract, at):
        return self.shown

    def greeks(self, contract, at):
        return MODEL

    def next_change(self, contract, after):
        return after + timedelta(seconds=contract.con_id)

    def bars(self, contract, **asked):
        self.asked = (contract, asked)
        start = datetime(2026, 1, 6, 8, 30, tzinfo=UTC)
        return [
            SimBar(at=start + n * timedelta(days=1), open=2.0 + n, high=5.0 + n, low=1.0 + n, close=3.0 + n,
                   volume=n - 1, wap=0.0, count=0)
            for n in range(3)
        ]  # fmt: skip

    def sessions(self, start, end):
        days = [start + timedelta(days=n) for n in range((end - start).days + 1)]
        return [
            SimSession(
                day=day,
                opens_at=datetime(day.year, day.month, day.day, 8, tzinfo=UTC),
                closes_at=datetime(day.year, day.month, day.day, 16, 30, tzinfo=UTC),
            )
            for day in days
            if day.weekday() < 5
        ]


def option(row, **more):
    return Option(
        row.symbol,
        row.expiry,
        Decimal(str(row.strike)),
        Right(row.right),
        trading_class=row.trading_class,
        **more,
    )


@pytest.mark.parametrize("row", OPTIONS, ids=lambda row: f"{row.con_id}")
def test_each_option_of_a_chain_is_found_by_all_that_tells_it_from_the_others(row):
    directory = Directory(Odd())

    assert directory.find(option(row)) == row
    with pytest.raises(AmbiguousContract, match="fits 2 listed contracts; name its trading class") as refused:
        directory.find(attrs.evolve(option(row), trading_class=""))
    assert refused.value.code == 200


def test_shares_of_one_symbol_are_told_apart_by_their_exchange():
    directory = Directory(Odd())

    assert directory.find(Stock("ABC", primary_exchange="TSX")) == TWIN
    assert directory.find(Stock("ABC", primary_exchange="AIM")) == SHARE
    assert directory.find(Index("IDX")) == INDEX
    with pytest.raises(AmbiguousContract):
        directory.find(Stock("ABC"))


@pytest.mark.parametrize(
    ("asked", "row", "whole"),
    [
        (
            Stock("ABC", primary_exchange="AIM"),
            SHARE,
            Stock("ABC", exchange="LSE", primary_exchange="AIM", currency="GBP", con_id=11),
        ),
        (Index("IDX"), INDEX, Index("IDX", exchange="EUREX", currency="EUR", con_id=13)),
        (
            option(OPTIONS[3]),
            OPTIONS[3],
            option(OPTIONS[3], multiplier=10, exchange="ICEEU", currency="GBP", con_id=103),
        ),
    ],
    ids=["share", "index", "option"],
)
def test_a_definition_holds_every_field_and_a_contract_goes_by_the_name_it_was_first_asked_for(
    asked: Contract, row, whole
):
    directory = Directory(Odd())

    details, named = directory.details(asked, NOW), directory.name(row)

    days = [date(2026, 1, day) for day in (7, 8, 9, 12, 13, 14)]
    hours = tuple(
        TradingHours(
            opens_at=datetime(day.year, day.month, day.day, 8, tzinfo=UTC),
            closes_at=datetime(day.year, day.month, day.day, 16, 30, tzinfo=UTC),
        )
        for day in days
    )
    assert details == ContractDetails(
        contract=whole,
        long_name=row.long_name,
        min_tick=Decimal(str(row.min_tick)),
        timezone=row.timezone,
        liquid_hours=hours,
        under_con_id=11 if isinstance(whole, Option) else None,
        last_trading_day=row.expiry,
    )
    assert attrs.asdict(details.contract) == attrs.asdict(whole)
    assert attrs.asdict(named) == attrs.asdict(asked)
    assert attrs.asdict(Directory(Odd()).name(row)) == attrs.asdict(whole)


def test_what_trades_last_before_it_expires_goes_by_its_last_day():
    early = attrs.evolve(OPTIONS[0], last_trading_day=date(2026, 1, 15))

    assert Directory(Odd()).name(early).expiry == date(2026, 1, 15)


def test_what_the_model_has_no_name_for_goes_by_its_symbol_its_kind_and_its_number():
    future = attrs.asdict(Directory(Odd()).name(SimContract(con_id=5, symbol="ES", sec_type="FUT")))

    assert future == attrs.asdict(OtherContract("ES", kind="FUT", con_id=5))


def test_a_chain_begins_with_smart_and_goes_by_exchange_and_class():
    share = Stock("ABC", primary_exchange="TSX")

    expected = tuple(
        OptionClass(
            trading_class=name,
            exchange=exchange,
            multiplier=12,
            expiries=(date(2026, 1, 16), date(2026, 2, 20)),
            strikes=(Decimal("2.5"), Decimal("7.5")),
        )
        for exchange, name in [
            ("SMART", "ABC"), ("SMART", "ABX"), ("AMEX", "ABC"), ("AMEX", "ABX"), ("ICEEU", "ABX")
        ]
    )  # fmt: skip
    assert Directory(Odd()).chain(share) == OptionChain(underlying=share, classes=expected)


def prices(market):
    return Prices(market, Directory(market))


def test_a_quote_holds_what_the_market_shows_as_of_now():
    asked = option(OPTIONS[5])

    assert prices(Odd()).quote(asked, NOW) == Quote(
        contract=asked, at=NOW, bid=1.5, ask=2.5, last=2.0, bid_size=3, ask_size=4, last_size=5, volume=6,
        open_interest=11, close=10.0, greeks=Greeks(**attrs.asdict(MODEL)), is_halted=False,
    )  # fmt: skip


def test_an_index_has_no_volume_and_neither_has_greeks():
    index, share = (
        prices(Odd()).quote(each, NOW) for each in (Index("IDX"), Stock("ABC", primary_exchange="AIM"))
    )

    assert (index.volume, share.volume) == (None, 6)
    assert index.greeks is share.greeks is None


@pytest.mark.parametrize("nothing", [None, 0.0, -1.0])
@pytest.mark.parametrize("kept", ["bid", "ask", "last"])
def test_one_price_is_a_quote_and_what_is_no_price_is_none(nothing, kept):
    prices_of = {name: 0.25 if name == kept else nothing for name in ("bid", "ask", "last")}
    quote = prices(Odd(SHOWN._replace(**prices_of, close=nothing, halted=1))).quote(Index("IDX"), NOW)

    told = {name: getattr(quote, name) for name in ("bid", "ask", "last")}
    assert told == {name: 0.25 if name == kept else None for name in told}
    assert quote.bid_size == (3 if kept == "bid" else None)
    assert quote.ask_size == (4 if kept == "ask" else None)
    assert quote.close is None
    assert quote.is_halted
    with pytest.raises(QuoteUnavailable):
        prices(Odd(MarketQuote(at=NOW, bid=nothing, ask=nothing, last=nothing, close=3.0))).quote(
            Index("IDX"), NOW
        )


def test_the_next_change_is_that_of_the_contract():
    assert prices(Odd()).next_change(Index("IDX"), NOW) == NOW + timedelta(seconds=13)


@pytest.mark.parametrize(
    ("duration", "size", "rth", "end", "start", "until"),
    [
        ("600 S", "1 min", False, None, NOW - TEN_MINUTES, NOW),
        ("600 S", "1 min", False, NOW - HOUR, NOW - HOUR - TEN_MINUTES, NOW - HOUR),
        ("600 S", "1 min", False, NOW + HOUR, NOW - TEN_MINUTES, NOW),
        ("2 D", "1 day", True, None, datetime(2026, 1, 6, tzinfo=HELSINKI), NOW),
        ("30600 S", "1 min", True, None, datetime(2026, 1, 6, 10, tzinfo=UTC), NOW),  # over a night
    ],
)
def test_bars_are_those_of_the_market_up_to_now(duration, size, rth, end, start, until):
    market, share = Odd(), Stock("ABC", primary_exchange="TSX")
    spec = BarSpec(duration=duration, size=size, rth=rth, kind="MIDPOINT", end=end)

    got = prices(market).bars(share, spec, NOW)

    length = BarSize.DAY_1 if size == "1 day" else BarSize.MIN_1
    asked = {"start": start, "end": until, "size": length, "what": "MIDPOINT", "rth": rth}
    assert market.asked == (TWIN, asked)
    first = (
        datetime(2026, 1, 5, 22, tzinfo=UTC) if size == "1 day" else datetime(2026, 1, 6, 8, 30, tzinfo=UTC)
    )
    at = [np.datetime64((first + timedelta(days=n)).replace(tzinfo=None), "s") for n in range(3)]
    expected = Bars(
        contract=share, spec=spec, at=np.array(at), open=[2.0, 3.0, 4.0], high=[5.0, 6.0, 7.0],
        low=[1.0, 2.0, 3.0], close=[3.0, 4.0, 5.0], volume=[0, 0, 1], timezone="Europe/Helsinki",
    )  # fmt: skip
    for name in ("contract", "spec", "timezone"):
        assert getattr(got, name) == getattr(expected, name)
    for name in ("at", "open", "high", "low", "close", "volume"):
        assert getattr(got, name).tolist() == getattr(expected, name).tolist()
        assert getattr(got, name).dtype == getattr(expected, name).dtype


def test_a_session_is_that_of_its_day():
    day = date(2026, 1, 8)

    assert MarketSessions(Odd()).session(day) == Session(
        day=day,
        opens_at=datetime(2026, 1, 8, 8, tzinfo=UTC),
        closes_at=datetime(2026, 1, 8, 16, 30, tzinfo=UTC),
    )


def test_a_seed_and_a_day_make_a_market():
    day = date(2026, 3, 4)

    def shown(**given):
        market = SeededData(**given).market(["SPY"])
        share = Directory(market).find(Stock("SPY"))
        return market.session_date, market.quote(share, datetime(2026, 3, 4, 16, tzinfo=UTC))

    assert shown(seed=1, day=day) == shown(seed=1, day=day)
    assert shown(seed=1, day=day)[0] == day
    assert shown(seed=1, day=day) != shown(seed=2, day=day)
    assert shown(seed=1) != shown(seed=1, day=day)


@pytest.mark.data
def test_a_recorded_day_is_the_one_that_was_named():
    day = date(2013, 10, 7)
    market = RecordedData(folder=os.environ["IBKEEL_DATA"], day=day).market(["SPY"])

    assert market.session_date == day
    assert [row.symbol for row in market.underlyings()] == ["SPY"]
