"""What to do with a limit order that has not filled: let it work, move it, or withdraw it.

An entry follows the market within a collar and has its time; it is withdrawn when that is over, or
when the session's entries are. What closes a position is never withdrawn here, and follows to the
other side of the quote without a collar.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

import attrs

from ibkeel.model import ComboLeg, OrderReport, OrderState, Quote, Side
from ibkeel.model.checks import as_decimal, as_optional_decimal, as_optional_utc, as_utc
from ibkeel.orders.ticks import TickLadder, ladder_of
from ibkeel.validators import between, number, optional

_WORKS: Final = frozenset({OrderState.ACKNOWLEDGED, OrderState.WORKING, OrderState.PARTIALLY_FILLED})


_seconds: Final = optional(number("above 0", lambda value: value > 0))
_fraction: Final = between(0, 1)


@attrs.frozen(kw_only=True)
class RepricePolicy:
    """How long an order waits for its fill, and how it follows the market.

    Args:
        lifetime: Seconds after which an entry that has not filled is withdrawn; None for never.
        every: Seconds between two moves; None for none.
        reach: How far beyond the middle of the quote it may go: 0 for the middle, 1 for the other side.
        collar: How far an entry may go from where it began, a fraction of that price.

    Raises:
        InvalidInput: A value is out of its range.
    """

    lifetime: float | None = attrs.field(default=90.0, validator=_seconds)
    every: float | None = attrs.field(default=15.0, validator=_seconds)
    reach: float = attrs.field(default=0.0, validator=_fraction)
    collar: float = attrs.field(default=0.02, validator=_fraction)


@attrs.frozen(kw_only=True)
class WorkingOrder:
    """A limit order of ours, and what its market shows.

    Args:
        now: The present instant, aware.
        order: What the venue last said of it.
        is_closing: Whether it closes a position.
        placed_at: When it was placed.
        moved_at: When its price was last set.
        first_price: The limit that it began with.
        bid: Of the order's own contract, of a combo that of all its legs; None when nobody bids or nobody knows.
        ask: As `bid`.
        ends_at: When entries of the session are withdrawn; None for never.
        ticks: The contract's price steps; None takes those that `bid` and `ask` keep to.
    """

    now: datetime = attrs.field(converter=as_utc)
    order: OrderReport
    is_closing: bool = False
    placed_at: datetime = attrs.field(converter=as_utc)
    moved_at: datetime = attrs.field(converter=as_utc)
    first_price: Decimal = attrs.field(converter=as_decimal)
    bid: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    ask: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    ends_at: datetime | None = attrs.field(default=None, converter=as_optional_utc)
    ticks: TickLadder | None = None


@attrs.frozen(kw_only=True)
class Reprice:
    """Change the limit of the order that works; its number and its quantity stay.

    Args:
        price: The new limit.
        reason: Why, in words.
    """

    price: Decimal
    reason: str


@attrs.frozen(kw_only=True)
class Withdraw:
    """Cancel the order.

    Args:
        reason: Why, in words.
    """

    reason: str


def supervise(working: WorkingOrder, policy: RepricePolicy) -> Reprice | Withdraw | None:
    """The next step for a working order; None to let it work.

    Nothing is done to an order of unknown fate, to one that is being cancelled, and to an entry that
    has filled in part: its rest and its children are one matter, and the protection's.
    """
    order = working.order
    if order.state not in _WORKS or order.limit_price is None or (order.filled and not working.is_closing):
        return None
    if not working.is_closing:
        over = _over(working, policy)
        if over:
            return Withdraw(reason=over)
    waited = (working.now - working.moved_at).total_seconds()
    if policy.every is None or waited < policy.every:
        return None
    return _moved(working, policy)


def _over(working: WorkingOrder, policy: RepricePolicy) -> str:
    if working.ends_at is not None and working.now >= working.ends_at:
        return "the session's entries are over"
    age = (working.now - working.placed_at).total_seconds()
    if policy.lifetime is not None and age >= policy.lifetime:
        return f"it has not filled in {age:.0f} s; its time is {policy.lifetime:g} s"
    return ""


def _moved(working: WorkingOrder, policy: RepricePolicy) -> Reprice | None:
    bid, ask, present = working.bid, working.ask, working.order.limit_price
    if bid is None or ask is None or bid > ask or present is None:
        return None
    sign = working.order.side.sign
    near, far = (bid, ask) if sign > 0 else (ask, bid)
    middle = (near + far) / 2
    reach = Decimal(1) if working.is_closing else as_decimal(policy.reach)
    wanted = middle + reach * (far - middle)
    if not working.is_closing:
        bound = working.first_price + sign * as_decimal(policy.collar) * abs(working.first_price)
        wanted = min(wanted, bound) if sign > 0 else max(wanted, bound)
    price = _on_tick(wanted, working)
    if (price - present) * sign <= 0:
        return None  # it is there already: only a fill or its time can end it
    return Reprice(price=price, reason=f"the market is at {bid} to {ask}, its limit at {present}")


def _on_tick(price: Decimal, working: WorkingOrder) -> Decimal:
    """The nearest step that is not worse for an entry; what closes is rounded to where it fills."""
    ladder = working.ticks or ladder_of(working.bid, working.ask)
    tick = ladder.tick_at(abs(price))
    is_down = (working.order.side is Side.BUY) is not working.is_closing
    return (price / tick).to_integral_value(rounding=ROUND_FLOOR if is_down else ROUND_CEILING) * tick


def left_to_replace(ended: OrderReport) -> int:
    """Contracts that another order may be placed for in the place of one that was cancelled.

    Args:
        ended: The venue's report after the cancel.

    Returns:
        0 unless the venue says that it is cancelled: an order that may still fill, and one that filled in
        the race with its cancel, would be doubled.
    """
    if ended.state is not OrderState.CANCELLED:
        return 0
    return max(int(ended.quantity - ended.filled), 0)


def net_market(legs: Iterable[tuple[ComboLeg, Quote]]) -> tuple[Decimal, Decimal] | None:
    """Bid and ask of a combo, per share, from those of its legs; None when one is crossed or has only one side.

    Args:
        legs: Each leg with the quote of its contract.
    """
    rows = [(leg, quote, leg.ratio * getattr(quote.contract, "multiplier", 1)) for leg, quote in legs]
    largest = max((shares // leg.ratio for leg, _, shares in rows), default=1)
    bid = ask = Decimal(0)
    for leg, quote, shares in rows:
        if quote.bid is None or quote.ask is None or quote.bid > quote.ask:
            return None
        best, worst = (quote.bid, quote.ask) if leg.side is Side.BUY else (-quote.ask, -quote.bid)
        bid += shares * as_decimal(best) / largest
        ask += shares * as_decimal(worst) / largest
    return bid, ask
