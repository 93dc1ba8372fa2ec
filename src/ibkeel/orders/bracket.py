"""From a quote to a protected entry, at prices that the venue takes."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import Final

import attrs

from ibkeel.errors import InvalidInput, OrderRefused
from ibkeel.model import Bracket, ClientOrderId, OrderTicket, OrderType, Quote, Side, TimeInForce
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


def round_to_tick(price: Decimal | float | str, *, ticks: TickLadder | Decimal, side: Side) -> Decimal:
    """The nearest price the venue takes that is not worse than the one asked.

    A purchase is rounded down and a sale up; so a protective stop of a long position triggers no
    later than asked.

    Args:
        price: Per share, above 0.
        ticks: The class's ladder, or a single step.
        side: Of the order that bears the price.

    Raises:
        InvalidInput: The price is not above zero, or rounds down to nothing.
    """
    ladder = ticks if isinstance(ticks, TickLadder) else TickLadder(((Decimal(0), ticks),))
    exact = as_decimal(price)
    if exact <= 0:
        raise InvalidInput(f"price is {price!r}; valid: above 0")
    tick = ladder.tick_at(exact)
    direction = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
    rounded = (exact / tick).to_integral_value(rounding=direction) * tick
    if rounded <= 0:
        raise InvalidInput(f"price {price!r} to {side.value} is below the smallest step {tick}")
    return rounded


def _sides(quote: Quote) -> tuple[Decimal, Decimal]:
    if quote.bid is None or quote.ask is None or quote.bid > quote.ask:
        raise OrderRefused(
            f"no entry in {quote.contract}: bid {quote.bid}, ask {quote.ask}; needed: both, not crossed"
        )
    return as_decimal(quote.bid), as_decimal(quote.ask)


def _check_fractions(side: Side, stop: float, profit: float | None) -> None:
    if not 0.0 < stop < 1.0:
        raise InvalidInput(f"stop_fraction is {stop!r}; valid: above 0, below 1")
    most = 1.0 if side is Side.SELL else float("inf")
    if profit is not None and not 0.0 < profit < most:
        raise InvalidInput(f"take_profit_fraction is {profit!r}; valid: above 0, below {most}")


def build_bracket(
    *,
    quote: Quote,
    quantity: int,
    side: Side = Side.BUY,
    stop_fraction: float = 0.20,
    take_profit_fraction: float | None = None,
    ticks: TickLadder = PENNY,
    client_order_id: ClientOrderId | None = None,
    tif: TimeInForce = TimeInForce.DAY,
) -> Bracket:
    """A limit order at the far side of the quote, with a stop at the venue.

    The stop is a fraction below the entry of a purchase (above that of a sale); the take profit
    the other way. Prices come from the quote of the contract itself.

    Args:
        quote: Of the contract to be traded.
        quantity: Contracts, above zero.
        side: Of the entry.
        stop_fraction: Distance of the stop, a fraction of the entry price.
        take_profit_fraction: Distance of the profit order; None for none.
        ticks: The class's price steps.
        client_order_id: Our name of the entry.
        tif: How long the orders work.

    Raises:
        InvalidInput: A fraction is out of its range.
        OrderRefused: The quote lacks a side or is crossed, or the stop would fire at once.
    """
    _check_fractions(side, stop_fraction, take_profit_fraction)
    bid, ask = _sides(quote)
    price, exit_side = (ask, bid) if side is Side.BUY else (bid, ask)
    # Rounding the entry to its marketable side keeps it at or through the quote.
    limit = round_to_tick(price, ticks=ticks, side=side.opposite)
    stop = round_to_tick(limit * (1 - side.sign * as_decimal(stop_fraction)), ticks=ticks, side=side.opposite)
    if (exit_side - stop) * side.sign <= 0:
        raise OrderRefused(
            f"no entry in {quote.contract}: its stop {stop} would fire at once at bid {bid}, ask {ask}"
        )
    profit = None
    if take_profit_fraction is not None:
        away = limit * (1 + side.sign * as_decimal(take_profit_fraction))
        profit = round_to_tick(away, ticks=ticks, side=side.opposite)
    entry = OrderTicket(
        contract=quote.contract,
        side=side,
        quantity=quantity,
        order_type=OrderType.LMT,
        limit_price=limit,
        tif=tif,
        client_order_id=client_order_id,
    )
    return Bracket(entry=entry, stop_loss=stop, take_profit=profit)
