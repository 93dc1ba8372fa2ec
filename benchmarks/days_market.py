"""A market of two stocks and their options over some short sessions: seeded, thin, and cheap to ask."""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from ibkeel.runner import Session, SessionCalendar
from ibkeel.sim.market.listing import fits
from ibkeel.sim.values import (
    BarSize,
    ContractPattern,
    MarketQuote,
    ModelGreeks,
    OptionClass,
    SimBar,
    SimContract,
    SimSession,
)

__all__ = ["MINUTES", "OPENS", "OPENS_AT", "DaysMarket", "MarketCalendar"]

OPENS_AT: Final = datetime(2026, 1, 5, 20, 10, tzinfo=UTC)
"""When the first session opens: a Monday, 15:10 in New York, as after an outage; the others at 09:30."""
OPENS: Final = (0.0, *(66_000.0 + 86_400.0 * day for day in range(4)))
"""Seconds from there to the open of each session on whose day something trades."""
MINUTES: Final = 50
"""How long a session lasts."""

_STEP: Final = 5.0  # seconds between two quotes
_STEPS: Final = int(MINUTES * 60 / _STEP)
_TRADED_DAYS: Final = len(OPENS)
_LISTED: Final = (*OPENS, *(OPENS[-1] + 86_400.0 * day for day in range(3, 8)))  # calendars look ahead
_EXPIRIES: Final = (date(2026, 1, 6), date(2026, 1, 9), date(2026, 1, 16))
_LISTINGS: Final = (_EXPIRIES, _EXPIRIES[::2], _EXPIRIES[::2])
"""What is listed; a rule that takes the last of the week takes the second session's own where there is no other."""
_STRIKES: Final = tuple(float(strike) for strike in range(90, 112, 2))
_WILDNESS: Final = 0.0007  # standard deviation of one step, a fraction of the price
_GAP: Final = 0.01  # the same over a night
_WIDEST: Final = 6.0  # dollars from the money at which an option has little time value left
_VOLUME: Final = 5000


def _stock(con_id: int, symbol: str) -> SimContract:
    return SimContract(con_id=con_id, symbol=symbol, sec_type="STK", primary_exchange="ARCA")


def _option(con_id: int, stock: SimContract, expiry: date, strike: float, right: str) -> SimContract:
    return SimContract(
        con_id=con_id,
        symbol=stock.symbol,
        sec_type="OPT",
        expiry=expiry,
        last_trading_day=expiry,
        strike=strike,
        right=right,
        multiplier=100,
        local_symbol=f"{stock.symbol:6}{expiry:%y%m%d}{right}{strike * 1000:08.0f}",
        trading_class=stock.symbol,
        under_con_id=stock.con_id,
    )


_STOCKS: Final = (_stock(101, "SPY"), _stock(102, "QQQ"))
_CONTRACTS: Final = {
    row.con_id: row
    for row in (
        *_STOCKS,
        *(
            _option(1000 * stock.con_id + number, stock, expiry, strike, right)
            for stock in _STOCKS
            for number, (expiry, strike, right) in enumerate(
                (expiry, strike, right) for expiry in _EXPIRIES for right in "CP" for strike in _STRIKES
            )
        ),
    )
}


