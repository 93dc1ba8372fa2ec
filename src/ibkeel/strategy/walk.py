"""A strategy walked along recorded bars: at each close it sees what it would have seen then, once it is warm."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Final

import attrs
import numpy as np

from ibkeel.errors import InvalidInput
from ibkeel.model import Bars, BarSpec, Contract, Direction, Quote, Reason, Signal
from ibkeel.model.bars import instant_of, second_of
from ibkeel.model.checks import as_utc
from ibkeel.strategy.protocol import Needs, Strategy, StrategyContext

Quotes = Callable[[datetime], Mapping[Contract, Quote]]
_NO_QUOTES: Final[Mapping[Contract, Quote]] = MappingProxyType({})
_A_DAY: Final = 390  # minutes of a regular session
_A_WEEK: Final = 24  # whole and broken hours of one that a holiday and a half day shorten


@attrs.frozen
class Step:
    """What a strategy said at one instant.

    Args:
        at: When the bar under test had closed.
        signal: What was said.
    """

    at: datetime
    signal: Signal


def visible(bars: Bars, spec: BarSpec, now: datetime) -> Bars:
    """The finished bars that a request at an instant is answered with.

    A span in seconds counts trading time: the last bars, whatever lies between them. A longer one
    counts calendar time.

    Raises:
        InvalidInput: `now` has no time zone.
    """
    now = as_utc(now)
    size = np.timedelta64(spec.size_seconds, "s")
    end = int(np.searchsorted(bars.at + size, second_of(now), side="right"))
    if spec.duration.endswith("S"):
        start = max(end - spec.duration_seconds // spec.size_seconds, 0)
    else:
        start = int(np.searchsorted(bars.at, second_of(now - timedelta(seconds=spec.duration_seconds))))
    return bars[min(start, end) : end]


def walk_forward(
    strategy: Strategy,
    history: Bars | Mapping[BarSpec, Bars],
    *,
    quotes: Quotes = lambda _: _NO_QUOTES,
    enters: bool = False,
) -> Iterator[Step]:
    """What a strategy would have said at the close of every bar; nothing later is shown to it.

    Args:
        strategy: Needs bars.
        history: The bars of each specification that it needs; a single value serves all of them,
            whatever their size.
        quotes: Quotes of other contracts at an instant.
        enters: Take every signal for an entry, so that a strategy that rests after one does.

    Raises:
        InvalidInput: It needs no bars, or bars that the history lacks.
    """
    needs = strategy.needs()
    by_spec = dict.fromkeys(needs.bars, history) if isinstance(history, Bars) else dict(history)
    lacking = [f"{spec.duration!r} of {spec.size!r}" for spec in needs.bars if spec not in by_spec]
    if lacking or not needs.bars:
        raise InvalidInput(
            f"the history of {strategy.name!r} lacks {', '.join(lacking) or 'bars to walk along'}"
        )
    paced = by_spec[needs.bars[0]]
    entered: datetime | None = None
    for start in paced.at:
        now = instant_of(start + np.timedelta64(paced.spec.size_seconds, "s"))
        if entered is not None and (now - entered).total_seconds() > needs.memory:
            entered = None  # as in a run
        context = StrategyContext(
            symbol=paced.contract.symbol,
            now=now,
            bars={spec: _shown(by_spec[spec], spec, now) for spec in needs.bars},
            quotes=quotes(now),
            last_entry_at=entered,
        )
        signal = warming_up(needs, context.bars) or strategy.decide(context)
        if enters and signal.is_entry:
            entered = now
        yield Step(now, signal)


def _shown(bars: Bars, spec: BarSpec, now: datetime) -> Bars:
    """Bars of another size than was asked for: as many as the specification's span could hold."""
    if bars.spec.size == spec.size:
        return visible(bars, spec, now)
    size = np.timedelta64(bars.spec.size_seconds, "s")
    end = int(np.searchsorted(bars.at + size, second_of(now), side="right"))
    return bars[max(end - spec.duration_seconds // spec.size_seconds, 0) : end]


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
    return nothing(*short) if short else None


def nothing(*reasons: Reason) -> Signal:
    """The signal to do nothing."""
    return Signal(direction=Direction.NONE, reasons=reasons)


def too_few(have: int, least: int, spec: BarSpec) -> Reason:
    """The reason for which nothing is said of a symbol with so few bars."""
    return Reason("bars", float(have), f"warming up: {have} of {least} bars of {spec.size}")


@cache
def bar_needs(spec: BarSpec, least: int, memory: float = 0.0) -> Needs:
    """The need of bars of one specification, and of so many of them."""
    return Needs(bars=(spec,), least={spec: least}, memory=memory)


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
