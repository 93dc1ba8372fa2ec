"""Whether an option's market is good enough to enter, and why not."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model import Quote
from ibkeel.model.checks import as_decimal, as_utc
from ibkeel.validators import flag, from_zero, optional


class RejectionKind(StrEnum):
    """Why an option was not taken."""

    NO_QUOTE = "no_quote"
    NO_SUCH_CONTRACT = "no_such_contract"
    NOT_LIVE = "not_live"
    STALE = "stale"
    NO_BID = "no_bid"
    NO_ASK = "no_ask"
    CROSSED = "crossed"
    VOLUME_UNKNOWN = "volume_unknown"
    VOLUME_LOW = "volume_low"
    SPREAD_WIDE = "spread_wide"
    SIZE_UNKNOWN = "size_unknown"
    SIZE_LOW = "size_low"
    OPEN_INTEREST_UNKNOWN = "open_interest_unknown"
    OPEN_INTEREST_LOW = "open_interest_low"
    NO_VOLATILITY = "no_volatility"
    RIGHT = "right"
    EXPIRY = "expiry"
    KIND = "kind"
    MONEYNESS = "moneyness"
    PREMIUM = "premium"
    DELTA = "delta"


@attrs.frozen(kw_only=True)
class Rejection:
    """One reason, with the figures it rests on.

    Args:
        kind: The rule that failed.
        detail: What was seen and what is wanted, in words.
    """

    kind: RejectionKind
    detail: str


@attrs.frozen(kw_only=True)
class LiquidityRule:
    """What an option's quote must show.

    The spread is fine when it meets either of its two limits. A minimum of 0 asks for nothing; above
    that, a figure that did not come counts against the option.

    Args:
        min_volume: Fewest contracts traded this session, inclusive.
        max_relative_spread: Widest spread as a fraction of mid, inclusive.
        max_absolute_spread: Widest spread per share, inclusive.
        min_open_interest: Fewest contracts open at the start of the session, inclusive.
        min_size: Fewest contracts at the bid, and at the ask, inclusive.
        max_age: Most seconds since the quote's last field came, inclusive; None for any.
        live_only: Whether delayed and frozen prices are refused.
    """

    min_volume: float = attrs.field(default=100, validator=from_zero)
    max_relative_spread: float = attrs.field(default=0.02, validator=from_zero)
    max_absolute_spread: float = attrs.field(default=0.10, validator=from_zero)
    min_open_interest: float = attrs.field(default=0, validator=from_zero)
    min_size: float = attrs.field(default=0, validator=from_zero)
    max_age: float | None = attrs.field(default=None, validator=optional(from_zero))
    live_only: bool = flag(False)


STANDARD_LIQUIDITY = LiquidityRule()


def side_rejections(quote: Quote) -> Iterator[Rejection]:
    """A side that nobody quotes."""
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
                f"or {rule.max_absolute_spread:.2f}"
            ),
        )


def _least(
    what: str, value: float | None, least: float, unknown: RejectionKind, low: RejectionKind
) -> Iterator[Rejection]:
    """What speaks against a count that must not be lower."""
    wanted = f"wanted: {least:g} or more"
    if least > 0 and value is None:
        yield Rejection(kind=unknown, detail=f"no {what} came; {wanted}")
    elif value is not None and value < least:
        yield Rejection(kind=low, detail=f"{what} {value:g}; {wanted}")


def _depth_rejections(quote: Quote, rule: LiquidityRule) -> Iterator[Rejection]:
    yield from _least(
        "volume", quote.volume, rule.min_volume, RejectionKind.VOLUME_UNKNOWN, RejectionKind.VOLUME_LOW
    )
    yield from _least(
        "open interest",
        quote.open_interest,
        rule.min_open_interest,
        RejectionKind.OPEN_INTEREST_UNKNOWN,
        RejectionKind.OPEN_INTEREST_LOW,
    )
    for what, size in (("bid size", quote.bid_size), ("ask size", quote.ask_size)):
        yield from _least(what, size, rule.min_size, RejectionKind.SIZE_UNKNOWN, RejectionKind.SIZE_LOW)


def freshness_rejections(
    quote: Quote, *, live_only: bool, max_age: float | None, now: datetime | None
) -> Iterator[Rejection]:
    """What speaks against the age of a quote, or the kind of its feed.

    Args:
        quote: To be judged.
        live_only: Whether delayed and frozen prices are refused.
        max_age: Most seconds since its last field came; None for any.
        now: Instant to reckon the age at; needed with `max_age`.

    Raises:
        InvalidInput: There is a `max_age`, but no `now`.
    """
    if live_only and not quote.is_live:
        yield Rejection(
            kind=RejectionKind.NOT_LIVE, detail=f"its prices are {quote.data_type.value}, not live"
        )
    if max_age is None:
        return
    if now is None:
        raise InvalidInput(f"a quote may be {max_age:g} s old, but `now` was not given")
    age = (as_utc(now) - quote.at).total_seconds()
    if age > max_age:
        yield Rejection(kind=RejectionKind.STALE, detail=f"it is {age:.1f} s old; allowed: {max_age:g} s")


def liquidity_rejections(
    quote: Quote, rule: LiquidityRule = STANDARD_LIQUIDITY, *, now: datetime | None = None
) -> tuple[Rejection, ...]:
    """Every reason against an option; empty when its market is good enough.

    Args:
        quote: Of the option.
        rule: What it must show.
        now: Instant to reckon its age at; needed when the rule has a `max_age`.

    Raises:
        InvalidInput: The rule has a `max_age`, but `now` was not given.
    """
    rejections = [*side_rejections(quote)]
    if quote.bid is not None and quote.ask is not None:
        rejections += _spread_rejections(quote.bid, quote.ask, rule)
    fresh = freshness_rejections(quote, live_only=rule.live_only, max_age=rule.max_age, now=now)
    return (*rejections, *_depth_rejections(quote, rule), *fresh)


def is_liquid(quote: Quote, rule: LiquidityRule = STANDARD_LIQUIDITY, *, now: datetime | None = None) -> bool:
    """Whether nothing speaks against the option; the arguments are those of `liquidity_rejections`."""
    return not liquidity_rejections(quote, rule, now=now)
