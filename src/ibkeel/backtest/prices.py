"""Quotes and bars of a simulated market, as the model has them."""

import re
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Final, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

import attrs
import numpy as np
from typing_extensions import override

from ibkeel.backtest.directory import Directory
from ibkeel.errors import NoData, QuoteUnavailable
from ibkeel.model import Bars, BarSpec, Contract, Greeks, Index, Option, Quote
from ibkeel.runner import Session, SessionCalendar
from ibkeel.sim.market import ReplayMarket, SeededMarket
from ibkeel.sim.services.durations import Duration, start_of
from ibkeel.sim.values import BarSize, Market, MarketQuote, ModelGreeks, SimBar, SimContract
from ibkeel.validators import expect

_SIZES: Final = {size.text: size for size in BarSize}
_DURATION: Final = re.compile(r"(\d+) ([SDWMY])")


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
        listed, size = self._directory.find(contract), _SIZES.get(spec.size)
        if size is None:
            raise NoData(f"the market keeps no bars of {spec.size!r}; it has {', '.join(_SIZES)}")
        end = now if spec.end is None else min(spec.end, now)
        rows = self._market.bars(
            listed,
            start=self._start(listed, spec, size, end),
            end=end,
            size=size,
            what=spec.kind.value,
            rth=spec.rth,
        )
        if not rows:
            raise NoData(
                f"no bars of {spec.size!r} over {spec.duration!r} of {contract} to {end.isoformat()}"
            )
        return _bars(rows, contract, spec, listed.timezone)

    def _start(self, listed: SimContract, spec: BarSpec, size: BarSize, end: datetime) -> datetime:
        match = _DURATION.fullmatch(spec.duration)
        assert match is not None
        return start_of(
            Duration(int(match[1]), match[2]),
            end,
            size,
            sessions=self._market.sessions,
            zone=ZoneInfo(listed.timezone),
            rth=spec.rth,
        )


def _price(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _quote(contract: Contract, shown: MarketQuote, greeks: ModelGreeks | None, now: datetime) -> Quote:
    is_index = isinstance(contract, Index)
    return Quote(
        contract=contract,
        at=now,
        bid=_price(shown.bid),
        ask=_price(shown.ask),
        last=_price(shown.last),
        bid_size=shown.bid_size,
        ask_size=shown.ask_size,
        last_size=shown.last_size,
        volume=None if is_index else shown.volume,
        open_interest=shown.open_interest,
        close=_price(shown.close),
        greeks=None if greeks is None else Greeks(**attrs.asdict(greeks)),
    )


def _bars(rows: Sequence[SimBar], contract: Contract, spec: BarSpec, timezone: str) -> Bars:
    return Bars(
        contract=contract,
        spec=spec,
        at=np.array([int(row.at.timestamp()) for row in rows], dtype="datetime64[s]"),
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
