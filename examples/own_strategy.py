"""A strategy of your own: written, held to the contract, walked along a series of bars.

    python -m pytest examples/own_strategy.py
    python examples/own_strategy.py

In a project of yours the test class is among your tests.
"""

from datetime import UTC, datetime, timedelta

import attrs
import numpy as np
from typing_extensions import override

from ibkeel import BarSpec, Stock
from ibkeel.indicators import rolling_high, rolling_low
from ibkeel.model import Bar, Bars
from ibkeel.strategy import (
    Direction,
    ExitPolicy,
    Needs,
    OptionWish,
    Reason,
    Signal,
    StrategyContext,
    register,
    walk_forward,
)
from ibkeel.testing import StrategyContract

BARS = BarSpec(duration="3600 S", size="5 mins")


@register("channel")
@attrs.frozen(kw_only=True)
class Channel:
    """Follows a close beyond the range of the bars before it, with options of a week or two."""

    look_back: int = attrs.field(default=6, validator=attrs.validators.ge(1))

    @property
    def name(self) -> str:
        return "channel"

    def needs(self) -> Needs:
        return Needs(bars=(BARS,), least={BARS: self.look_back + 1})

    def decide(self, context: StrategyContext) -> Signal:
        bars = context.bars_for(BARS)
        if len(bars) <= self.look_back:
            return Signal(
                direction=Direction.NONE, reasons=(Reason("bars", len(bars), f"> {self.look_back}"),)
            )
        close = float(bars.close[-1])
        # The last but one element: the bar under test is no part of the range.
        top = float(rolling_high(bars.high, self.look_back)[-2])
        bottom = float(rolling_low(bars.low, self.look_back)[-2])
        direction = Direction.UP if close > top else Direction.DOWN if close < bottom else Direction.NONE
        return Signal(
            direction=direction,
            confidence=0.0 if direction is Direction.NONE else 0.5,
            reasons=(Reason("close", close, f"outside {bottom:g} to {top:g}"),),
            wish=OptionWish(min_dte=7, max_dte=14),
            exits=ExitPolicy(stop_fraction=0.3, take_profit_fraction=0.6),
        )


class TestChannel(StrategyContract):
    @override
    def make_strategy(self) -> Channel:
        return Channel()


def walk(seed: int = 7, count: int = 78) -> Bars:
    """A day of five-minute bars around 500."""
    rng = np.random.default_rng(seed)
    closes = 500.0 * np.exp(np.cumsum(rng.normal(0.0, 1e-3, count)))
    opened = datetime(2024, 9, 5, 13, 30, tzinfo=UTC)
    rows = [
        Bar(opened + n * timedelta(minutes=5), close, close + 0.3, close - 0.3, close, 1_000.0)
        for n, close in enumerate(closes.tolist())
    ]
    return Bars.from_rows(rows, contract=Stock("SPY"), spec=BARS)


def main() -> None:
    """Walk it along a day."""
    for step in walk_forward(Channel(), walk()):
        if step.signal.is_entry:
            reason = step.signal.reasons[0]
            print(f"{step.at:%H:%M} {step.signal.direction.value:4} {reason.value:.2f} {reason.rule}")


if __name__ == "__main__":
    main()
