"""Days that are made so that something happens, or so that nothing does."""

from itertools import pairwise
from types import MappingProxyType
from typing import Final

import attrs

from ibkeel.errors import InvalidInput


def _ascending(_: object, __: object, course: tuple[tuple[float, float], ...]) -> None:
    times = [0.0, *(at for at, _level in course)]
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise InvalidInput(f"a course goes forward from the open, in seconds; not {course}")


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
        auctions: Shares of each day's volume that the first and the last second get on top of their own, as an
            opening and a closing auction would print; 0.02 and 0.1 are usual for large US stocks (unverified).
        course: Points of the session date: seconds after the open, ascending, and the log return of the
            market factor reached by then, on top of its own. Between two points it moves evenly, so that
            far ones make a trend, a way back a reversal, and two a second apart a jump; the last level
            lasts to the close, and beyond.
        closes: Symbols and their close before the session date, in place of the seed's.
    """

    volatility: float | None = None
    movement: float = 1.0
    before: float = 1.0
    push: float = 0.0
    crowd: float = 1.0
    auctions: tuple[float, float] = (0.0, 0.0)
    course: tuple[tuple[float, float], ...] = attrs.field(default=(), validator=_ascending)
    closes: tuple[tuple[str, float], ...] = ()

    @property
    def carried(self) -> float:
        """Log return that the course leaves behind."""
        return self.course[-1][1] if self.course else 0.0


PLAIN: Final = Mood()

MOODS: Final = MappingProxyType(
    {
        "plain": PLAIN,
        "breakout": Mood(volatility=1.0, before=0.4, push=0.06, crowd=4.0),
        "calm": Mood(volatility=0.55),
        "crash": Mood(volatility=1.0, course=((9000.0, -0.005), (9060.0, -0.035), (12600.0, -0.045))),
        "fear": Mood(volatility=3.5),
        "reversal": Mood(volatility=1.0, course=((10800.0, 0.02), (21600.0, -0.01))),
        "still": Mood(volatility=3.5, movement=0.0),
    }
)
"""By name: the seed's own day; a rally out of the range of weeks on heavy volume; a VIX below 15; a fall of
3 % within a minute at noon; a VIX above 30; a rise of 2 % until half past twelve, and then a fall below the
opening; a market in which no price moves while the VIX is above 30."""
