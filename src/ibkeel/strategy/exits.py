"""When a position is to end: pure rules over an `ExitPolicy` and what the market shows.

Stop and take profit work at the venue as orders; they are rules here too, for a replay that has
no venue and for a check that the venue did its part.
"""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

import attrs
import numpy as np

from ibkeel.errors import InvalidInput
from ibkeel.indicators import ema
from ibkeel.model import Bars, BarSpec, Direction, ExitPolicy, Reason
from ibkeel.model.bars import second_of
from ibkeel.model.checks import as_utc, positive
from ibkeel.strategy.walk import hours
from ibkeel.validators import number, optional


def trail_bars(period: int) -> BarSpec:
    """The bars that a trailing exit looks at: as many weeks as hold its average's hours, holidays and half days counted.

    Args:
        period: Of the average, in hours.
    """
    return hours(period, 1)


TRAIL_BARS: Final = trail_bars(20)
"""Those of an average over 20 hours."""

_ROUNDING: Final = 1e-9  # a premium that is exactly at its limit has reached it, whatever the division says


class ExitRule(StrEnum):
    """Which rule ends a position."""

    STOP = "stop"
    TAKE_PROFIT = "take_profit"
    TRAIL = "trail"
    EXPIRY = "expiry"
    END_OF_SESSION = "end_of_session"


@attrs.frozen(kw_only=True, eq=False)
class PositionFacts:
    """What is known of a long option when its exits are looked at.

    Args:
        direction: UP for a call, DOWN for a put.
        entry_premium: What was paid, per share.
        premium: What it is worth now, per share; None when nobody quotes it.
        expiry: Its expiration date.
        now: The present instant, aware; kept in UTC.
        today: Trading date.
        ends_at: When positions that end with the session must begin to leave.
        hours: Hourly bars of the underlying, such as `TRAIL_BARS`; the last one may be unfinished.

    Raises:
        InvalidInput: There is no direction.
    """

    direction: Direction
    entry_premium: float = attrs.field(validator=positive)
    premium: float | None = attrs.field(default=None, validator=positive)
    expiry: date
    now: datetime = attrs.field(converter=as_utc)
    today: date
    ends_at: datetime = attrs.field(converter=as_utc)
    hours: Bars | None = None

    def __attrs_post_init__(self) -> None:
        if self.direction is Direction.NONE:
            raise InvalidInput("PositionFacts.direction is none; valid: up for a call, down for a put")


def due_exits(policy: ExitPolicy, facts: PositionFacts) -> tuple[tuple[ExitRule, Reason], ...]:
    """Every rule that ends the position now, the most urgent first; empty when it may stay.

    What is not known ends nothing: without a quote neither stop nor profit is judged here, and
    without enough finished hours nothing trails.
    """
    return (*_by_premium(policy, facts), *_by_trail(policy, facts), *_by_time(policy, facts))


def _by_premium(policy: ExitPolicy, facts: PositionFacts) -> Iterator[tuple[ExitRule, Reason]]:
    if facts.premium is None:
        return
    gain = facts.premium / facts.entry_premium - 1.0
    if policy.stop_fraction is not None and gain <= _ROUNDING - policy.stop_fraction:
        yield ExitRule.STOP, Reason("gain", gain, f"above {-policy.stop_fraction:g}")
    if policy.take_profit_fraction is not None and gain >= policy.take_profit_fraction - _ROUNDING:
        yield ExitRule.TAKE_PROFIT, Reason("gain", gain, f"below {policy.take_profit_fraction:g}")


def _by_trail(policy: ExitPolicy, facts: PositionFacts) -> Iterator[tuple[ExitRule, Reason]]:
    if policy.trail_period is None or facts.hours is None:
        return
    finished = _finished(facts.hours, second_of(facts.now))
    if len(finished) < policy.trail_period:
        return
    close, average = float(finished.close[-1]), float(ema(finished.close, policy.trail_period)[-1])
    beyond = close < average if facts.direction is Direction.UP else close > average
    if beyond:
        side = "at or above" if facts.direction is Direction.UP else "at or below"
        rule = f"{side} ema{policy.trail_period} {average:.4f}"
        yield ExitRule.TRAIL, Reason("hourly_close", close, rule)


def _finished(bars: Bars, now: np.datetime64) -> Bars:
    """Those that are over: with its length, or when the next begins, for the first bar of a session may be short."""
    begun = bars[: int(np.searchsorted(bars.at, now, side="right"))]
    is_over = len(begun) and begun.at[-1] + np.timedelta64(bars.spec.size_seconds, "s") <= now
    return begun if is_over else begun[:-1]


