"""From the quotes of one expiry to its smile."""

from collections.abc import Iterable
from datetime import date
from typing import Final

import attrs
import numpy as np

from ibkeel.errors import InvalidInput
from ibkeel.model import Option, Quote, Right
from ibkeel.options.american import american_implied_volatility
from ibkeel.options.greeks import implied_volatility
from ibkeel.options.inputs import Floats, Numbers
from ibkeel.options.parity import american_parity_forward, implied_dividend_yield, parity_of, table_of
from ibkeel.options.series import Exercise
from ibkeel.options.smile import LeftOut, Smile, SmilePoint, WhyLeftOut, smoothed

_FEWEST: Final = 3
# Of the half spread: a value anywhere between bid and ask misses the middle by 1 / sqrt(3) of it.
_UNIFORM: Final = 0.577
# Of the volatility: prices come in ticks, so a locked market is not exact.
_LEAST_DOUBT: Final = 1e-3
# How far from the forward, in deviations, calls and puts are mixed.
_BLENDED: Final = 0.75


def fit_smile(
    *,
    expiry: date,
    strike: Numbers,
    call_bid: Numbers,
    call_ask: Numbers,
    put_bid: Numbers,
    put_ask: Numbers,
    spot: float,
    years: float,
    rate: float = 0.0,
    exercise: Exercise = Exercise.AMERICAN,
    widest: float = 0.10,
) -> Smile:
    """The smile that the out-of-the-money options of one expiry show.

    The forward is that of put-call parity, so it is as old as the quotes. The spot should be, too: an old
    one shifts the deltas, and for American options it misprices early exercise. Each volatility counts
    by how narrow its quote is.

    Args:
        expiry: Expiration date.
        strike: Of shape (n,), in any order, each once.
        call_bid: Per share, of the same shape; NaN or 0 where there is none.
        call_ask: Likewise.
        put_bid: Likewise.
        put_ask: Likewise.
        spot: Price of the underlying per share, above 0.
        years: To expiry, above 0.
        rate: Interest a year, continuous, a fraction.
        exercise: AMERICAN for options on stocks and funds.
        widest: Widest quote to use, ask less bid in volatility: 0.10 is ten points.

    Returns:
        The smile, with what was left out and why.

    Raises:
        InvalidInput: No pair for the forward, fewer than 3 strikes that can be used, a strike that comes
            twice, or shapes that differ.
    """
    table = table_of(strike, call_bid, call_ask, put_bid, put_ask)
    if np.unique(table[0]).size < table.shape[1]:
        raise InvalidInput(f"{expiry}: a strike comes twice; valid: one class, each strike once")
    table = np.where(table > 0, table, np.nan)[:, np.argsort(table[0], kind="stable")]
    strikes, calls, puts = table[0], table[1:3], table[3:]
    forward = _forward(strikes, calls, puts, spot, years, rate, exercise)
    terms = _Terms(
        expiry=expiry,
        spot=spot,
        years=years,
        rate=rate,
        dividend_yield=implied_dividend_yield(forward=forward, spot=spot, years=years, rate=rate),
        exercise=Exercise(exercise),
    )
    return _fitted(terms, forward, strikes, calls, puts, widest)


def _forward(
    strikes: Floats, calls: Floats, puts: Floats, spot: float, years: float, rate: float, exercise: Exercise
) -> float:
    if Exercise(exercise) is Exercise.EUROPEAN:
        return parity_of(strikes, calls, puts, years, rate).forward
    return american_parity_forward(
        strike=strikes,
        call_bid=calls[0],
        call_ask=calls[1],
        put_bid=puts[0],
        put_ask=puts[1],
        spot=spot,
        years=years,
        rate=rate,
    ).forward


@attrs.frozen(kw_only=True)
class _Terms:
    expiry: date
    spot: float
    years: float
    rate: float
    dividend_yield: float
    exercise: Exercise

    def volatilities(self, prices: Floats, strikes: Floats, right: Right) -> Floats:
        """At bid, mid and ask, of shape (3, n)."""
        solve = american_implied_volatility if self.exercise is Exercise.AMERICAN else implied_volatility
        return solve(
            np.array([prices[0], prices.mean(axis=0), prices[1]]),
            spot=self.spot,
            strike=strikes,
            years=self.years,
            right=right,
            rate=self.rate,
            dividend_yield=self.dividend_yield,
        ).values


def _fitted(
    terms: _Terms, forward: float, strikes: Floats, calls: Floats, puts: Floats, widest: float
) -> Smile:
    moneyness = np.log(strikes / forward)
    out, bid, mid, ask = _out_of_the_money(terms, strikes, moneyness, calls, puts)
    why = _why(out, mid, ask - bid, widest)
    used = np.array([reason is None for reason in why])
    left_out = tuple(
        LeftOut(strike=each, why=reason) for each, reason in zip(strikes.tolist(), why, strict=True) if reason
    )
    if used.sum() < _FEWEST:
        seen = ", ".join(f"{one.strike:g} {one.why.value}" for one in left_out) or "nothing else"
        raise InvalidInput(
            f"{terms.expiry}: {used.sum()} strikes can be used; valid: {_FEWEST} or more; left out: {seen}"
        )
    points = tuple(
        SmilePoint(strike=each, right=Right.CALL if each >= forward else Right.PUT, bid=low, mid=at, ask=high)
        for each, low, at, high in zip(
            *(column[used].tolist() for column in (strikes, bid, mid, ask)), strict=True
        )
    )
    doubt = mid[used] * np.maximum(ask - bid, 2 * _LEAST_DOUBT * mid)[used] * terms.years
    return Smile(
        expiry=terms.expiry,
        years=terms.years,
        spot=terms.spot,
        forward=forward,
        rate=terms.rate,
        dividend_yield=terms.dividend_yield,
        exercise=terms.exercise,
        straddle=_straddle(strikes, calls, puts, forward),
        points=points,
        left_out=left_out,
        curve=smoothed(
            moneyness[used],
            mid[used] ** 2 * terms.years,
            doubt,
            least=_UNIFORM * _rounding(out[:, used]),
            most=_UNIFORM,
        ),
    )


