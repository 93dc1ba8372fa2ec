"""What an option is worth, and one in one session: quotes by the second, prints, volume, open interest.

The simulator has its own small Black-Scholes: no rate, no dividend, European. With neither rate nor dividend an
American option is worth as much as a European one, so the model needs no tree, and put-call parity is
`call - put = spot - strike`.

Source: Black and Scholes, "The Pricing of Options and Corporate Liabilities" (1973).
"""

import math
from typing import Final, TypeVar

import attrs
import numpy as np

from ibkeel.sim.market.bars import Floats, Integers
from ibkeel.sim.market.draws import digest, generator, mixed
from ibkeel.sim.market.listing import MARKET_VOLATILITY, Underlying
from ibkeel.sim.values import SimContract

_DAYS_A_YEAR: Final = 365.0
_POINTS: Final = 100.0
_LEAST_VOLATILITY: Final = 1e-3
_MOST_VOLATILITY: Final = 10.0
_TOLERANCE: Final = 1e-10
_ROUNDS: Final = 100
_ROOT_TWO: Final = math.sqrt(2.0)
_ROOT_TWO_PI: Final = math.sqrt(2.0 * math.pi)
_PREMIUM: Final = 1.1  # implied over realised
_TERM_DECAY: Final = 0.4  # years in which the term structure forgets today's level
_SKEW: Final = 0.8
_CURVATURE: Final = 0.10
_LEAST_YEARS: Final = 1.0 / _DAYS_A_YEAR
_FARTHEST: Final = 8.0
_YEAR: Final = _DAYS_A_YEAR * 86400.0
_DEAR: Final = 3.0  # from this value on, the coarser tick applies
_ROUNDING: Final = 1e-9
_PRINT_EVERY: Final = 30  # seconds
_BUSY: Final = 97  # quote sizes run from 1 to this many contracts

_Number = TypeVar("_Number", float, Floats)


@attrs.frozen(kw_only=True)
class Greeks:
    """Sensitivities a share: theta a calendar day, vega a volatility point (0.01)."""

    delta: float
    gamma: float
    vega: float
    theta: float


def intrinsic(right: str, spot: float, strike: float) -> float:
    """What an option is worth at expiry, per share; `right` is C or P."""
    return max(spot - strike, 0.0) if right == "C" else max(strike - spot, 0.0)


def price(right: str, spot: float, strike: float, years: float, volatility: float) -> float:
    """Value per share; the intrinsic value once `years` or `volatility` is zero."""
    deviation = volatility * math.sqrt(max(years, 0.0))
    if deviation <= 0.0:
        return intrinsic(right, spot, strike)
    upper = math.log(spot / strike) / deviation + 0.5 * deviation
    sign = 1.0 if right == "C" else -1.0
    return sign * (spot * _below(sign * upper) - strike * _below(sign * (upper - deviation)))


def prices(right: str, spot: Floats, strike: float, years: Floats, volatility: Floats) -> Floats:
    """`price` for arrays of one shape; `years` must be positive throughout."""
    deviation = volatility * np.sqrt(years)
    upper = np.log(spot / strike) / deviation + 0.5 * deviation
    sign = 1.0 if right == "C" else -1.0
    held = sign * (spot * _all_below(sign * upper) - strike * _all_below(sign * (upper - deviation)))
    return np.asarray(held, dtype=np.float64)


def greeks(right: str, spot: float, strike: float, years: float, volatility: float) -> Greeks:
    """Greeks of an option that has time and volatility left.

    Args:
        right: C or P.
        spot: Price of the underlying.
        strike: Strike, in the unit of `spot`.
        years: Time to expiry, positive.
        volatility: A fraction a year, positive.
    """
    root = math.sqrt(years)
    deviation = volatility * root
    upper = math.log(spot / strike) / deviation + 0.5 * deviation
    density = math.exp(-0.5 * upper * upper) / _ROOT_TWO_PI
    delta = _below(upper)
    return Greeks(
        delta=delta if right == "C" else delta - 1.0,
        gamma=density / (spot * deviation),
        vega=spot * density * root / _POINTS,
        theta=-0.5 * spot * density * volatility / root / _DAYS_A_YEAR,
    )


def implied_volatility(right: str, value: float, spot: float, strike: float, years: float) -> float | None:
    """The volatility at which the model gives `value`, by bisection.

    Returns:
        A fraction a year; None when no volatility between 0.001 and 10 gives that value, as for
        an option at or below its intrinsic value or past its expiry.
    """
    if years <= 0.0 or value <= 0.0:
        return None
    low, high = _LEAST_VOLATILITY, _MOST_VOLATILITY
    if not price(right, spot, strike, years, low) < value < price(right, spot, strike, years, high):
        return None
    for _ in range(_ROUNDS):
        middle = 0.5 * (low + high)
        if price(right, spot, strike, years, middle) < value:
            low = middle
        else:
            high = middle
        if high - low < _TOLERANCE:
            break
    return 0.5 * (low + high)