def _by_time(policy: ExitPolicy, facts: PositionFacts) -> Iterator[tuple[ExitRule, Reason]]:
    left = (facts.expiry - facts.today).days
    if policy.min_dte is not None and left < policy.min_dte:
        yield ExitRule.EXPIRY, Reason("dte", float(left), f"at least {policy.min_dte}")
    if policy.ends_with_session and facts.now >= facts.ends_at:
        late = (facts.now - facts.ends_at).total_seconds()
        yield ExitRule.END_OF_SESSION, Reason("seconds_late", late, "below 0")


@attrs.frozen(kw_only=True)
class CreditExitPolicy:
    """What ends a position that was sold; each rule may be None, for never.

    Args:
        take_profit_fraction: Of the credit, in (0, 1]: 0.5 buys back at half of it or less.
        stop_multiple: Loss as a multiple of the credit, above 0: 2 buys back at three times the credit or more.
        min_dte: Calendar days to expiry, at least 0: it is bought back on the first day with so many left, or fewer.

    Raises:
        InvalidInput: A figure is out of its domain.
    """

    take_profit_fraction: float | None = attrs.field(
        default=0.5, validator=optional(number("in (0, 1], or None", lambda value: 0 < value <= 1))
    )
    stop_multiple: float | None = attrs.field(
        default=2.0, validator=optional(number("> 0, or None", lambda value: value > 0))
    )
    min_dte: int | None = attrs.field(
        default=21, validator=optional(number("0 or more, or None", lambda value: value >= 0))
    )


@attrs.frozen(kw_only=True)
class CreditFacts:
    """What is known of a sold structure when its exits are looked at.

    Args:
        credit: What it brought, per share, above 0.
        debit: What buying it back costs now, per share; None while a leg has no quote.
        expiry: Of the leg that expires first.
        today: Trading date.

    Raises:
        InvalidInput: It brought nothing.
    """

    credit: Decimal
    debit: Decimal | None = None
    expiry: date
    today: date

    def __attrs_post_init__(self) -> None:
        if not self.credit > 0:
            raise InvalidInput(
                f"CreditFacts.credit is {self.credit}; valid: above 0, what the structure brought"
            )

    @property
    def dte(self) -> int:
        """Calendar days to expiry."""
        return (self.expiry - self.today).days

    @property
    def gain(self) -> float | None:
        """As a fraction of the credit, below 0 for a loss; None while nobody knows."""
        return None if self.debit is None else float(1 - self.debit / self.credit)


def due_credit_exits(policy: CreditExitPolicy, facts: CreditFacts) -> tuple[tuple[ExitRule, Reason], ...]:
    """Every rule that ends the position now, the most urgent first; empty when it may stay.

    Without a price neither loss nor profit is judged; the days to expiry are, always.

    Args:
        policy: What ends it.
        facts: What is known of it.

    Examples:
        >>> facts = CreditFacts(
        ...     credit=Decimal("1.20"), debit=Decimal("0.55"), expiry=date(2026, 2, 20), today=date(2026, 1, 20)
        ... )
        >>> [(rule.value, f"{reason.value:.2f}") for rule, reason in due_credit_exits(CreditExitPolicy(), facts)]
        [('take_profit', '0.54')]
    """
    return (*_by_price(policy, facts), *_by_days(policy, facts))


def _by_price(policy: CreditExitPolicy, facts: CreditFacts) -> Iterator[tuple[ExitRule, Reason]]:
    if facts.debit is None or facts.gain is None:
        return
    # Compared as decimals: at exactly half of the credit the profit is reached.
    if policy.stop_multiple is not None:
        limit = facts.credit * (1 + Decimal(str(policy.stop_multiple)))
        if facts.debit >= limit:
            yield ExitRule.STOP, Reason("gain", facts.gain, f"above {-policy.stop_multiple:g}")
    if policy.take_profit_fraction is not None:
        limit = facts.credit * (1 - Decimal(str(policy.take_profit_fraction)))
        if facts.debit <= limit:
            yield ExitRule.TAKE_PROFIT, Reason("gain", facts.gain, f"below {policy.take_profit_fraction:g}")


def _by_days(policy: CreditExitPolicy, facts: CreditFacts) -> Iterator[tuple[ExitRule, Reason]]:
    if policy.min_dte is not None and facts.dte <= policy.min_dte:
        yield ExitRule.EXPIRY, Reason("dte", float(facts.dte), f"above {policy.min_dte}")