def _out_of_the_money(
    terms: _Terms, strikes: Floats, moneyness: Floats, calls: Floats, puts: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Prices of the out-of-the-money options, and volatilities at bid, mid and ask.

    A forward that is a cent off moves calls and puts apart. So near the forward, up to a part of a
    deviation, calls take over from puts little by little.
    """
    of_calls = terms.volatilities(calls, strikes, Right.CALL)
    of_puts = terms.volatilities(puts, strikes, Right.PUT)
    is_call = moneyness >= 0
    out = np.where(is_call, calls, puts)
    alone = np.where(is_call, of_calls, of_puts)
    both = np.isfinite(of_calls + of_puts).all(axis=0)
    nearest = np.argmin(np.where(both, np.abs(moneyness), np.inf))
    band = _BLENDED * float(alone[1, nearest]) * terms.years**0.5
    share = np.where(both, np.clip(0.5 + 0.5 * moneyness / band, 0.0, 1.0), is_call)
    blend = share * np.where(both, of_calls, 0.0) + (1.0 - share) * np.where(both, of_puts, 0.0)
    bid, mid, ask = np.where(both, blend, alone)
    return out, bid, mid, ask


def _rounding(prices: Floats) -> float:
    """Tick over spread, root mean square: what part of the doubt is sure to be there."""
    steps = np.diff(np.unique(np.round(prices, 6)))
    tick = float(steps.min()) if steps.size else 0.0
    return float(np.sqrt(np.mean((tick / np.maximum(prices[1] - prices[0], tick)) ** 2))) if tick else 0.0


def _why(prices: Floats, mid: Floats, width: Floats, widest: float) -> list[WhyLeftOut | None]:
    checks = {
        WhyLeftOut.ONE_SIDED: np.isnan(prices).any(axis=0),
        WhyLeftOut.CROSSED: prices[1] < prices[0],
        WhyLeftOut.UNSOLVED: np.isnan(mid) | np.isnan(width),
        WhyLeftOut.WIDE: width > widest,
    }
    rows = zip(*(np.asarray(failed).tolist() for failed in checks.values()), strict=True)
    return [
        next((reason for reason, failed in zip(checks, row, strict=True) if failed), None) for row in rows
    ]


def _straddle(strikes: Floats, calls: Floats, puts: Floats, forward: float) -> tuple[float, float]:
    """Price and strike of the whole pair nearest the forward; parity has made sure of one."""
    is_whole = (calls[1] >= calls[0]) & (puts[1] >= puts[0])
    distance = np.where(is_whole, np.abs(strikes - forward), np.inf)
    nearest = int(np.argmin(distance))
    return float((calls + puts)[:, nearest].mean()), float(strikes[nearest])


def smile_of_quotes(
    quotes: Iterable[Quote],
    *,
    spot: float,
    years: float,
    rate: float = 0.0,
    exercise: Exercise = Exercise.AMERICAN,
) -> Smile:
    """The smile of one expiry from the quotes of its calls and puts; see `fit_smile`.

    Args:
        quotes: Of options of one underlying, class and expiry, in any order.
        spot: Price of the underlying per share, above 0.
        years: To expiry, above 0.
        rate: Interest a year, continuous, a fraction.
        exercise: AMERICAN for options on stocks and funds.

    Raises:
        InvalidInput: Quotes of several expiries or classes, or not enough of them.
    """
    prices: dict[float, dict[Right, tuple[float, float]]] = {}
    series = set()
    for quote in quotes:
        option = quote.contract
        if not isinstance(option, Option):
            raise InvalidInput(f"quote of {option}; valid: of options")
        series.add((option.underlying, option.trading_class, option.expiry))
        sides = (quote.bid or np.nan, quote.ask or np.nan)
        prices.setdefault(float(option.strike), {})[option.right] = sides
    if len(series) != 1:
        raise InvalidInput(f"quotes of {len(series)} series; valid: one underlying, class and expiry")
    missing = (np.nan, np.nan)
    calls, puts = (
        np.array([both.get(right, missing) for both in prices.values()]).T
        for right in (Right.CALL, Right.PUT)
    )
    [(_, _, expiry)] = series
    return fit_smile(
        expiry=expiry,
        strike=list(prices),
        call_bid=calls[0],
        call_ask=calls[1],
        put_bid=puts[0],
        put_ask=puts[1],
        spot=spot,
        years=years,
        rate=rate,
        exercise=exercise,
    )
