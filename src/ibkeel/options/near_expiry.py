"""What a structure of several expiries is worth when the first of them comes: a model's value."""

import math
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.errors import InvalidInput
from ibkeel.model import Option, Right
from ibkeel.options.american import american_price
from ibkeel.options.greeks import price
from ibkeel.options.inputs import Floats
from ibkeel.options.payoff import at_intrinsic
from ibkeel.options.settlement import Exercise
from ibkeel.options.structures import Leg, Structure

_DAYS_A_YEAR: Final = 365.0
_BOUNDED: Final = (
    "the legs that live on are worth at least what exercise brings, and the short legs are closed or "
    "exercised together with them at the near expiry"
)
_UNBOUNDED: Final = "a short leg lives on, and nothing bounds what it may then be worth"


@attrs.frozen(kw_only=True, eq=False)
class NearExpiryValue:
    """Profit at the near expiry, per share, as a model sees it; commissions are not in it.

    Args:
        expiry: The near expiry.
        spots: Prices of the underlying, of shape (n,).
        profits: Per share, at each of `spots`; NaN where a price is not above 0.
        max_loss: Greatest loss per share if `assumption` holds, whatever the volatility; infinite
            when nothing bounds it.
        assumption: What `max_loss` rests on.
        multiplier: Shares a contract.
    """

    expiry: date
    spots: Floats
    profits: Floats
    max_loss: float
    assumption: str
    multiplier: int

    @property
    def max_loss_per_contract(self) -> float:
        """`max_loss` of one structure, in the currency."""
        return self.max_loss * self.multiplier


def value_at_near_expiry(
    structure: Structure,
    spots: npt.ArrayLike,
    *,
    volatility: float | Mapping[Option, float],
    rate: float = 0.0,
    dividend_yield: float = 0.0,
    exercise: Exercise = Exercise.EUROPEAN,
) -> NearExpiryValue:
    """Profit of a calendar or a diagonal when its near options expire.

    The options that live on are priced by our own formulas at the volatility given: the figures move
    with that guess. A European option can be worth less than exercise would bring, so that it breaks
    the assumption behind `max_loss`; an American one cannot.

    Args:
        structure: With prices, and at least one option.
        spots: Prices of the underlying above 0, of shape (n,).
        volatility: A year, a fraction: of every option that lives on, or of each.
        rate: Interest a year, continuous, a fraction.
        dividend_yield: A year, continuous, a fraction.
        exercise: Whether the options that live on may be exercised early.

    Raises:
        InvalidInput: A leg has no price, there is no option, or a volatility is missing.
    """
    if not structure.expiries:
        raise InvalidInput(f"{structure.name} has no option; nothing expires")
    near, spot = structure.expiries[0], np.atleast_1d(np.asarray(spots, dtype=np.float64))
    bound = at_intrinsic(structure)
    worth = np.full(spot.shape, -float(structure.net.per_share))
    pricer = american_price if exercise is Exercise.AMERICAN else price
    model = partial(pricer, spot=spot, rate=rate, dividend_yield=dividend_yield)
    for leg in structure.legs:
        worth += leg.shares / structure.multiplier * _worth(leg, spot, near, volatility, model)
    is_bounded = all(leg.shares > 0 for leg in structure.legs if _outlives(leg, near))
    return NearExpiryValue(
        expiry=near,
        spots=spot,
        profits=np.where(spot > 0, worth, np.nan),
        max_loss=bound.max_loss if is_bounded else math.inf,
        assumption=_BOUNDED if is_bounded else _UNBOUNDED,
        multiplier=structure.multiplier,
    )


def _outlives(leg: Leg, near: date) -> bool:
    return isinstance(leg.contract, Option) and leg.contract.expiry > near


def _worth(
    leg: Leg,
    spot: Floats,
    near: date,
    volatility: float | Mapping[Option, float],
    model: Callable[..., Floats],
) -> Floats:
    option = leg.contract
    if not isinstance(option, Option):
        return spot
    strike = float(option.strike)
    if option.expiry == near:
        return np.maximum(spot - strike if option.right is Right.CALL else strike - spot, 0.0)
    given = volatility if isinstance(volatility, int | float) else volatility.get(option)
    if given is None:
        raise InvalidInput(f"no volatility for {option}, which lives on after {near}")
    years = (option.expiry - near).days / _DAYS_A_YEAR
    return model(given, strike=strike, years=years, right=option.right)
