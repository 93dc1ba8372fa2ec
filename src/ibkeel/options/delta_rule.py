"""What a delta target asks for, and which listed series comes nearest to it in time."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Final

import attrs

from ibkeel.model import OptionChain, OptionClass, Right
from ibkeel.model.checks import as_utc, finite, whole
from ibkeel.model.contracts import as_right
from ibkeel.options.liquidity import LiquidityRule
from ibkeel.options.select import check_dte, classes_of, dte, expiries_within
from ibkeel.options.series import SeriesKind, kind_set, series_kind, series_of
from ibkeel.validators import flag, number, optional

_share: Final = number("above 0 and below 1, without sign", lambda value: 0 < value < 1)
_days: Final = number("0 or more", lambda value: value >= 0)
_distance: Final = optional(number("0 to 1, or None for any", lambda value: 0 <= value <= 1))
_seconds: Final = optional(number("above 0, or None for any", lambda value: value > 0))


@attrs.frozen(kw_only=True)
class DeltaRule:
    """The option to look for: its delta, its right, its time to expiry, and what may be spent on it.

    Args:
        delta: Without sign: 0.30 is a call of 0.30 or a put of -0.30.
        right: Calls or puts.
        min_dte: Fewest calendar days to expiry, inclusive.
        max_dte: Most calendar days to expiry, inclusive.
        target_dte: The expiry nearest to it is taken; None takes the middle of the range.
        kinds: Kinds of series that will do; empty for any.
        rate: Interest a year, continuous, a fraction.
        liquidity: What the quote of the option taken must show; None asks for nothing.
        live_only: Whether delayed and frozen prices are refused.
        max_age: Oldest quote that is used, seconds since its last field came; None for any.
        max_error: Farthest that the delta of the option taken may be from `delta`; None for any.
        max_quotes: Most options to quote; with the price of the underlying the default makes fourteen.
        max_waves: Most rounds of quotes.

    Raises:
        InvalidInput: A figure is out of its domain, or a range is the wrong way round.
    """

    delta: float = attrs.field(default=0.30, validator=_share)
    right: Right = attrs.field(converter=as_right)
    min_dte: int = attrs.field(default=30, validator=_days)
    max_dte: int = attrs.field(default=60, validator=_days)
    target_dte: int | None = attrs.field(default=None, validator=optional(_days))
    kinds: frozenset[SeriesKind] = attrs.field(default=frozenset(), converter=kind_set)
    rate: float = attrs.field(default=0.0, validator=finite)
    liquidity: LiquidityRule | None = None
    live_only: bool = flag(True)
    max_age: float | None = attrs.field(default=15.0, validator=_seconds)
    max_error: float | None = attrs.field(default=None, validator=_distance)
    max_quotes: int = attrs.field(default=13, validator=whole)
    max_waves: int = attrs.field(default=3, validator=whole)

    def __attrs_post_init__(self) -> None:
        check_dte("DeltaRule DTE range", self.min_dte, self.max_dte)

    @property
    def wanted_dte(self) -> float:
        """Days to expiry to come nearest to."""
        return (self.min_dte + self.max_dte) / 2 if self.target_dte is None else self.target_dte


@attrs.frozen(kw_only=True)
class Listing:
    """One expiry of one class of a chain.

    Args:
        row: The class; its strikes are a union, so that some may not exist at this expiry.
        expiry: The date.
    """

    row: OptionClass
    expiry: date


def delta_listing(
    chain: OptionChain,
    *,
    today: date,
    rule: DeltaRule,
    trading_class: str | None = None,
    now: datetime | None = None,
    closes: Mapping[date, datetime] | None = None,
) -> Listing | None:
    """The listed series that comes nearest to the time that a rule asks for.

    Args:
        chain: Every class of the underlying.
        today: Trading date, in the exchange's calendar.
        rule: Range and target of days to expiry, kinds of series.
        trading_class: Which class; None takes any that no corporate action has adjusted.
        now: Leaves out series that trade no more by then, such as AM-settled ones from the evening
            before their expiry on, aware; None leaves out none.
        closes: When the exchange closes, by its date; a day that is not there closes at 16:00.

    Returns:
        The earlier of two expiries as near, and of the classes that share it the one with the most
        expiries; None when nothing fits.

    Raises:
        InvalidInput: The chain has no such class.
    """
    fitting = [
        Listing(row=row, expiry=expiry)
        for row in classes_of(chain, trading_class)
        for expiry in _expiries(row, today, rule)
        if now is None
        or series_of(chain.underlying, row, expiry, today=today, closes=closes).trades_until > as_utc(now)
    ]
    return min(
        fitting,
        key=lambda one: (
            abs(dte(one.expiry, today) - rule.wanted_dte),
            one.expiry,
            -len(one.row.expiries),
            one.row.trading_class,
        ),
        default=None,
    )


def _expiries(row: OptionClass, today: date, rule: DeltaRule) -> Iterable[date]:
    listed = expiries_within(row.expiries, today=today, min_dte=rule.min_dte, max_dte=rule.max_dte)
    return [
        expiry
        for expiry in listed
        if not rule.kinds
        or series_kind(expiry, row.expiries, today=today, trading_class=row.trading_class) in rule.kinds
    ]
