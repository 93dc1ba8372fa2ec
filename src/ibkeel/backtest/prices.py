"""Contracts, quotes and bars of a simulated market, as the model has them."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final, Protocol, get_args, runtime_checkable
from zoneinfo import ZoneInfo

import attrs
import numpy as np
from typing_extensions import override

from ibkeel.errors import AmbiguousContract, NoData, QuoteUnavailable, UnknownContract
from ibkeel.model import (
    Bars,
    BarSpec,
    ConId,
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
from ibkeel.runner import Session, SessionCalendar
from ibkeel.sim.market import ReplayMarket, SeededMarket
from ibkeel.sim.services.durations import Duration, ShortBar, start_of
from ibkeel.sim.services.feed import short_bars
from ibkeel.sim.values import BarSize, ContractPattern, Market, MarketQuote, ModelGreeks, SimBar, SimContract
from ibkeel.validators import expect

_AHEAD: Final = timedelta(days=7)
_NO_DEFINITION: Final = 200


class Directory:
    """Finds what a contract of the model is in a market, and remembers how it was called."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._found: dict[Contract, SimContract] = {}
        self._names: dict[int, Contract] = {}

    def find(self, contract: Contract) -> SimContract:
        """The one listed contract that fits."""
        known = self._found.get(contract)
        if known is not None:
            return known
        expect(contract, *get_args(Contract))
        rows = self._market.find(_pattern(contract))
        if not rows:
            raise UnknownContract(f"the market does not list {contract}", code=_NO_DEFINITION)
        if len(rows) > 1:
            raise AmbiguousContract(
                f"{contract} fits {len(rows)} listed contracts; name its trading class", code=_NO_DEFINITION
            )
        self._found[contract] = rows[0]
        self._names.setdefault(rows[0].con_id, contract)
        return rows[0]

    def name(self, listed: SimContract) -> Contract:
        """A listed contract as it was first asked for, else by all its fields."""
        if listed.con_id not in self._names:
            self._names[listed.con_id] = _contract(listed)
        return self._names[listed.con_id]

    def details(self, contract: Contract, now: datetime) -> ContractDetails:
        """The definition of a contract, with the hours of the days from `now` on."""
        listed = self.find(contract)
        sessions = self._market.sessions(now.date(), (now + _AHEAD).date())
        hours = tuple(TradingHours(opens_at=row.opens_at, closes_at=row.closes_at) for row in sessions)
        return ContractDetails(
            contract=_contract(listed),
            long_name=listed.long_name,
            min_tick=Decimal(str(listed.min_tick)),
            timezone=listed.timezone,
            liquid_hours=hours,
            under_con_id=ConId(listed.under_con_id) if listed.under_con_id else None,
            last_trading_day=listed.last_trading_day or listed.expiry,
        )

    def chain(self, underlying: Stock | Index) -> OptionChain:
        """The option classes of an underlying."""
        rows = self._market.option_classes(self.find(underlying).con_id)
        if not rows:
            raise NoData(f"{underlying} has no options")
        classes = tuple(
            OptionClass(
                trading_class=row.trading_class,
                exchange=row.exchange,
                multiplier=row.multiplier,
                expiries=row.expiries,
                strikes=tuple(Decimal(str(strike)) for strike in row.strikes),
            )
            for row in sorted(
                rows, key=lambda row: (row.exchange != "SMART", row.exchange, row.trading_class)
            )
        )
        return OptionChain(underlying=underlying, classes=classes)


def _pattern(contract: Contract) -> ContractPattern:
    match contract:
        case Stock():
            return ContractPattern(
                symbol=contract.symbol, sec_type="STK", primary_exchange=contract.primary_exchange
            )
        case Index():
            return ContractPattern(symbol=contract.symbol, sec_type="IND")
        case Option():
            return ContractPattern(
                symbol=contract.underlying,
                sec_type="OPT",
                expiry=f"{contract.expiry:%Y%m%d}",
                strike=float(contract.strike),
                right=contract.right.value,
                trading_class=contract.trading_class,
            )
        case _:
            raise UnknownContract(
                f"{contract}: the market lists stocks, indices and options", code=_NO_DEFINITION
            )


def _contract(listed: SimContract) -> Contract:
    number = ConId(listed.con_id)
    if listed.sec_type == "STK":
        return Stock(
            listed.symbol,
            exchange=listed.exchange,
            primary_exchange=listed.primary_exchange,
            currency=listed.currency,
            con_id=number,
        )
    if listed.sec_type == "IND":
        return Index(listed.symbol, exchange=listed.exchange, currency=listed.currency, con_id=number)
    if listed.expiry is None:
        return OtherContract(listed.symbol, kind=listed.sec_type, con_id=number)
    return Option(
        listed.symbol,
        listed.last_trading_day or listed.expiry,
        Decimal(str(listed.strike)),
        Right(listed.right),
        trading_class=listed.trading_class,
        multiplier=listed.multiplier,
        exchange=listed.exchange,
        currency=listed.currency,
        con_id=number,
    )


_SIZES: Final = {size.text: size for size in (*ShortBar, *BarSize)}


