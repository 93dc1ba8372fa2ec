"""Days that are made so that something happens, or so that nothing does."""

from types import MappingProxyType
from typing import Final

import attrs

__all__ = ["MOODS", "PLAIN", "Mood"]


@attrs.frozen(kw_only=True)
class Mood:
    """What is not left to the seed.

    Args:
        volatility: Long-run level of the market's volatility, in units of the usual 15 % a year;
            the VIX hovers around 15 times as much. None leaves it to the seed.
        movement: Factor on every return; 0: no price ever moves and no print leaves the mid.
        before: The same for the days before the session date alone: a narrow range to leave.
        push: Log return of the market factor that the session date gets on top of its own.
        crowd: Factor on the volume of the session date.
    """

    volatility: float | None = None
    movement: float = 1.0
    before: float = 1.0
    push: float = 0.0
    crowd: float = 1.0


PLAIN: Final = Mood()

MOODS: Final = MappingProxyType(
    {
        "plain": PLAIN,
        "breakout": Mood(volatility=1.0, before=0.4, push=0.06, crowd=4.0),
        "calm": Mood(volatility=0.55),
        "fear": Mood(volatility=3.5),
        "still": Mood(volatility=3.5, movement=0.0),
    }
)
"""By name: the seed's own day; a rally out of the range of weeks on heavy volume; a VIX below 15; one
above 30; a market in which no price moves while the VIX is above 30."""
