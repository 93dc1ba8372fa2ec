"""The broker's greeks beside our own: where they differ, and the likely cause."""

from enum import StrEnum
from typing import Final

import attrs
import numpy as np

from ibkeel.errors import InvalidInput
from ibkeel.model import Option, Quote, Right
from ibkeel.model.quotes import Greeks
from ibkeel.options.american import american_greeks, american_implied_volatility
from ibkeel.options.greeks import GreekColumns, greeks, implied_volatility
from ibkeel.options.series import Exercise

# A unit mix-up shows as a ratio near 365 or 100, a disagreement as anything else.
_UNIT_BAND: Final = 1.5


class DisagreementKind(StrEnum):
    """What is the matter."""

    NOT_SENT = "not_sent"
    OWN_UNSOLVED = "own_unsolved"
    UNDERLYING_MOVED = "underlying_moved"
    IV_OUTSIDE_QUOTE = "iv_outside_quote"
    PRICE_OUTSIDE_QUOTE = "price_outside_quote"
    DELTA_SIGN = "delta_sign"
    DELTA = "delta"
    GAMMA = "gamma"
    THETA_UNIT = "theta_unit"
    THETA = "theta"
    VEGA_UNIT = "vega_unit"
    VEGA = "vega"


# Which unit a figure may be in by mistake, and how many times ours it is then.
_UNITS: Final = {
    DisagreementKind.THETA: (DisagreementKind.THETA_UNIT, 365.0, "a year, ours is a calendar day"),
    DisagreementKind.VEGA: (
        DisagreementKind.VEGA_UNIT,
        100.0,
        "for a volatility of 1.00, ours is a point of 0.01",
    ),
}


@attrs.frozen(kw_only=True)
class Disagreement:
    """One difference, with its figures.

    Args:
        kind: What differs.
        detail: Both figures and the likely cause, in words.
    """

    kind: DisagreementKind
    detail: str


@attrs.frozen(kw_only=True)
class CheckTerms:
    """What our own greeks are computed from, and how far the broker's may be from them.

    Args:
        spot: Price of the underlying per share.
        years: To expiry.
        rate: Interest a year, continuous, a fraction.
        dividend_yield: A year, continuous; see `implied_dividend_yield`.
        exercise: AMERICAN for stocks and funds.
        spot_tolerance: How far the broker's underlying price may be from `spot`, a fraction of it.
        delta_tolerance: Absolute.
        relative_tolerance: Of gamma, theta and vega.
    """

    spot: float
    years: float
    rate: float = 0.0
    dividend_yield: float = 0.0
    exercise: Exercise = attrs.field(default=Exercise.AMERICAN, converter=Exercise)
    spot_tolerance: float = 0.002
    delta_tolerance: float = 0.03
    relative_tolerance: float = 0.15


@attrs.frozen(kw_only=True, eq=False)
class CrossCheck:
    """The outcome for one quote.

    Args:
        own: Our greeks at the volatility of the mid, one row; NaN with a reason when there is none.
        volatility: Ours at bid, mid and ask; NaN where a price has none.
        disagreements: Empty when all that was sent agrees.
    """

    own: GreekColumns
    volatility: tuple[float, float, float]
    disagreements: tuple[Disagreement, ...]

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not self.disagreements


def cross_check(quote: Quote, terms: CheckTerms) -> CrossCheck:
    """Compare the greeks of a quote with our own at its prices.

    Args:
        quote: Of an option, with bid and ask.
        terms: For our own computation.

    Returns:
        Ours, and each difference beyond the tolerances. A greek that was not sent (None) is not compared.

    Raises:
        InvalidInput: The quote is not of an option, or lacks a side.
    """
    option = quote.contract
    if not isinstance(option, Option) or quote.bid is None or quote.ask is None or quote.mid is None:
        raise InvalidInput(
            f"quote of {option} with bid {quote.bid}, ask {quote.ask}; valid: both, of an option"
        )
    volatility = _volatilities(option, (quote.bid, quote.mid, quote.ask), terms)
    own = _own(option, volatility[1], terms)
    if quote.greeks is None:
        missing = Disagreement(kind=DisagreementKind.NOT_SENT, detail="the broker sent no greeks")
        return CrossCheck(own=own, volatility=volatility, disagreements=(missing,))
    found = [
        _underlying(quote.greeks, terms),
        _price(quote.greeks, quote.bid, quote.ask),
        _iv(quote.greeks, volatility),
    ]
    if own.reasons == 0:
        found += _sensitivities(option, quote.greeks, own, terms)
    else:
        detail = f"the mid of {quote.mid:g} has no volatility of its own: greeks were not compared"
        found.append(Disagreement(kind=DisagreementKind.OWN_UNSOLVED, detail=detail))
    kept = tuple(one for one in found if one is not None)
    return CrossCheck(own=own, volatility=volatility, disagreements=kept)


