"""From session to session: closes, gaps, daily volatility and volume; and days that are made eventful, or still."""

import math
from datetime import date
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import Final

import attrs
import numpy as np

from ibkeel.sim.market.bars import Floats
from ibkeel.sim.market.calendar import next_session, previous_session
from ibkeel.sim.market.draws import normal, uniform
from ibkeel.sim.market.listing import MARKET_VOLATILITY, Underlying
from ibkeel.sim.settings import as_several, valid

_FEEDBACK: Final = 0.06  # log volatility per standard deviation of market return, downwards
_SESSIONS_A_YEAR: Final = 252.0
_MEMORY: Final = 20
_DECAY: Final = 0.9
_GAP: Final = 0.35  # deviation of the overnight move, as a fraction of a session's
_DRIFT: Final = 0.0002
_ANCHOR_REACH: Final = 0.08


def _is_ascending(course: tuple[tuple[float, float], ...]) -> bool:
    return all(earlier < later for earlier, later in pairwise([0.0, *(at for at, _level in course)]))


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
    course: tuple[tuple[float, float], ...] = attrs.field(
        default=(),
        converter=as_several,
        validator=valid("pairs of seconds and levels, forward from the open", _is_ascending),
    )
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


class Levels:
    """Where each session starts and ends, without drawing its path.

    Closes are fixed on the session before `today` and walked from there in both directions, so
    they do not depend on how far anybody has looked.
    """

    def __init__(self, seed: int, today: date, mood: Mood = PLAIN) -> None:
        self._seed, self._today, self._mood = seed, today, mood
        self._base = previous_session(today).day
        self._log_closes: dict[tuple[str, date], float] = {}
        self._reached: dict[tuple[str, bool], date] = {}
        self.calm = 0.75 + 0.85 * uniform(seed, "calm") if mood.volatility is None else mood.volatility
        self.heat = lru_cache(maxsize=4096)(self._heat)

    def anchor(self, row: Underlying) -> float:
        """Close of the session before the session date."""
        for symbol, close in self._mood.closes:
            if symbol == row.symbol:
                return close
        moved = row.price * math.exp(_ANCHOR_REACH * (2 * uniform(self._seed, row.symbol) - 1))
        return round(moved, 2)

    def close(self, row: Underlying, day: date) -> float:
        """Unrounded close of a session."""
        return math.exp(self._log_close(row, day))

    def first_price(self, row: Underlying, day: date) -> float:
        """Unrounded price at the open of a session."""
        before = self._log_close(row, previous_session(day).day)
        return math.exp(before + self._gap(row, day))

    def market_return(self, day: date) -> float:
        """Log return of the market factor within a session."""
        pushed = self._mood.push + self._mood.carried if day == self._today else 0.0
        return self.market_deviation(day) * self._shock(day) + _DRIFT * self._movement(day) + pushed

    def course(self, day: date, seconds: int) -> Floats:
        """Log return of the market factor that is made to order, at each second of a session."""
        if day != self._today or not self._mood.course:
            return np.zeros(seconds)
        times, reached = zip((0.0, 0.0), *self._mood.course, strict=True)
        return np.asarray(np.interp(np.arange(seconds), times, reached), dtype=np.float64)

    def own_return(self, row: Underlying, day: date) -> float:
        """Log return that the market factor does not explain, within a session."""
        return self.own_deviation(row, day) * normal(self._seed, row.symbol, day, "return")

    def market_deviation(self, day: date) -> float:
        """Standard deviation of the market factor's return within a session."""
        return self._movement(day) * self._ordinary(day)

    def feedback(self, day: date) -> float:
        """Log volatility for a unit of the market factor's log return within a session: below 0."""
        return -_FEEDBACK / self._ordinary(day)

    def own_deviation(self, row: Underlying, day: date) -> float:
        """The same for the symbol's own part."""
        return self._movement(day) * row.own_volatility * self.heat(day) / math.sqrt(_SESSIONS_A_YEAR)

    def day_volume(self, row: Underlying, day: date) -> float:
        """Shares to expect in a session."""
        noise = 0.25 * normal(self._seed, row.symbol, day, "volume")
        crowd = self._mood.crowd if day == self._today else 1.0
        return row.day_volume * math.sqrt(self.heat(day)) * math.exp(noise) * crowd

    @property
    def auctions(self) -> tuple[float, float]:
        """Shares of a day's volume that its auctions add."""
        return self._mood.auctions

    @property
    def is_still(self) -> bool:
        """Whether no price ever moves."""
        return self._mood.movement == 0.0

    def _movement(self, day: date) -> float:
        """How much of what the seed draws a day moves."""
        return self._mood.movement * (self._mood.before if day < self._today else 1.0)

    def _ordinary(self, day: date) -> float:
        """The market factor's deviation within a session, were nothing kept from moving."""
        return MARKET_VOLATILITY * self.heat(day) / math.sqrt(_SESSIONS_A_YEAR)

    def _heat(self, day: date) -> float:
        """Volatility at the open, relative to its long-run level: high after falls."""
        remembered, weight, session = 0.0, 1.0, day
        for _ in range(_MEMORY):
            session = previous_session(session).day
            remembered += weight * (0.5 * normal(self._seed, session, "fear") - self._shock(session))
            weight *= _DECAY
        return self.calm * math.exp(_FEEDBACK * remembered)

    def _shock(self, day: date) -> float:
        return normal(self._seed, day, "market")

    def _gap(self, row: Underlying, day: date) -> float:
        market = row.beta * self.market_deviation(day) * normal(self._seed, day, "market gap")
        own = self.own_deviation(row, day) * normal(self._seed, row.symbol, day, "gap")
        return _GAP * (market + own)

    def _log_return(self, row: Underlying, day: date) -> float:
        """Close to close."""
        within = row.beta * self.market_return(day) + self.own_return(row, day)
        return self._gap(row, day) + within

    def _log_close(self, row: Underlying, day: date) -> float:
        known = self._log_closes.get((row.symbol, day))
        if known is not None:
            return known
        forward = day > self._base
        at = self._reached.get((row.symbol, forward), self._base)
        value = self._log_closes.setdefault((row.symbol, self._base), math.log(self.anchor(row)))
        value = self._log_closes.get((row.symbol, at), value)
        while at != day:
            if forward:
                session = next_session(at)
                if session is None:
                    break
                at, value = session.day, value + self._log_return(row, session.day)
            else:
                at, value = previous_session(at).day, value - self._log_return(row, at)
            self._log_closes[row.symbol, at] = value
        self._reached[row.symbol, forward] = at
        return value
