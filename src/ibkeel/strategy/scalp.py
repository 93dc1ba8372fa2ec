"""Scalping on one-minute bars: trend, price against VWAP, and strength."""

from typing import Final

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.indicators import ema, rsi, session_vwap, sessions_of
from ibkeel.model import Bars, BarSpec, Direction, Reason, Signal
from ibkeel.model.checks import whole
from ibkeel.strategy.protocol import Needs, StrategyContext

__all__ = ["Scalp"]

_BARS: Final = BarSpec(duration="3600 S", size="1 min")
_GAP_WEIGHT: Final = 0.6
_STRENGTH_WEIGHT: Final = 0.4
_GAP_SCALE: Final = 500.0


@attrs.frozen
class _Readings:
    fast: float
    slow: float
    vwap: float
    strength: float
    close: float


def _at_most_hundred(_: object, attribute: "attrs.Attribute[float]", value: float) -> None:
    if not 0.0 <= value <= 100.0:  # noqa: PLR2004 - the index has this range
        raise InvalidInput(f"Scalp.{attribute.name} is {value!r}; valid: 0 to 100")


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
        """An hour of one-minute bars, regular hours only."""
        return Needs(bars=(_BARS,))

    def decide(self, context: StrategyContext) -> Signal:
        """The verdict on the last bar."""
        bars = context.bars_for(_BARS)
        if len(bars) < self.min_bars:
            reason = Reason("bars", float(len(bars)), f"bars >= {self.min_bars}")
            return Signal(direction=Direction.NONE, reasons=(reason,))
        readings = self._read(bars)
        direction = self._direction(readings)
        return Signal(
            direction=direction,
            confidence=self._confidence(direction, readings),
            reasons=self._reasons(readings),
        )

    def _read(self, bars: Bars) -> _Readings:
        sessions = sessions_of(bars.at, bars.timezone)
        vwap = session_vwap(bars.high, bars.low, bars.close, bars.volume, sessions)
        return _Readings(
            fast=float(ema(bars.close, self.fast)[-1]),
            slow=float(ema(bars.close, self.slow)[-1]),
            vwap=float(vwap[-1]),
            strength=float(rsi(bars.close, self.rsi_period)[-1]),
            close=float(bars.close[-1]),
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
        return min(1.0, _GAP_WEIGHT * min(1.0, _GAP_SCALE * gap) + _STRENGTH_WEIGHT * score)

    def _reasons(self, seen: _Readings) -> tuple[Reason, ...]:
        trend = "above" if seen.fast > seen.slow else "not above"
        price = "above" if seen.close > seen.vwap else "not above"
        strength = f"{self.rsi_low:g} <= rsi <= {self.rsi_high:g}, DOWN below {self.rsi_exit:g}"
        return (
            Reason(f"ema{self.fast}", seen.fast, f"{trend} ema{self.slow} {seen.slow:.4f}"),
            Reason("close", seen.close, f"{price} vwap {seen.vwap:.4f}"),
            Reason(f"rsi{self.rsi_period}", seen.strength, strength),
        )