def _volatilities(
    option: Option, prices: tuple[float, float, float], terms: CheckTerms
) -> tuple[float, float, float]:
    solve = american_implied_volatility if terms.exercise is Exercise.AMERICAN else implied_volatility
    found = solve(
        prices,
        spot=terms.spot,
        strike=float(option.strike),
        years=terms.years,
        right=option.right,
        rate=terms.rate,
        dividend_yield=terms.dividend_yield,
    )
    bid, mid, ask = found.values.tolist()
    return bid, mid, ask


def _own(option: Option, volatility: float, terms: CheckTerms) -> GreekColumns:
    compute = american_greeks if terms.exercise is Exercise.AMERICAN else greeks
    return compute(
        volatility,
        spot=terms.spot,
        strike=float(option.strike),
        years=terms.years,
        right=option.right,
        rate=terms.rate,
        dividend_yield=terms.dividend_yield,
    )


def _underlying(sent: Greeks, terms: CheckTerms) -> Disagreement | None:
    if sent.underlying_price is None:
        return None
    moved = sent.underlying_price / terms.spot - 1.0
    if abs(moved) <= terms.spot_tolerance:
        return None
    return Disagreement(
        kind=DisagreementKind.UNDERLYING_MOVED,
        detail=f"computed with the underlying at {sent.underlying_price:g}, it is at {terms.spot:g} ({moved:+.2%}): "
        "the greeks are older than the quote, or belong to another feed",
    )


def _price(sent: Greeks, bid: float, ask: float) -> Disagreement | None:
    if sent.price is None or bid <= sent.price <= ask:
        return None
    return Disagreement(
        kind=DisagreementKind.PRICE_OUTSIDE_QUOTE,
        detail=f"the broker's model price {sent.price:g} is outside bid {bid:g} and ask {ask:g}",
    )


def _iv(sent: Greeks, volatility: tuple[float, float, float]) -> Disagreement | None:
    bid, mid, ask = volatility
    least = 0.0 if np.isnan(bid) else bid
    if sent.iv is None or np.isnan(ask) or least <= sent.iv <= ask:
        return None
    return Disagreement(
        kind=DisagreementKind.IV_OUTSIDE_QUOTE,
        detail=f"iv {sent.iv:.4f}, ours is {least:.4f} at the bid, {mid:.4f} at mid, {ask:.4f} at the ask: "
        "another spot, rate, dividend or time to expiry",
    )


def _sensitivities(
    option: Option, sent: Greeks, own: GreekColumns, terms: CheckTerms
) -> list[Disagreement | None]:
    return [
        _delta(option, sent.delta, float(own.delta), terms.delta_tolerance),
        _relative(DisagreementKind.GAMMA, sent.gamma, float(own.gamma), terms.relative_tolerance),
        _relative(DisagreementKind.THETA, sent.theta, float(own.theta), terms.relative_tolerance),
        _relative(DisagreementKind.VEGA, sent.vega, float(own.vega), terms.relative_tolerance),
    ]


def _delta(option: Option, sent: float | None, own: float, tolerance: float) -> Disagreement | None:
    if sent is None:
        return None
    expected = 1 if option.right is Right.CALL else -1
    if sent * expected < 0:
        return Disagreement(
            kind=DisagreementKind.DELTA_SIGN,
            detail=f"delta {sent:+.4f} of a {option.right.name.lower()}, ours is {own:+.4f}",
        )
    if abs(sent - own) <= tolerance:
        return None
    return Disagreement(kind=DisagreementKind.DELTA, detail=f"delta {sent:+.4f}, ours is {own:+.4f}")


def _relative(
    kind: DisagreementKind, sent: float | None, own: float, tolerance: float
) -> Disagreement | None:
    if sent is None or abs(sent - own) <= tolerance * abs(own):
        return None
    detail = f"{kind.value} {sent:g}, ours is {own:g}"
    if kind in _UNITS and own != 0:
        unit_kind, factor, meaning = _UNITS[kind]
        if factor / _UNIT_BAND < sent / own < factor * _UNIT_BAND:
            return Disagreement(kind=unit_kind, detail=f"{detail}: it looks like {meaning}")
    return Disagreement(kind=kind, detail=detail)
