"""What an order meets: the quote of its contract, or one that its legs' quotes add up to."""

from collections.abc import Sequence
from datetime import datetime

from ibkeel.sim.values import Market, MarketQuote, SimLeg, SimOrder
from ibkeel.sim.venue.matching import usable_price

__all__ = ["Board", "combined"]


def combined(legs: Sequence[SimLeg], quotes: Sequence[MarketQuote], at: datetime) -> MarketQuote:
    """The quote of a combo: what it costs, and brings, when each leg trades at its own quote.

    Prices are net, per share of the leg with the largest multiplier, and below zero for a credit; a leg
    without a side leaves the combo without one.
    """
    bid = ask = 0.0
    largest = max(leg.contract.multiplier for leg in legs)
    complete_bid = complete_ask = True
    for leg, quote in zip(legs, quotes, strict=True):
        is_bought = leg.action == "BUY"
        sells, buys = usable_price(quote.bid), usable_price(quote.ask)
        near, far = (sells, buys) if is_bought else (buys, sells)
        share = leg.ratio * leg.contract.multiplier / largest
        sign = share if is_bought else -share
        complete_bid = complete_bid and near is not None
        complete_ask = complete_ask and far is not None
        bid += sign * (near or 0.0)
        ask += sign * (far or 0.0)
    return MarketQuote(
        at=at,
        bid=round(bid, 6) if complete_bid else None,
        ask=round(ask, 6) if complete_ask else None,
    )


class Board:
    """Quotes by order.

    Args:
        market: Quotes by contract.
    """

    def __init__(self, market: Market) -> None:
        self._market = market

    def quote(self, order: SimOrder, at: datetime) -> MarketQuote:
        """What the order can trade against."""
        if not order.legs:
            return self._market.quote(order.contract, at)
        quotes = [self._market.quote(leg.contract, at) for leg in order.legs]
        return combined(order.legs, quotes, at)

    def next_change(self, order: SimOrder, after: datetime) -> datetime | None:
        """First instant after `after` at which the quote may differ; None: never."""
        if not order.legs:
            return self._market.next_change(order.contract, after)
        changes = [self._market.next_change(leg.contract, after) for leg in order.legs]
        return min((change for change in changes if change is not None), default=None)
