"""From a quote to a protected entry."""

from decimal import Decimal

from ibkeel.errors import InvalidInput, OrderRefused
from ibkeel.model import Bracket, ClientOrderId, OrderTicket, OrderType, Quote, Side, TimeInForce
from ibkeel.model.checks import as_decimal
from ibkeel.orders.ticks import PENNY, TickLadder, round_to_tick


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
    side = Side(side)
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
