"""A chain of 427 strikes whose every quote follows from a seed, and the answer that quoting all of it gives."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

import attrs
import numpy as np

from ibkeel.sim.market.calendar import sessions_between
from ibkeel.sim.market.options import greeks, implied_volatility, price
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

__all__ = ["DAYS", "EXPIRY", "STRIKES", "SYMBOL", "TODAY", "SurfaceMarket", "reference_put"]

SYMBOL: Final = "XYZ"
TODAY: Final = date(2026, 1, 5)
DAYS: Final = 45
EXPIRY: Final = TODAY + timedelta(days=DAYS)
_EXPIRIES: Final = tuple(TODAY + timedelta(days=days) for days in (4, 17, 31, DAYS, 59, 101, 192))
STRIKES: Final[tuple[float, ...]] = tuple(
    sorted(
        {*map(float, range(500, 701)), *np.arange(182.5, 500, 2.5).tolist(), *map(float, range(705, 1200, 5))}
    )
)
_SPOT: Final = 600.0
_OPTIONS: Final = 1000  # contract ids from here on
_CLOSE: Final = datetime.combine(EXPIRY, time(16), ZoneInfo("America/New_York")).astimezone(UTC)
_SECONDS_A_YEAR: Final = 365 * 86_400


@attrs.frozen(kw_only=True)
class Smile:
    """Volatility by strike: a level, a skew and a curve in log-moneyness over its usual reach."""

    level: float
    skew: float
    curve: float
    forward: float

    def at(self, strike: float, years: float) -> float:
        """A fraction a year."""
        reach = math.log(strike / self.forward) / (self.level * math.sqrt(years))
        bent = math.tanh(reach / 3.0) * 3.0
        return self.level * max(0.3, 1.0 - self.skew * bent + self.curve * bent * bent)


class SurfaceMarket:
    """One underlying and its options, priced once and for all at `now`.

    Args:
        seed: Names the surface: volatility, skew, carry, spot, spreads, ticks, strikes that are not listed.
        now: Instant at which everything is priced.
        is_complete: Whether every strike is listed; else some of the finer ones are not.
    """

    def __init__(self, seed: int, now: datetime, *, is_complete: bool = False) -> None:
        draw = np.random.default_rng([seed, 427])
        self.years = (_CLOSE - now).total_seconds() / _SECONDS_A_YEAR
        self.spot = round(_SPOT + draw.uniform(-20, 20), 2)
        self.forward = self.spot * math.exp(draw.uniform(-0.02, 0.05) * self.years)
        self.smile = Smile(
            level=math.exp(draw.uniform(math.log(0.09), math.log(0.7))),
            skew=draw.uniform(0.0, 0.2),
            curve=draw.uniform(0.0, 0.03),
            forward=self.forward,
        )
        self._tick, self._width = draw.choice([0.01, 0.05]), draw.uniform(0.005, 0.03)
        self._jitter = draw.uniform(0.0, 1.0, size=(len(STRIKES), 2, 2))
        gone, reach = draw.uniform(size=len(STRIKES)) < 0.02, draw.uniform(0.06, 0.18)
        self.listed = tuple(
            strike
            for strike, is_gone in zip(STRIKES, gone, strict=True)
            if is_complete or (not is_gone and (strike % 5 == 0 or abs(strike / self.spot - 1) < reach))
        )

    def sides(self, right: str, strike: float) -> tuple[float | None, float]:
        """Bid and ask, on the tick; no bid for what is worth less than a tick."""
        value = price(right, self.forward, strike, self.years, self.smile.at(strike, self.years))
        half = 0.5 * self._tick + 0.5 * self._width * math.sqrt(value + 0.01)
        low, high = self._jitter[STRIKES.index(strike)][0 if right == "C" else 1].tolist()
        bid = math.floor((value - half * (0.5 + low)) / self._tick) * self._tick
        ask = max(math.ceil((value + half * (0.5 + high)) / self._tick), 1) * self._tick
        return (round(bid, 2) if bid > 0 else None), round(ask, 2)

    @cached_property
    def _contracts(self) -> Mapping[tuple[date, str, float], SimContract]:
        return {
            (expiry, right, strike): SimContract(
                con_id=_OPTIONS + (_EXPIRIES.index(expiry) * 2 + "CP".index(right)) * len(STRIKES) + n,
                symbol=SYMBOL,
                sec_type="OPT",
                expiry=expiry,
                last_trading_day=expiry,
                strike=strike,
                right=right,
                multiplier=100,
                local_symbol=f"{SYMBOL:<6}{expiry:%y%m%d}{right}{round(strike * 1000):08d}",
                trading_class=SYMBOL,
                under_con_id=1,
            )
            for expiry in _EXPIRIES
            for right in "CP"
            for n, strike in enumerate(STRIKES)
            if strike in set(self.listed)
        }

    @property
    def _stock(self) -> SimContract:
        return SimContract(con_id=1, symbol=SYMBOL, sec_type="STK", local_symbol=SYMBOL, trading_class=SYMBOL)

    def find(self, pattern: ContractPattern) -> Sequence[SimContract]:
        if pattern.symbol != SYMBOL:
            return ()
        if pattern.sec_type != "OPT":
            return (self._stock,)
        expiry = datetime.strptime(pattern.expiry, "%Y%m%d").replace(tzinfo=UTC).date()
        found = self._contracts.get((expiry, pattern.right, pattern.strike))
        return () if found is None else (found,)

    def underlyings(self) -> Sequence[SimContract]:
        return (self._stock,)

    def by_con_id(self, con_id: int) -> SimContract | None:
        return self._stock if con_id == 1 else None

    def option_classes(self, under_con_id: int) -> Sequence[OptionClass]:
        return tuple(
            OptionClass(
                exchange=exchange, trading_class=SYMBOL, multiplier=100, expiries=_EXPIRIES, strikes=STRIKES
            )
            for exchange in ("CBOE", "SMART")
        )

    def quote(self, contract: SimContract, at: datetime) -> MarketQuote:
        if contract.sec_type == "STK":
            bid: float | None = self.spot - 0.01
            ask, open_interest = self.spot + 0.01, None
        else:
            bid, ask = self.sides(contract.right, contract.strike)
            open_interest = 1_000
        return MarketQuote(
            at=at,
            bid=bid,
            ask=ask,
            bid_size=None if bid is None else 10,
            ask_size=10,
            last=ask,
            last_size=1,
            volume=500,
            close=ask,
            open_interest=open_interest,
        )

    def next_change(self, contract: SimContract, after: datetime) -> datetime | None:
        return None

    def greeks(self, contract: SimContract, at: datetime) -> ModelGreeks | None:
        volatility = self.smile.at(contract.strike, self.years)
        found = greeks(contract.right, self.forward, contract.strike, self.years, volatility)
        value = price(contract.right, self.forward, contract.strike, self.years, volatility)
        return ModelGreeks(
            iv=volatility,
            delta=found.delta,
            gamma=found.gamma,
            vega=found.vega,
            theta=found.theta,
            price=value,
            underlying_price=self.spot,
        )

    def bars(
        self,
        contract: SimContract,
        *,
        start: datetime,
        end: datetime,
        size: BarSize,
        what: str,
        rth: bool,
    ) -> Sequence[SimBar]:
        return ()

    def sessions(self, start: date, end: date) -> Sequence[SimSession]:
        return sessions_between(start, end)


def reference_put(market: SurfaceMarket, target: float, years: float) -> float:
    """The strike of the put that quoting the whole chain gives: every delta by bisection, one after another."""
    forward = _parity(market)
    best: tuple[float, float, float] | None = None
    for strike in market.listed:
        bid, ask = market.sides("P", strike)
        volatility = (
            None if bid is None else implied_volatility("P", 0.5 * (bid + ask), forward, strike, years)
        )
        if volatility is None:
            continue
        delta = -greeks("P", forward, strike, years, volatility).delta * forward / market.spot
        best = min(best or (math.inf, 0.0, 0.0), (abs(delta - target), delta, strike))
    assert best is not None
    return best[2]


def _parity(market: SurfaceMarket) -> float:
    """By the roundest strike within 1 % of the spot, then the next two; rates are 0 here."""
    steps = (100, 50, 25, 10, 5, 2.5, 1)
    near = [strike for strike in STRIKES if abs(strike - market.spot) <= 0.01 * market.spot]
    near.sort(
        key=lambda strike: (
            next(n for n, step in enumerate(steps) if strike % step == 0),
            abs(strike - market.spot),
            strike,
        )
    )
    for strike in near[:3]:
        if strike in market.listed:
            (call_bid, call_ask), (put_bid, put_ask) = market.sides("C", strike), market.sides("P", strike)
            if call_bid is not None and put_bid is not None:
                return strike + 0.5 * (call_bid - put_ask + call_ask - put_bid)
    return market.spot
