"""Scalping on one-minute bars: trend, price against VWAP, and strength."""

from functools import cache
from typing import Final, NamedTuple

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.indicators import last_emas, last_rsi, last_session_vwap, session_start
from ibkeel.model import Bars, Direction, Reason, Signal
from ibkeel.model.checks import whole
from ibkeel.strategy.protocol import Needs, StrategyContext
from ibkeel.strategy.walk import bar_needs, minutes, nothing, too_few
from ibkeel.validators import between

_GAP_WEIGHT: Final = 0.6
_STRENGTH_WEIGHT: Final = 0.4
_GAP_SCALE: Final = 500.0


@cache
def _strengths(low: float, high: float, leave: float) -> str:
    return f"{low:g} <= rsi <= {high:g}, DOWN below {leave:g}"


class _Readings(NamedTuple):
    fast: float
    slow: float
    vwap: float
    strength: float
    close: float


_at_most_hundred: Final = between(0, 100)


@attrs.frozen(kw_only=True)
class Scalp:
    """Buys strength above VWAP in a rising trend; says DOWN in a falling one.

    UP when the fast average is above the slow one, the close above the session's VWAP and the
    index within [`rsi_low`, `rsi_high`]. DOWN when the fast average is below the slow one, or the
    index below `rsi_exit`.

    Args:
        fast: Period of the fast exponential average.
        slow: Period of the slow one, above `fast`.
        rsi_period: Period of the relative strength index.
        min_bars: Fewest bars to say anything; at least `slow` and `rsi_period + 1`.
        rsi_low: Least strength to buy.
        rsi_high: Greatest strength to buy.
        rsi_exit: Strength below which it says DOWN, above 0.

    Raises:
        InvalidInput: A parameter is out of its range, or two contradict each other.
    """

    fast: int = attrs.field(default=8, validator=whole)
    slow: int = attrs.field(default=21, validator=whole)
    rsi_period: int = attrs.field(default=14, validator=whole)
    min_bars: int = attrs.field(default=30, validator=whole)
    rsi_low: float = attrs.field(default=45.0, validator=_at_most_hundred)
    rsi_high: float = attrs.field(default=70.0, validator=_at_most_hundred)
    rsi_exit: float = attrs.field(default=40.0, validator=_at_most_hundred)

    def __attrs_post_init__(self) -> None:
        if self.fast >= self.slow:
            raise InvalidInput(f"Scalp averages fast {self.fast}, slow {self.slow}; valid: fast < slow")
        if self.min_bars < max(self.slow, self.rsi_period + 1):
            raise InvalidInput(
                f"Scalp.min_bars is {self.min_bars}; valid: {max(self.slow, self.rsi_period + 1)} or more"
            )
        if not 0.0 < self.rsi_exit <= self.rsi_low < self.rsi_high:
            raise InvalidInput(
                f"Scalp strengths exit {self.rsi_exit}, low {self.rsi_low}, high {self.rsi_high}; "
                "valid: 0 < exit <= low < high"
            )

    @property
    def name(self) -> str:
        """`scalp`."""
        return "scalp"

    def needs(self) -> Needs:
        """An hour of one-minute bars, or as many as `min_bars` says, regular hours only."""
        return bar_needs(minutes(self.min_bars), self.min_bars)

    def decide(self, context: StrategyContext) -> Signal:
        """The verdict on the last bar."""
        bars = context.bars_for(minutes(self.min_bars))
        if len(bars) < self.min_bars:
            return nothing(too_few(len(bars), self.min_bars, bars.spec))
        readings = self._read(bars)
        direction = self._direction(readings)
        return Signal(
            direction=direction,
            confidence=self._confidence(direction, readings),
            reasons=self._reasons(readings),
        )

    def _read(self, bars: Bars) -> _Readings:
        close = bars.close
        fast, slow = last_emas(close, (self.fast, self.slow))
        start = session_start(bars.at, bars.timezone)
        return _Readings(
            fast,
            slow,
            vwap=last_session_vwap(bars.high, bars.low, close, bars.volume, start),
            strength=last_rsi(close, self.rsi_period),
            close=close.item(-1),
        )

    def _direction(self, seen: _Readings) -> Direction:
        # A VWAP of NaN (nothing traded yet) compares false: no purchase.
        strong = self.rsi_low <= seen.strength <= self.rsi_high
        if seen.fast > seen.slow and seen.close > seen.vwap and strong:
            return Direction.UP
        if seen.fast < seen.slow or seen.strength < self.rsi_exit:
            return Direction.DOWN
        return Direction.NONE

    def _confidence(self, direction: Direction, seen: _Readings) -> float:
        if direction is Direction.UP:
            gap = (seen.fast - seen.slow) / seen.slow
            score = (seen.strength - self.rsi_low) / (self.rsi_high - self.rsi_low)
        elif direction is Direction.DOWN:
            gap = max(0.0, (seen.slow - seen.fast) / seen.fast)
            score = max(0.0, (self.rsi_exit - seen.strength) / self.rsi_exit)
        else:
            return 0.0
        return _GAP_WEIGHT * min(1.0, _GAP_SCALE * gap) + _STRENGTH_WEIGHT * score

    def _reasons(self, seen: _Readings) -> tuple[Reason, ...]:
        trend = "above" if seen.fast > seen.slow else "not above"
        price = "above" if seen.close > seen.vwap else "not above"
        strength = _strengths(self.rsi_low, self.rsi_high, self.rsi_exit)
        return (
            Reason(f"ema{self.fast}", seen.fast, f"{trend} ema{self.slow} {seen.slow:.4f}"),
            Reason("close", seen.close, f"{price} vwap {seen.vwap:.4f}"),
            Reason(f"rsi{self.rsi_period}", seen.strength, strength),
        )
