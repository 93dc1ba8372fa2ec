"""Hourly bars that leave their average on at least ordinary volume."""

from functools import cache
from typing import Final

import attrs

from ibkeel.model import Direction, Reason, Signal
from ibkeel.model.checks import not_negative, positive, whole
from ibkeel.strategy.protocol import Needs, StrategyContext
from ibkeel.strategy.walk import hours, too_few

_WEEKS: Final = 1
_BASE: Final = 0.5
_VOLUME_WEIGHT: Final = 0.1


@cache
def _needs(least: int) -> Needs:
    spec = hours(least, _WEEKS)
    return Needs(bars=(spec,), least={spec: least})


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
    volume_ratio: float = attrs.field(default=0.8, validator=positive)
    band: float = attrs.field(default=0.001, validator=not_negative)

    @property
    def name(self) -> str:
        """`daily_volume`."""
        return "daily_volume"

    def needs(self) -> Needs:
        """A week of hourly bars, or what `look_back` takes, regular hours only."""
        return _needs(self.look_back + 1)

    def decide(self, context: StrategyContext) -> Signal:
        """The verdict on the last bar."""
        bars = context.bars_for(hours(self.look_back + 1, _WEEKS))
        if len(bars) <= self.look_back:
            reason = too_few(len(bars), self.look_back + 1, bars.spec)
            return Signal(direction=Direction.NONE, reasons=(reason,))
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
            return Signal(direction=Direction.NONE, reasons=reasons)
        return Signal(
            direction=Direction.UP if distance > 0 else Direction.DOWN,
            confidence=min(1.0, _BASE + _VOLUME_WEIGHT * ratio),
            reasons=reasons,
        )
