"""When a position is to end: pure rules over an `ExitPolicy` and what the market shows.

Stop and take profit work at the venue as orders; they are rules here too, for a replay that has
no venue and for a check that the venue did its part.
"""

from collections.abc import Iterator
from datetime import date, datetime
from enum import StrEnum
from typing import Final

import attrs
import numpy as np

from ibkeel.errors import InvalidInput
from ibkeel.indicators import ema
from ibkeel.model import Bars, BarSpec, Direction, ExitPolicy, Reason
from ibkeel.model.checks import as_utc, positive

TRAIL_BARS: Final = BarSpec(duration="4 D", size="1 hour")
"""The bars that a trailing exit looks at."""

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
    bars = facts.hours
    length = np.timedelta64(bars.spec.size_seconds, "s")
    finished = bars[: int(np.searchsorted(bars.at + length, _instant(facts.now), side="right"))]
    if len(finished) < policy.trail_period:
        return
    close, average = float(finished.close[-1]), float(ema(finished.close, policy.trail_period)[-1])
    beyond = close < average if facts.direction is Direction.UP else close > average
    if beyond:
        side = "at or above" if facts.direction is Direction.UP else "at or below"
        rule = f"{side} ema{policy.trail_period} {average:.4f}"
        yield ExitRule.TRAIL, Reason("hourly_close", close, rule)


def _by_time(policy: ExitPolicy, facts: PositionFacts) -> Iterator[tuple[ExitRule, Reason]]:
    left = (facts.expiry - facts.today).days
    if policy.min_dte is not None and left < policy.min_dte:
        yield ExitRule.EXPIRY, Reason("dte", float(left), f"at least {policy.min_dte}")
    if policy.ends_with_session and facts.now >= facts.ends_at:
        late = (facts.now - facts.ends_at).total_seconds()
        yield ExitRule.END_OF_SESSION, Reason("seconds_late", late, "below 0")


def _instant(at: datetime) -> np.datetime64:
    return np.datetime64(int(at.timestamp()), "s")
