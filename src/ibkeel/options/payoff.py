"""What a structure brings when its options expire: linear between strikes, and known exactly."""

import math
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.errors import InvalidInput
from ibkeel.model import Option, Right
from ibkeel.options.inputs import Floats
from ibkeel.options.structures import Leg, Structure

_ZERO = Decimal(0)


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

    def at(self, spots: npt.ArrayLike) -> Floats:
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
        InvalidInput: A leg has no price, or expiries differ: `value_at_near_expiry` is for those.
    """
    if len(structure.expiries) > 1:
        days = ", ".join(map(str, structure.expiries))
        raise InvalidInput(
            f"{structure.name} expires on {days}: what the later options are then worth is a model's guess; "
            "use value_at_near_expiry"
        )
    return at_intrinsic(structure)


def at_intrinsic(structure: Structure) -> Payoff:
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
