"""Volatility of an underlying: as its options imply it, and as its closes have shown it."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import fmean, stdev
from typing import Final

from ibkeel.sim.values import BarSize, ContractPattern, Market, SimBar, SimContract

_DAYS: Final = 30
_TRADING_DAYS: Final = 252
_TERM: Final = timedelta(days=30)
_LAST_QUOTE: Final = timedelta(seconds=1)


def historical_volatility(market: Market, contract: SimContract, at: datetime) -> float | None:
    """Deviation of the daily returns of 30 sessions, a fraction a year; None with fewer than two.

    Source: the length of 30 days is TWS API's, "Available Tick Types"; the estimator is unverified.
    """
    bars = market.bars(contract, start=at - 2 * _TERM, end=at, size=BarSize.DAY_1, what="TRADES", rth=True)
    closes = [bar.close for bar in bars][-_DAYS - 1 :]
    returns = [math.log(after / before) for before, after in pairwise(closes)]
    return stdev(returns) * math.sqrt(_TRADING_DAYS) if len(returns) > 1 else None


def implied_volatility(market: Market, contract: SimContract, at: datetime) -> float | None:
    """That of the options at the money which expire nearest to 30 days ahead; None without any."""
    last = market.quote(contract, at).last
    classes = [each for each in market.option_classes(contract.con_id) if each.exchange == "SMART"]
    days = {day for each in classes for day in each.expiries if day > at.date()}
    if last is None or not days:
        return None
    target = at.date() + _TERM
    expiry = min(days, key=lambda day: (abs(day - target), day))
    options = market.find(ContractPattern(symbol=contract.symbol, sec_type="OPT", expiry=f"{expiry:%Y%m%d}"))
    nearest = min((abs(each.strike - last) for each in options), default=0.0)
    computed = [market.greeks(each, at) for each in options if math.isclose(abs(each.strike - last), nearest)]
    volatilities = [each.iv for each in computed if each is not None]
    return fmean(volatilities) if volatilities else None


KINDS: Final[Mapping[str, Callable[[Market, SimContract, datetime], float | None]]] = {
    "HISTORICAL_VOLATILITY": historical_volatility,
    "OPTION_IMPLIED_VOLATILITY": implied_volatility,
}


def volatility_bars(
    market: Market,
    contract: SimContract,
    kind: str,
    *,
    start: datetime,
    end: datetime,
    size: BarSize,
    rth: bool,
) -> list[SimBar]:
    """Bars of a volatility, at the instants at which there are bars of trades.

    Each knows its first and its last value alone; what lies between is unverified.
    """
    compute = KINDS[kind]
    made: list[SimBar] = []
    for bar in market.bars(contract, start=start, end=end, size=size, what="TRADES", rth=rth):
        first = compute(market, contract, bar.at)
        last = compute(market, contract, _last_instant(market, bar, size, end))
        if first is not None and last is not None:
            low, high = sorted((first, last))
            made.append(
                SimBar(at=bar.at, open=first, high=high, low=low, close=last, volume=-1, wap=-1.0, count=-1)
            )
    return made


def _last_instant(market: Market, bar: SimBar, size: BarSize, end: datetime) -> datetime:
    day: Sequence[datetime] = [each.closes_at for each in market.sessions(bar.at.date(), bar.at.date())]
    until = min([bar.at + timedelta(seconds=size.seconds), end, *day])
    return max(bar.at, until - _LAST_QUOTE)
