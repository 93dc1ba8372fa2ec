"""Two looks at hourly bars: breakouts on unusual volume, and leaving the average on at least ordinary volume."""

from typing import Final

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model import BarSpec, Direction, Reason, Signal
from ibkeel.model.checks import whole
from ibkeel.strategy.protocol import Needs, StrategyContext
from ibkeel.strategy.walk import bar_needs, hours, nothing, too_few
from ibkeel.validators import above_zero, from_zero

_WEEKS: Final = 3
_BREAK_WEIGHT: Final = 0.6
_VOLUME_WEIGHT: Final = 0.4
_BREAK_SCALE: Final = 100.0


@attrs.frozen(kw_only=True)
class Whale:
    """Follows a close beyond the range of the bars before it, on heavy volume.

    The bar under test is no part of the range or of the mean volume that it is held against. After
    an entry a symbol rests. That it was entered is what the journal says: a restart forgets nothing,
    and two symbols never share a rest.

    Args:
        look_back: Most bars of the range.
        min_bars: Fewest bars to say anything, the bar under test included, 2 or more.
        volume_ratio: Volume that counts as heavy, in means of the look-back, exclusive.
        rest: Seconds after an entry in a symbol in which it says nothing; 0 for no rest.

    Raises:
        InvalidInput: A parameter is out of its range.
    """

    look_back: int = attrs.field(default=60, validator=whole)
    min_bars: int = attrs.field(default=20, validator=whole)
    volume_ratio: float = attrs.field(default=1.2, validator=above_zero)
    rest: float = attrs.field(default=259_200.0, validator=from_zero)

    def __attrs_post_init__(self) -> None:
        if self.min_bars < 2:  # the bar under test and one before it
            raise InvalidInput(f"Whale.min_bars is {self.min_bars}; valid: 2 or more")

    @property
    def name(self) -> str:
        """`whale`."""
        return "whale"

    @property
    def _span(self) -> BarSpec:
        return hours(max(self.look_back + 1, self.min_bars), _WEEKS)

    def needs(self) -> Needs:
        """Three weeks of hourly bars, or what `look_back` takes, regular hours only, and word of the last entry."""
        return bar_needs(self._span, self.min_bars, self.rest)

    def decide(self, context: StrategyContext) -> Signal:
        """The verdict on the last bar."""
        bars = context.bars_for(self._span)
        if len(bars) < self.min_bars:
            return nothing(too_few(len(bars), self.min_bars, bars.spec))
        before = slice(-1 - self.look_back, -1)
        close, volume = bars.close.item(-1), bars.volume.item(-1)
        top, bottom = float(bars.high[before].max()), float(bars.low[before].min())
        mean = float(bars.volume[before].mean())
        ratio = volume / mean if mean > 0 else 0.0
        reasons = (
            Reason("close", close, f"outside {bottom:g} to {top:g}"),
            Reason("volume_ratio", ratio, f"above {self.volume_ratio:g}"),
        )
        direction, reach = self._break(close, top, bottom)
        if direction is Direction.NONE or ratio <= self.volume_ratio:
            return nothing(*reasons)
        since = context.since_entry
        if since is not None and since < self.rest:
            return nothing(*reasons, Reason("seconds_since_entry", since, f"at least {self.rest:g}"))
        confidence = _BREAK_WEIGHT * min(1.0, _BREAK_SCALE * reach) + _VOLUME_WEIGHT * min(1.0, ratio)
        return Signal(direction=direction, confidence=confidence, reasons=reasons)

    @staticmethod
    def _break(close: float, top: float, bottom: float) -> tuple[Direction, float]:
        """Which side of the range a close is on, and how far beyond it, as a fraction; on none of prices of 0."""
        if close > top > 0:
            return Direction.UP, (close - top) / top
        if close < bottom and bottom > 0:
            return Direction.DOWN, (bottom - close) / bottom
        return Direction.NONE, 0.0


_FEW_WEEKS: Final = 1
_BASE: Final = 0.5
_EXTRA_WEIGHT: Final = 0.1


@attrs.frozen(kw_only=True)
class DailyVolume:
    """Follows the last hour's close when it is away from the mean of the hours before it.

    UP when the close is more than `band` above the simple average of the `look_back` closes before
    it, DOWN when more than `band` below, in either case only on `volume_ratio` of their mean volume.

    Args:
        look_back: Bars before the one under test that make the averages.
        volume_ratio: Least volume of the bar under test, in means of those before it, inclusive.
        band: Distance from the average that is still ordinary, a fraction of it.

    Raises:
        InvalidInput: A parameter is out of its range.
    """

    look_back: int = attrs.field(default=10, validator=whole)
    volume_ratio: float = attrs.field(default=0.8, validator=above_zero)
    band: float = attrs.field(default=0.001, validator=from_zero)

    @property
    def name(self) -> str:
        """`daily_volume`."""
        return "daily_volume"

    @property
    def _span(self) -> BarSpec:
        return hours(self.look_back + 1, _FEW_WEEKS)

    def needs(self) -> Needs:
        """A week of hourly bars, or what `look_back` takes, regular hours only."""
        return bar_needs(self._span, self.look_back + 1)

    def decide(self, context: StrategyContext) -> Signal:
        """The verdict on the last bar."""
        bars = context.bars_for(self._span)
        if len(bars) <= self.look_back:
            return nothing(too_few(len(bars), self.look_back + 1, bars.spec))
        before = slice(-1 - self.look_back, -1)
        average = float(bars.close[before].mean())
        usual = float(bars.volume[before].mean())
        ratio = bars.volume.item(-1) / usual if usual > 0 else 0.0
        distance = bars.close.item(-1) / average - 1.0 if average > 0 else 0.0
        reasons = (
            Reason("volume_ratio", ratio, f"at least {self.volume_ratio:g}"),
            Reason("distance", distance, f"more than {self.band:g} from sma{self.look_back} {average:.4f}"),
        )
        if ratio < self.volume_ratio or abs(distance) <= self.band:
            return nothing(*reasons)
        return Signal(
            direction=Direction.UP if distance > 0 else Direction.DOWN,
            confidence=min(1.0, _BASE + _EXTRA_WEIGHT * ratio),
            reasons=reasons,
        )
