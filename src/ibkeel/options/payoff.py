"""What a structure brings when its options expire, and when the first of several expiries comes.

At its only expiry that is linear between strikes, and known exactly; before another it is a model's value.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Final

import attrs
import numpy as np

from ibkeel.errors import InvalidInput
from ibkeel.model import Option, Right, Side
from ibkeel.options.american import american_price
from ibkeel.options.greeks import price
from ibkeel.options.inputs import Floats, Numbers
from ibkeel.options.series import Exercise, end_of
from ibkeel.options.structures import Leg, Structure

_ZERO = Decimal(0)
_YEAR: Final = timedelta(days=365)
_BOUNDED: Final = (
    "the legs that live on are worth at least what exercise brings, and the short legs are closed or "
    "exercised together with them at the near expiry"
)
_UNBOUNDED: Final = "a short leg lives on, and nothing bounds what it may then be worth"


@attrs.frozen(kw_only=True)
class Payoff:
    """Profit at expiry, per share, for every price of the underlying from 0 up.

    Linear between neighbouring `spots`, and of one slope beyond the last. Commissions are not in it.

    Args:
        spots: Where it may bend, ascending, from 0.
        profits: Per share, at each of `spots`; below zero is a loss.
        slope: Change of profit for one unit of the underlying beyond the last of `spots`.
        multiplier: Shares a contract.
    """

    spots: tuple[Decimal, ...]
    profits: tuple[Decimal, ...]
    slope: Decimal
    multiplier: int

    def at(self, spots: Numbers) -> Floats:
        """Profit per share.

        Args:
            spots: Prices of the underlying, 0 or more, of any shape.

        Returns:
            Of the same shape; NaN where a price is not finite or below 0.
        """
        spot = np.asarray(spots, dtype=np.float64)
        known = np.isfinite(spot) & (spot >= 0)
        spot = np.where(known, spot, 0.0)
        inside = np.interp(spot, np.array(self.spots, np.float64), np.array(self.profits, np.float64))
        beyond = float(self.slope) * np.maximum(spot - float(self.spots[-1]), 0.0)
        return np.where(known, inside + beyond, np.nan)

    def exactly_at(self, spot: Decimal) -> Decimal:
        """Profit per share at one price of the underlying, without rounding to a float.

        Args:
            spot: The price, per share, 0 or more.

        Raises:
            InvalidInput: It is below 0.
        """
        if spot >= self.spots[-1]:
            return self.profits[-1] + self.slope * (spot - self.spots[-1])
        for (low, here), (high, there) in pairwise(zip(self.spots, self.profits, strict=True)):
            if low <= spot < high:
                return here + (there - here) * (spot - low) / (high - low)
        raise InvalidInput(f"spot is {spot}; valid: 0 or more")

    @property
    def break_evens(self) -> tuple[Decimal, ...]:
        """Prices of the underlying at which nothing is won or lost, ascending.

        Of a stretch without profit or loss its ends count.
        """
        return tuple(sorted(set(self._zeros())))

    def _zeros(self) -> Iterator[Decimal]:
        points = list(zip(self.spots, self.profits, strict=True))
        for spot, profit in points:
            if profit == 0:
                yield spot
        for (low, here), (high, there) in pairwise(points):
            if here * there < 0:
                yield low + (high - low) * here / (here - there)
        if self.slope * self.profits[-1] < 0:
            yield self.spots[-1] - self.profits[-1] / self.slope

    @property
    def max_gain(self) -> float:
        """Greatest profit per share, 0 or more; infinite when it grows without end."""
        return math.inf if self.slope > 0 else max(0.0, float(max(self.profits)))

    @property
    def max_loss(self) -> float:
        """Greatest loss per share, 0 or more; infinite when it grows without end."""
        return math.inf if self.slope < 0 else max(0.0, -float(min(self.profits)))

    @property
    def max_gain_per_contract(self) -> float:
        """`max_gain` of one structure, in the currency."""
        return self.max_gain * self.multiplier

    @property
    def max_loss_per_contract(self) -> float:
        """`max_loss` of one structure, in the currency."""
        return self.max_loss * self.multiplier


def payoff(structure: Structure) -> Payoff:
    """The payoff of a structure whose options expire together.

    Args:
        structure: With prices.

    Raises:
        InvalidInput: A leg has no price, or its options do not end together: `value_at_near_expiry` is for those.
    """
    if len(structure.ends) > 1:
        days = ", ".join(map(str, structure.ends))
        raise InvalidInput(
            f"{structure.name} expires on {days}: what the later options are then worth is a model's guess; "
            "use value_at_near_expiry"
        )
    return _at_intrinsic(structure)


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
    spots: Numbers,
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
    if not structure.ends:
        raise InvalidInput(f"{structure.name} has no option; nothing expires")
    near, spot = structure.ends[0], np.atleast_1d(np.asarray(spots, dtype=np.float64))
    bound = _at_intrinsic(structure)
    worth = np.full(spot.shape, -float(structure.net.per_share))
    pricer = american_price if Exercise(exercise) is Exercise.AMERICAN else price
    model = partial(pricer, spot=spot, rate=rate, dividend_yield=dividend_yield)
    for leg in structure.legs:
        worth += leg.shares / structure.multiplier * _leg_worth(leg, spot, near, volatility, model)
    is_bounded = all(leg.side is Side.BUY for leg in structure.legs if _outlives(leg, near))
    return NearExpiryValue(
        expiry=near.date(),
        spots=spot,
        profits=np.where(spot > 0, worth, np.nan),
        max_loss=bound.max_loss if is_bounded else math.inf,
        assumption=_BOUNDED if is_bounded else _UNBOUNDED,
        multiplier=structure.multiplier,
    )


def _at_intrinsic(structure: Structure) -> Payoff:
    """The payoff if every option were exercised or dropped at one instant."""
    strikes = {leg.contract.strike for leg in structure.legs if isinstance(leg.contract, Option)}
    spots = (_ZERO, *sorted(strikes))
    multiplier = structure.multiplier
    paid = structure.net.per_share
    weights = [(leg, Decimal(leg.shares) / multiplier) for leg in structure.legs]
    profits = tuple(
        sum((weight * _worth(leg, spot) for leg, weight in weights), start=-paid) for spot in spots
    )
    slope = sum((weight for leg, weight in weights if _rises(leg)), start=_ZERO)
    return Payoff(spots=spots, profits=profits, slope=slope, multiplier=multiplier)


def _rises(leg: Leg) -> bool:
    """Whether a long leg gains with the underlying beyond every strike."""
    return not isinstance(leg.contract, Option) or leg.contract.right is Right.CALL


def _worth(leg: Leg, spot: Decimal) -> Decimal:
    if not isinstance(leg.contract, Option):
        return spot
    above = spot - leg.contract.strike
    return max(_ZERO, above if leg.contract.right is Right.CALL else -above)


def _outlives(leg: Leg, near: datetime) -> bool:
    return isinstance(leg.contract, Option) and end_of(leg.contract) > near


def _leg_worth(
    leg: Leg,
    spot: Floats,
    near: datetime,
    volatility: float | Mapping[Option, float],
    model: Callable[..., Floats],
) -> Floats:
    option = leg.contract
    if not isinstance(option, Option):
        return spot
    strike = float(option.strike)
    left = end_of(option) - near
    if not left:
        return np.maximum(spot - strike if option.right is Right.CALL else strike - spot, 0.0)
    given = volatility.get(option) if isinstance(volatility, Mapping) else volatility
    if given is None:
        raise InvalidInput(f"no volatility for {option}, which lives on after {near}")
    return model(given, strike=strike, years=left / _YEAR, right=option.right)
