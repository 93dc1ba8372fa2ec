"""How long a strategy must be given bars before it says anything, and what is said until then."""

from collections.abc import Mapping
from functools import cache
from typing import Final

from ibkeel.model import Bars, BarSpec, Direction, Reason, Signal
from ibkeel.strategy.protocol import Needs

_A_DAY: Final = 390  # minutes of a regular session
_A_WEEK: Final = 24  # whole and broken hours of one that a holiday and a half day shorten


def warming_up(needs: Needs, bars: Mapping[BarSpec, Bars]) -> Signal | None:
    """What is said in a strategy's place while there are fewer bars than its `Needs.least`.

    Args:
        needs: Of the strategy.
        bars: Those at hand; a specification that is not among them counts as none.

    Returns:
        A signal of nothing with a reason for each specification that lacks bars; None when none does.

    Examples:
        >>> from ibkeel.strategy import Scalp
        >>> said = warming_up(Scalp().needs(), {})
        >>> print(said.reasons[0].rule)
        warming up: 0 of 30 bars of 1 min
    """
    short = []
    for spec, least in needs.least.items():
        found = bars.get(spec)
        have = 0 if found is None else len(found)
        if have < least:
            short.append(too_few(have, least, spec))
    return Signal(direction=Direction.NONE, reasons=tuple(short)) if short else None


def too_few(have: int, least: int, spec: BarSpec) -> Reason:
    """The reason for which nothing is said of a symbol with so few bars."""
    return Reason("bars", float(have), f"warming up: {have} of {least} bars of {spec.size}")


@cache
def minutes(count: int) -> BarSpec:
    """One-minute bars: an hour of them, or more where `count` says so; regular hours only."""
    if count <= _A_DAY:
        return BarSpec(duration=f"{60 * max(count, 60)} S", size="1 min")
    return BarSpec(duration=f"{-(-count // _A_DAY)} D", size="1 min")


@cache
def hours(count: int, weeks: int) -> BarSpec:
    """Hourly bars: so many weeks of them, or more where `count` says so; regular hours only."""
    return BarSpec(duration=f"{max(-(-count // _A_WEEK), weeks)} W", size="1 hour")