def _below(x: float) -> float:
    """Probability that a standard normal variable is below `x`."""
    return 0.5 * math.erfc(-x / _ROOT_TWO)


def _all_below(x: Floats) -> Floats:
    erfc = math.erfc  # numpy has none; the same function keeps a quote and a series equal
    return 0.5 * np.array([erfc(v) for v in (x / -_ROOT_TWO).tolist()], dtype=np.float64)


@attrs.frozen(kw_only=True, eq=False)
class Prints:
    """The trades of a session, by second since the open, and what the tape shows after each.

    `volume`, `high` and `low` count from the open, that print included.
    """

    second: Integers
    price: Floats
    size: Integers
    volume: Integers
    high: Floats
    low: Floats


@attrs.frozen(kw_only=True, eq=False)
class OptionDay:
    """One option in one session.

    Prices of the underlying and levels of volatility are those of each second from the open; to expiry there are
    `left` seconds from the open, no less than the session's length. `width` is the contract's own factor on the width of
    its quotes, `close` the quoted middle at the previous session's end, rounded to a cent.
    """

    row: Underlying
    contract: SimContract
    spots: Floats
    heats: Floats
    left: float
    key: int
    width: float
    close: float
    open_interest: int

    def sides(self, second: int) -> tuple[float | None, float]:
        """Bid and ask at a second; a worthless option has no bid."""
        bid, ask = _sides(self.row, self.value(second), float(second), self.width)
        return (float(bid) if bid > 0 else None), float(ask)

    def value(self, second: int) -> float:
        """Model value at a second, per share."""
        spot, contract = float(self.spots[second]), self.contract
        level = self.volatility(second)
        return price(contract.right, spot, contract.strike, self.years(second), level)

    def volatility(self, second: int) -> float:
        """Implied volatility at a second, a fraction a year."""
        spot, heat = float(self.spots[second]), float(self.heats[second])
        strike, years = self.contract.strike, self.years(second)
        return float(volatility(self.row, spot=spot, strike=strike, years=years, heat=heat))

    def years(self, second: int) -> float:
        """Time to expiry at a second."""
        return (self.left - second) / _YEAR

    def greeks(self, second: int) -> Greeks:
        """Greeks at a second."""
        spot, contract = float(self.spots[second]), self.contract
        level = self.volatility(second)
        return greeks(contract.right, spot, contract.strike, self.years(second), level)

    def quotes(self, first: int, last: int) -> tuple[Floats, Floats]:
        """Bids and asks of the seconds first <= s < last; a bid of zero means none."""
        return self._quotes_at(np.arange(first, last, dtype=np.float64))

    def _quotes_at(self, seconds: Floats) -> tuple[Floats, Floats]:
        index = seconds.astype(np.int64)
        spots, heats = self.spots[index], self.heats[index]
        years = (self.left - seconds) / _YEAR
        levels = volatility(self.row, spot=spots, strike=self.contract.strike, years=years, heat=heats)
        values = prices(self.contract.right, spots, self.contract.strike, years, levels)
        return _sides(self.row, values, seconds, self.width)

    def sizes(self, second: int) -> tuple[int, int]:
        """Contracts at the bid and at the ask; they change every other second."""
        draw = mixed(self.key, second // 2)
        return 1 + draw % _BUSY, 1 + draw // _BUSY % _BUSY

    def prints(self, day_volume: float) -> Prints:
        """Trades: at most one each half minute, at the bid or the ask; `day_volume` contracts are to be expected."""
        rng, slots = generator(self.key, "prints"), len(self.spots) // _PRINT_EVERY
        offsets = rng.integers(0, _PRINT_EVERY, size=slots)
        buys = rng.random(slots) < 0.5  # a fair coin
        elapsed = np.linspace(0.0, 1.0, slots)
        shape = 1.0 + 2.0 * np.exp(elapsed / -0.06) + 1.2 * np.exp((elapsed - 1.0) / 0.06)
        mean = day_volume * shape / shape.sum() * rng.exponential(size=slots)
        size = rng.poisson(mean)
        kept = np.flatnonzero(size)
        second = (np.arange(slots) * _PRINT_EVERY + offsets)[kept]
        bid, ask = self._quotes_at(second.astype(np.float64))
        paid = np.where(buys[kept] | (bid <= 0), ask, bid)
        return Prints(
            second=second,
            price=paid,
            size=size[kept],
            volume=np.cumsum(size[kept]),
            high=np.maximum.accumulate(paid),
            low=np.minimum.accumulate(paid),
        )


def option_day(
    row: Underlying,
    contract: SimContract,
    *,
    name: tuple[object, ...],
    spots: Floats,
    heats: Floats,
    left: float,
    before: tuple[float, float, float],
) -> tuple[OptionDay, Prints]:
    """An option's session, made from its underlying's: its prices and its level of volatility at each second.

    Volume and open interest depend on `before` alone: price of the underlying, level of volatility and seconds
    to expiry at the end of the session before. `left` is seconds from the open to expiry.
    """
    key = digest(*name, contract.con_id)
    spot, heat, seconds = before
    share = activity(row, spot=spot, strike=contract.strike, years=seconds / _YEAR)
    level = volatility(row, spot=spot, strike=contract.strike, years=seconds / _YEAR, heat=heat)
    close = price(contract.right, spot, contract.strike, seconds / _YEAR, float(level))
    taste = digest(name[0], contract.con_id, "taste")  # lasts longer than a day
    day = OptionDay(
        row=row,
        contract=contract,
        spots=spots,
        heats=heats,
        left=left,
        key=key,
        width=0.8 + 0.6 * _fraction(taste, 0),
        close=round(max(close, row.option_ticks[0]), 2),
        open_interest=int(row.option_volume * share**0.5 * (0.1 + 3.0 * _fraction(taste, 1) ** 2)),
    )
    popularity = math.exp(1.2 * (_fraction(taste, 2) - 0.5) + 0.8 * (_fraction(key, 3) - 0.5))
    return day, day.prints(row.option_volume * share * popularity)


def at_the_money(row: Underlying, heat: _Number, years: _Number) -> _Number:
    """Implied volatility at the money; far expiries feel less of the level of volatility."""
    level: _Number = _long_run_volatility(row) * (1.0 + (heat - 1.0) * np.exp(years / -_TERM_DECAY))
    return level


def volatility(row: Underlying, *, spot: _Number, strike: float, years: _Number, heat: _Number) -> _Number:
    """Implied volatility of a strike: a skewed hyperbola in standardised log-moneyness.

    Source: the shape follows Gatheral, "The Volatility Surface" (2006), chapter 3.
    """
    reach = _long_run_volatility(row) * np.sqrt(np.maximum(years, _LEAST_YEARS))
    distance = np.minimum(np.maximum(np.log(strike / spot) / reach, -_FARTHEST), _FARTHEST)
    smile = np.sqrt(distance * distance + 1.0) - 1.0 - _SKEW * distance
    level: _Number = at_the_money(row, heat, years) * (1.0 + _CURVATURE * smile)
    return level


def activity(row: Underlying, *, spot: float, strike: float, years: float) -> float:
    """How busy a contract is, relative to the busiest strike: falls with distance and time."""
    reach = _long_run_volatility(row) * math.sqrt(max(years, 2.0 * _LEAST_YEARS))
    distance = abs(math.log(strike / spot)) / reach
    return math.exp(-0.9 * distance - 3.0 * years) / (1.0 + 6.0 * years)


def _sides(row: Underlying, value: _Number, since_open: _Number, width: float) -> tuple[_Number, _Number]:
    """Bid and ask around a value, rounded outwards to ticks; a bid of zero means none."""
    cheap, dear = row.option_ticks
    tick = cheap + (dear - cheap) * (value >= _DEAR)
    half = _half_width(row, value, since_open, width)
    bid = np.maximum(np.floor((value - half) / tick + _ROUNDING), 0.0) * tick
    ask = np.maximum(np.ceil((value + half) / tick - _ROUNDING), 1.0) * tick
    return _cents(bid), _cents(ask)


def _cents(price: _Number) -> _Number:
    """As `np.round` to two places, which takes longest of a quote."""
    rounded: _Number = np.rint(price * 100.0) / 100.0
    return rounded


def _half_width(row: Underlying, value: _Number, since_open: _Number, factor: float) -> _Number:
    """Half the width of an option's quote before rounding, in USD a share; it is widest at the open."""
    opening = 1.0 + 2.0 * np.exp(since_open / -200.0)
    half: _Number = 0.5 * row.spread * factor * (0.008 + 0.004 * value) * opening
    return half


def _fraction(key: int, step: int) -> float:
    return float(mixed(key, step) >> 11) / float(1 << 53)


def _long_run_volatility(row: Underlying) -> float:
    """Implied volatility of a name in an average world, a fraction a year."""
    return _PREMIUM * math.hypot(row.beta * MARKET_VOLATILITY, row.own_volatility)