class DaysMarket:
    """Quotes are a function of time: a random walk in steps of five seconds while a session is open.

    Args:
        seed: Of the walk.
    """

    def __init__(self, seed: int) -> None:
        self._expiries = _LISTINGS[seed % len(_LISTINGS)]
        draw = np.random.default_rng([seed, 1])
        steps = draw.standard_normal((len(_STOCKS), _TRADED_DAYS * _STEPS)) * _WILDNESS
        steps[:, ::_STEPS] *= _GAP / _WILDNESS
        self._spots: NDArray[Any] = 100.0 * np.exp(np.cumsum(steps, axis=1))
        self._sizes: NDArray[Any] = draw.integers(1, 9, _TRADED_DAYS * _STEPS)
        self._rows = {stock.con_id: number for number, stock in enumerate(_STOCKS)}
        self._sessions = tuple(
            SimSession(day=opens.date(), opens_at=opens, closes_at=opens + timedelta(minutes=MINUTES))
            for opens in (OPENS_AT + timedelta(seconds=seconds) for seconds in _LISTED)
            if opens.weekday() < 5
        )

    def find(self, pattern: ContractPattern) -> Sequence[SimContract]:
        """Every contract that fits."""
        if pattern.con_id:
            return tuple(filter(None, (self.by_con_id(pattern.con_id),)))
        return tuple(row for row in _CONTRACTS.values() if fits(row, pattern))

    def by_con_id(self, con_id: int) -> SimContract | None:
        """The contract of that id."""
        return _CONTRACTS.get(con_id)

    def underlyings(self) -> Sequence[SimContract]:
        """The stocks."""
        return _STOCKS

    def option_classes(self, under_con_id: int) -> Sequence[OptionClass]:
        """One class, whose expiries all have the same strikes."""
        stock = _CONTRACTS[under_con_id]
        return (
            OptionClass(
                exchange="SMART",
                trading_class=stock.symbol,
                multiplier=100,
                expiries=self._expiries,
                strikes=_STRIKES,
            ),
        )

    def quote(self, contract: SimContract, at: datetime) -> MarketQuote:
        """What the feed shows; options have no sides while the market is closed."""
        number, is_open = self._step(at)
        if contract.sec_type == "OPT":
            price = self._worth(contract, number, at)
            bid, ask = round(max(price - 0.02, 0.01), 2), round(price + 0.02, 2)
        else:
            price = float(self._spots[self._rows[contract.con_id], number])
            bid, ask = round(price - 0.01, 2), round(price + 0.01, 2)
        if contract.sec_type == "OPT" and not is_open:
            return MarketQuote(at=at, last=bid, close=bid)
        size = int(self._sizes[number])
        return MarketQuote(
            at=at,
            bid=bid,
            ask=ask,
            bid_size=size,
            ask_size=size,
            last=bid,
            last_size=1,
            volume=_VOLUME,
            close=bid,
        )

    def next_change(self, contract: SimContract, after: datetime) -> datetime | None:
        """The next step, or the next open."""
        del contract
        for session in self._sessions[:_TRADED_DAYS]:
            if after < session.opens_at:
                return session.opens_at
            if after < session.closes_at:
                passed = math.floor((after - session.opens_at).total_seconds() / _STEP + 1e-9) + 1
                return session.opens_at + timedelta(seconds=passed * _STEP)
        return None

    def greeks(self, contract: SimContract, at: datetime) -> ModelGreeks | None:
        """None."""
        del contract, at
        return None

    def bars(
        self, contract: SimContract, *, start: datetime, end: datetime, size: BarSize, what: str, rth: bool
    ) -> Sequence[SimBar]:
        """None."""
        del contract, start, end, size, what, rth
        return ()

    def sessions(self, start: date, end: date) -> Sequence[SimSession]:
        """Weekdays."""
        return tuple(row for row in self._sessions if start <= row.day <= end)

    def sessions_of_run(self) -> Sequence[SimSession]:
        """Those of the days on which something trades."""
        return self._sessions[:_TRADED_DAYS]

    def _worth(self, contract: SimContract, number: int, at: datetime) -> float:
        spot = float(self._spots[self._rows[contract.under_con_id], number])
        assert contract.expiry is not None
        days = max((contract.expiry - at.date()).days, 0) + 0.3
        away = spot - contract.strike if contract.right == "C" else contract.strike - spot
        return max(away, 0.0) + 0.65 * math.sqrt(days) * math.exp(-((away / _WIDEST) ** 2))

    def _step(self, at: datetime) -> tuple[int, bool]:
        """The step that shows at an instant, and whether the market is open."""
        last = 0
        for day, session in enumerate(self._sessions[:_TRADED_DAYS]):
            if at < session.opens_at:
                break
            last = (day + 1) * _STEPS - 1
            if at < session.closes_at:
                return day * _STEPS + math.floor((at - session.opens_at).total_seconds() / _STEP + 1e-9), True
        return last, False


class MarketCalendar(SessionCalendar):
    """The trading days of a market.

    Args:
        market: Whose.
    """

    def __init__(self, market: DaysMarket) -> None:
        self._market = market

    @override
    def session(self, day: date) -> Session | None:
        """The session of a day."""
        found = self._market.sessions(day, day)
        return Session(day=day, opens_at=found[0].opens_at, closes_at=found[0].closes_at) if found else None