class Prices:
    """Reads a market; nothing shows before its time."""

    def __init__(self, market: Market, directory: Directory) -> None:
        self._market, self._directory = market, directory

    def quote(self, contract: Contract, now: datetime) -> Quote:
        """What the market shows of a contract."""
        listed = self._directory.find(contract)
        shown = self._market.quote(listed, now)
        greeks = self._market.greeks(listed, now) if isinstance(contract, Option) else None
        quote = _quote(contract, shown, greeks, now)
        if quote.bid is None and quote.ask is None and quote.last is None:
            raise QuoteUnavailable(f"the market shows no price of {contract} at {now.isoformat()}")
        return quote

    def next_change(self, contract: Contract, now: datetime) -> datetime | None:
        """When the quote may differ next; None for never."""
        return self._market.next_change(self._directory.find(contract), now)

    def bars(self, contract: Contract, spec: BarSpec, now: datetime) -> Bars:
        """Bars up to now; the one that covers now holds what has traded, as a live Gateway's does."""
        expect(spec, BarSpec)
        listed, size = self._directory.find(contract), _SIZES[spec.size]
        end = now if spec.end is None else min(spec.end, now)
        amount, unit = spec.duration.split()
        start = start_of(
            Duration(int(amount), unit),
            end,
            size,
            sessions=self._market.sessions,
            zone=ZoneInfo(listed.timezone),
            rth=spec.rth,
        )
        what = spec.kind.value
        if isinstance(size, ShortBar):
            rows: Sequence[SimBar] = short_bars(
                self._market, listed, start=start, end=end, seconds=size.seconds, what=what
            )
        else:
            rows = self._market.bars(listed, start=start, end=end, size=size, what=what, rth=spec.rth)
        if not rows:
            raise NoData(
                f"no bars of {spec.size!r} over {spec.duration!r} of {contract} to {end.isoformat()}"
            )
        return _bars(rows, contract, spec, listed.timezone)


def _price(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _quote(contract: Contract, shown: MarketQuote, greeks: ModelGreeks | None, now: datetime) -> Quote:
    is_index = isinstance(contract, Index)
    bid, ask = _price(shown.bid), _price(shown.ask)
    return Quote(
        contract=contract,
        at=now,
        bid=bid,
        ask=ask,
        last=_price(shown.last),
        bid_size=None if bid is None else shown.bid_size,
        ask_size=None if ask is None else shown.ask_size,
        last_size=shown.last_size,
        volume=None if is_index else shown.volume,
        open_interest=shown.open_interest,
        close=_price(shown.close),
        greeks=None if greeks is None else Greeks(**attrs.asdict(greeks)),
        is_halted=shown.halted > 0,
    )


def _bars(rows: Sequence[SimBar], contract: Contract, spec: BarSpec, timezone: str) -> Bars:
    starts = [row.at for row in rows]
    if spec.size == BarSize.DAY_1.text:  # as the adapter's: midnight of the exchange's day
        starts = [at.astimezone(ZoneInfo(timezone)).replace(hour=0, minute=0) for at in starts]
    return Bars(
        contract=contract,
        spec=spec,
        at=np.array([int(at.timestamp()) for at in starts], dtype="datetime64[s]"),
        open=[row.open for row in rows],
        high=[row.high for row in rows],
        low=[row.low for row in rows],
        close=[row.close for row in rows],
        volume=[max(row.volume, 0) for row in rows],
        timezone=timezone,
    )


class DatedMarket(Market, Protocol):
    """A market with a session to begin with."""

    @property
    def session_date(self) -> date:
        """Its first session to trade."""
        ...


@runtime_checkable
class MarketSource(Protocol):
    """Makes a market; equal sources make equal markets."""

    def market(self, symbols: Sequence[str]) -> DatedMarket:
        """The market that lists those symbols."""
        ...


@attrs.frozen(kw_only=True)
class SeededData:
    """A market that a seed makes up; for a ticker that it does not know give a `SeededMarket` that lists it.

    Args:
        seed: Equal seeds make equal markets.
        day: The first session; None lets the seed choose.
    """

    seed: int = 7
    day: date | None = None

    def market(self, symbols: Sequence[str]) -> DatedMarket:  # noqa: ARG002 - it lists the same for everybody
        """The market, which lists only what it knows.

        Raises:
            ConfigurationError: `day` is no session that the calendar can serve.
        """
        return SeededMarket(self.seed, self.day)


@attrs.frozen(kw_only=True)
class RecordedData:
    """One recorded session, in the format of the folder that IBKEEL_DATA names.

    Args:
        folder: Root of the recordings.
        day: The session.
    """

    folder: Path = attrs.field(converter=Path)
    day: date

    def market(self, symbols: Sequence[str]) -> DatedMarket:
        """The market.

        Raises:
            ConfigurationError: The day or a symbol was not recorded; the message says what was.
        """
        return ReplayMarket(self.folder, day=self.day, symbols=symbols)


class MarketSessions(SessionCalendar):
    """A market's own sessions, early closes included."""

    def __init__(self, market: Market) -> None:
        self._market = market

    @override
    def session(self, day: date) -> Session | None:
        """The session of a day; None when there is none."""
        rows = self._market.sessions(day, day)
        if not rows:
            return None
        return Session(day=day, opens_at=rows[0].opens_at, closes_at=rows[0].closes_at)
