"""Cash dividends: the share falls by a known amount at a known instant."""

import math
from collections.abc import Iterable, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.errors import InvalidInput
from ibkeel.options.inputs import Floats


@attrs.frozen(kw_only=True)
class CashDividend:
    """One dividend that is known in advance.

    Args:
        years: From now to the instant at which the share trades without it, usually the open of the
            ex-dividend date, above 0; see `years_to_expiry`.
        amount: Per share, 0 or more.

    Raises:
        InvalidInput: A number is out of its domain.
    """

    years: float
    amount: float

    def __attrs_post_init__(self) -> None:
        if not (self.years > 0 and self.amount >= 0 and math.isfinite(self.years + self.amount)):
            raise InvalidInput(
                f"dividend of {self.amount} in {self.years} years; valid: 0 or more, in more than 0 years"
            )


def ascending(dividends: Iterable[CashDividend]) -> tuple[CashDividend, ...]:
    """By time, those of one instant added up."""
    amounts: dict[float, float] = {}
    for dividend in sorted(dividends, key=lambda one: one.years):
        amounts[dividend.years] = amounts.get(dividend.years, 0.0) + dividend.amount
    return tuple(CashDividend(years=years, amount=amount) for years, amount in amounts.items())


def escrowed_spot(
    spot: npt.ArrayLike, dividends: Sequence[CashDividend], *, years: npt.ArrayLike, rate: npt.ArrayLike = 0.0
) -> Floats:
    """The spot less what the dividends before expiry are worth today.

    The usual shortcut for European options: pretend that the rest of the price alone is random. It
    moves all risk to the share without its dividends, so its volatility is a little higher than the
    share's own; the longer the life and the later the dividends, the more.

    Args:
        spot: Price of the underlying per share.
        dividends: Those with more than `years` to go play no part.
        years: To expiry.
        rate: Interest a year, continuous, a fraction.

    Returns:
        Per share, of the inputs' common shape; not above 0 where the dividends exceed the spot.
    """
    left, until, interest = (np.asarray(each, dtype=np.float64) for each in (spot, years, rate))
    for dividend in dividends:
        left = left - np.where(
            dividend.years < until, dividend.amount * np.exp(-interest * dividend.years), 0.0
        )
    return left
