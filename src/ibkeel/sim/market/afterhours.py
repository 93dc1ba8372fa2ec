"""What a stock does before the open and after the close: one path for each such span."""

import math
from datetime import datetime, timedelta
from typing import Final

import attrs
import numpy as np

from ibkeel.sim.market.bars import BarTable, Floats, Integers
from ibkeel.sim.market.draws import generator

STEP: Final = timedelta(seconds=5)
_TICK: Final = 0.01
_LOT: Final = 100
_MOST_LOTS: Final = 5
_HALF_WIDTH: Final = 0.0006  # of the price, and up to twice as much
_WANDERS: Final = 0.004  # standard deviation of a span's return
_TRADES: Final = 0.2  # share of the steps that see a print


@attrs.frozen(kw_only=True)
class Span:
    """When a stock trades outside its session: starts_at <= t < ends_at."""

    starts_at: datetime
    ends_at: datetime

    @property
    def steps(self) -> int:
        """How often its quote changes, the first showing included."""
        return max(1, (self.ends_at - self.starts_at) // STEP)

    def step(self, at: datetime) -> int:
        """The step that shows at an instant; before the span its first, after it its last."""
        return min(max(0, (at - self.starts_at) // STEP), self.steps - 1)


@attrs.frozen(kw_only=True, eq=False)
class Thin:
    """Quotes and prints of a span, one entry a step.

    Args:
        span: When.
        bid: Best bid.
        ask: Best offer, wider than in the session.
        bid_size: Shares.
        ask_size: Shares.
        last: Price of the last print; before the first what the session left.
        last_size: Shares of the last print; 0 before the first.
        traded: Shares that the step's print had; 0 where there was none.
    """

    span: Span
    bid: Floats
    ask: Floats
    bid_size: Integers
    ask_size: Integers
    last: Floats
    last_size: Integers
    traded: Integers

    def table(self, what: str) -> BarTable:
        """The span as the shortest bars of a kind: TRADES, BID, ASK or MIDPOINT."""
        at = int(self.span.starts_at.timestamp()) + np.arange(len(self.bid)) * int(STEP.total_seconds())
        if what == "TRADES":
            printed = np.flatnonzero(self.traded)
            return BarTable.of_prints(at[printed], self.last[printed], self.traded[printed])
        prices = {"BID": self.bid, "ASK": self.ask, "MIDPOINT": np.round((self.bid + self.ask) / 2, 4)}
        return BarTable.of_prints(at, prices[what], np.zeros(len(at), dtype=np.int64))


def late_span(name: tuple[object, ...], span: Span, close: float) -> Thin:
    """What follows a session: a walk away from its last price.

    Args:
        name: Key of the draws.
        span: When.
        close: The session's last price.
    """
    rng = generator(*name, "late")
    steps = rng.standard_normal(span.steps)
    steps[0] = 0.0
    return _thin(rng, span, close * np.exp(_WANDERS * np.cumsum(steps) / math.sqrt(span.steps)), close)


def early_span(name: tuple[object, ...], span: Span, last: float, opening: float) -> Thin:
    """What precedes a session: a way from the last price before it to where it opens.

    Args:
        name: Key of the draws.
        span: When.
        last: The price at which trading ended before.
        opening: The price at which the session starts.
    """
    rng = generator(*name, "early")
    steps = rng.standard_normal(span.steps)
    steps[0] = 0.0
    walk = _WANDERS * np.cumsum(steps) / math.sqrt(span.steps)
    share = np.linspace(0.0, 1.0, span.steps)
    return _thin(rng, span, last * np.exp(walk + share * (math.log(opening / last) - walk[-1])), last)


def _thin(rng: np.random.Generator, span: Span, mid: Floats, before: float) -> Thin:
    half = np.maximum(_TICK, mid * _HALF_WIDTH * (1.0 + rng.random(span.steps)))
    bid = np.round(np.maximum(np.floor((mid - half) / _TICK), 1.0) * _TICK, 2)
    ask = np.round(np.maximum(np.ceil((mid + half) / _TICK), 2.0) * _TICK, 2)
    is_traded = rng.random(span.steps) < _TRADES
    is_traded[0] = False  # the session's own last price is still the last
    paid = np.where(rng.random(span.steps) < 0.5, bid, ask)  # noqa: PLR2004 - a fair coin
    shown = np.maximum.accumulate(np.where(is_traded, np.arange(span.steps), 0))
    last = np.where(shown > 0, paid[shown], before)
    sizes = _LOT * rng.integers(1, _MOST_LOTS + 1, size=(3, span.steps))
    return Thin(
        span=span,
        bid=bid,
        ask=ask,
        bid_size=sizes[0],
        ask_size=sizes[1],
        last=last,
        last_size=np.where(shown > 0, sizes[2][shown], 0),
        traded=np.where(is_traded, sizes[2], 0),
    )
