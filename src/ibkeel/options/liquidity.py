"""Whether an option's market is good enough to enter, and why not."""

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from typing import Any

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model import Quote
from ibkeel.model.checks import as_decimal, finite

__all__ = ["LiquidityRule", "Rejection", "RejectionKind", "is_liquid", "liquidity_rejections"]


class RejectionKind(StrEnum):
    """Why an option was not taken."""

    NO_QUOTE = "no_quote"
    NO_BID = "no_bid"
    NO_ASK = "no_ask"
    CROSSED = "crossed"
    VOLUME_UNKNOWN = "volume_unknown"
    VOLUME_LOW = "volume_low"
    SPREAD_WIDE = "spread_wide"


@attrs.frozen(kw_only=True)
class Rejection:
    """One reason, with the figures it rests on.

    Args:
        kind: The rule that failed.
        detail: What was seen and what is wanted, in words.
    """

    kind: RejectionKind
    detail: str


def _not_negative(instance: object, attribute: "attrs.Attribute[Any]", value: float) -> None:
    finite(instance, attribute, value)
    if value < 0:
        raise InvalidInput(f"LiquidityRule.{attribute.name} is {value!r}; valid: 0 or more")


@attrs.frozen(kw_only=True)
class LiquidityRule:
    """What an option's quote must show.

    The spread is fine when it meets either of its two limits.

    Args:
        min_volume: Fewest contracts traded this session, inclusive.
        max_relative_spread: Widest spread as a fraction of mid, inclusive.
        max_absolute_spread: Widest spread per share, inclusive.
    """

    min_volume: float = attrs.field(default=100, validator=_not_negative)
    max_relative_spread: float = attrs.field(default=0.02, validator=_not_negative)
    max_absolute_spread: float = attrs.field(default=0.10, validator=_not_negative)


STANDARD_LIQUIDITY = LiquidityRule()


def _side_rejections(quote: Quote) -> Iterator[Rejection]:
    if quote.bid is None:
        yield Rejection(kind=RejectionKind.NO_BID, detail="nobody bids")
    if quote.ask is None:
        yield Rejection(kind=RejectionKind.NO_ASK, detail="nobody offers")


def _spread_rejections(bid: float, ask: float, rule: LiquidityRule) -> Iterator[Rejection]:
    # Decimals of the shortest text: 1.10 - 1.00 is 0.10, not a hair more.
    low, high = as_decimal(bid), as_decimal(ask)
    spread = high - low
    if spread < 0:
        yield Rejection(kind=RejectionKind.CROSSED, detail=f"bid {bid} is above ask {ask}")
        return
    allowed = max(
        as_decimal(rule.max_relative_spread) * (low + high) / 2,
        as_decimal(rule.max_absolute_spread),
    )
    if spread > allowed:
        relative = spread / ((low + high) / 2)
        yield Rejection(
            kind=RejectionKind.SPREAD_WIDE,
            detail=(
                f"spread {spread} is {relative:.1%} of mid; allowed: {rule.max_relative_spread:.1%} of mid "
                f"or {Decimal(str(rule.max_absolute_spread)):.2f}"
            ),
        )


def _volume_rejections(volume: float | None, rule: LiquidityRule) -> Iterator[Rejection]:
    if volume is None:
        yield Rejection(
            kind=RejectionKind.VOLUME_UNKNOWN,
            detail=f"no volume came; wanted: {rule.min_volume:g} or more",
        )
    elif volume < rule.min_volume:
        yield Rejection(
            kind=RejectionKind.VOLUME_LOW,
            detail=f"volume {volume:g}; wanted: {rule.min_volume:g} or more",
        )


def liquidity_rejections(quote: Quote, rule: LiquidityRule = STANDARD_LIQUIDITY) -> tuple[Rejection, ...]:
    """Every reason against an option; empty when its market is good enough.

    A figure that did not come counts against the option.
    """
    rejections = [*_side_rejections(quote)]
    if quote.bid is not None and quote.ask is not None:
        rejections += _spread_rejections(quote.bid, quote.ask, rule)
    return (*rejections, *_volume_rejections(quote.volume, rule))


def is_liquid(quote: Quote, rule: LiquidityRule = STANDARD_LIQUIDITY) -> bool:
    """Whether nothing speaks against the option."""
    return not liquidity_rejections(quote, rule)
