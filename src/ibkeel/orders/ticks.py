"""Prices that a venue takes."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import Final

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model import Side
from ibkeel.model.checks import as_decimal


@attrs.frozen
class TickLadder:
    """Smallest price steps, by price.

    Args:
        steps: Pairs of the price from which a step holds and the step, both per share; the
            first from 0, ascending, each price a multiple of the steps on either side.

    Raises:
        InvalidInput: The steps are not such a ladder.
    """

    steps: tuple[tuple[Decimal, Decimal], ...] = attrs.field()

    @steps.validator
    def _check(self, _: object, value: tuple[tuple[Decimal, Decimal], ...]) -> None:
        starts = [start for start, _ in value]
        if not value or starts[0] != 0 or starts != sorted(set(starts)):
            raise InvalidInput(f"TickLadder starts at {[*map(str, starts)]}; valid: 0, then ascending")
        if any(tick <= 0 for _, tick in value):
            raise InvalidInput("TickLadder has a step of 0 or less; valid: above 0")
        pairs = pairwise(value)
        if any(start % tick or start % below for (_, below), (start, tick) in pairs):
            raise InvalidInput("TickLadder changes its step at a price that is no multiple of both")

    def tick_at(self, price: Decimal) -> Decimal:
        """The step that holds at a price of 0 or more."""
        return next(tick for start, tick in reversed(self.steps) if price >= start)


CENT: Final = TickLadder(((Decimal(0), Decimal("0.01")),))
"""One cent at any price."""

PENNY: Final = TickLadder(((Decimal(0), Decimal("0.01")), (Decimal(3), Decimal("0.05"))))
"""Option classes of the penny interval program: one cent below 3, five from there on."""

NICKEL: Final = TickLadder(((Decimal(0), Decimal("0.05")), (Decimal(3), Decimal("0.10"))))
"""Other option classes: five cents below 3, ten from there on."""


def ladder_of(bid: Decimal | None, ask: Decimal | None) -> TickLadder:
    """The coarser ladder of an option where its bid and ask keep to it: a price on that is on the finer one, too.

    Args:
        bid: Per share; None when nobody bids.
        ask: As `bid`.
    """
    sides = [abs(side) for side in (bid, ask) if side is not None]
    return NICKEL if sides and all(side % NICKEL.tick_at(side) == 0 for side in sides) else PENNY


def round_to_tick(
    price: Decimal | float | str, *, ticks: TickLadder | Decimal, side: Side | str, is_combo: bool = False
) -> Decimal:
    """The nearest price the venue takes that is not worse than the one asked.

    A purchase is rounded down and a sale up; so a protective stop of a long position triggers no
    later than asked, and a combo that is bought for a credit brings no less.

    Args:
        price: Per share; above 0 but for a combo.
        ticks: The class's ladder, or a single step. Which one holds for a combo is unverified: the coarsest of its
            legs' is on every finer one too.
        side: Of the order that bears the price.
        is_combo: Whether it is the price of a combo: it may be zero, or below for a credit.

    Raises:
        InvalidInput: The price is no number, or but for a combo not above zero, or rounds down to nothing.
    """
    ladder = ticks if isinstance(ticks, TickLadder) else TickLadder(((Decimal(0), as_decimal(ticks)),))
    exact = as_decimal(price)
    if exact <= 0 and not is_combo:
        raise InvalidInput(f"price is {price!r}; valid: above 0")
    tick, side = ladder.tick_at(abs(exact)), Side(side)
    direction = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
    rounded = (exact / tick).to_integral_value(rounding=direction) * tick + 0  # no -0.00
    if rounded <= 0 and not is_combo:
        raise InvalidInput(f"price {price!r} to {side.value} is below the smallest step {tick}")
    return rounded
