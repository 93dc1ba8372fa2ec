"""What happens in one run of the days, drawn from its seed: how the bot is set up, and what goes wrong when."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import attrs
import numpy as np

from benchmarks.days_market import MINUTES, OPENS

__all__ = ["ENDS_BEFORE", "Event", "Plan", "What", "draw_plan"]

ENDS_BEFORE: Final = 300.0
"""Seconds before the close at which positions that end with the session begin to leave."""
_SESSION: Final = MINUTES * 60.0


class What(StrEnum):
    """What can happen."""

    # A person in TWS.
    SELLS_ALL = "a person sells all"
    SELLS_PART = "a person sells a part"
    BUYS_SAME = "a person buys the same"
    BUYS_OTHER = "a person buys another"
    RESTS_SELL = "a person's limit to sell rests"
    RESTS_STOP = "a person's stop rests"
    CANCELS_OWN = "a person cancels their own orders"
    CANCELS_STOP = "a person cancels the bot's stop"
    CANCELS_PROFIT = "a person cancels the bot's take profit"
    CANCELS_ENTRY = "a person cancels the bot's entry"
    MOVES_STOP = "a person moves the bot's stop"
    HALTS = "a person halts"
    LIFTS = "a person lifts the halt"
    FLATTENS = "a person asks the bot to close everything"
    RETUNES = "a person edits the limits"
    # The process.
    KILLED = "killed"
    KILLED_AT_A_WRITE = "killed at a write"
    KILLED_TWICE = "killed twice"
    KILLED_FOR_THE_DAY = "killed until the next day"
    STOPPED = "stopped in order, and started"
    CLOCK_SET = "clock set"
    # The Gateway.
    SILENT_STORE = "keeps orders and says nothing"
    HALF_OPEN = "half-open"
    UPSTREAM_LOST = "1100"
    NIGHTLY_RESTART = "restart, ids rolled back"
    CRASH = "crash"
    RESET = "connection reset"
    SLOW = "slow answers"
    UNANSWERED = "requests unanswered"
    REJECTED = "orders rejected"
    SILENT_STREAMS = "silent streams"
    DELAYED = "delayed"


_WEIGHTS: Final[Mapping[What, int]] = {
    What.SELLS_ALL: 4,
    What.SELLS_PART: 4,
    What.BUYS_SAME: 3,
    What.BUYS_OTHER: 1,
    What.RESTS_SELL: 2,
    What.RESTS_STOP: 2,
    What.CANCELS_STOP: 3,
    What.CANCELS_PROFIT: 2,
    What.CANCELS_ENTRY: 2,
    What.MOVES_STOP: 3,
    What.HALTS: 2,
    What.FLATTENS: 3,
    What.RETUNES: 3,
    What.KILLED: 3,
    What.KILLED_AT_A_WRITE: 4,
    What.KILLED_TWICE: 1,
    What.KILLED_FOR_THE_DAY: 2,
    What.STOPPED: 1,
    What.CLOCK_SET: 4,
    What.SILENT_STORE: 2,
    What.HALF_OPEN: 2,
    What.UPSTREAM_LOST: 3,
    What.NIGHTLY_RESTART: 2,
    What.CRASH: 2,
    What.RESET: 2,
    What.SLOW: 1,
    What.UNANSWERED: 2,
    What.REJECTED: 1,
    What.SILENT_STREAMS: 1,
    What.DELAYED: 1,
}


@attrs.frozen(kw_only=True)
class Event:
    """Something that happens at a time.

    Args:
        at: Seconds from the first open; may be before it.
        what: What.
        lasts: Seconds, where it does; how long the process is gone.
        number: Where a further choice is to be made.
    """

    at: float
    what: What
    lasts: float = 0.0
    number: int = 0


@attrs.frozen(kw_only=True)
class Plan:
    """One run.

    Args:
        seed: Its number.
        days: Sessions.
        events: By time.
        runner: Settings of the runner.
        risk: Settings of the risk.
        manners: How the strategy behaves.
        has_second: Whether another bot trades the same account.
        variant: Habits of the venue.
    """

    seed: int
    days: int
    events: tuple[Event, ...]
    runner: Mapping[str, Any]
    risk: Mapping[str, Any]
    manners: str
    has_second: bool
    variant: int


MANNERS: Final = (
    "eager",
    "eager",
    "eager",
    "flips",
    "raises",
    "nonsense",
    "slow",
    "needy",
    "wishes",
    "whims",
)


def draw_plan(seed: int) -> Plan:
    """The run of a seed."""
    draw = np.random.default_rng([seed, 0])
    days = 2 + int(draw.random() < 0.3)
    runner = {
        "symbols": ("SPY", "QQQ") if draw.random() < 0.5 else ("SPY",),
        "interval": float(draw.choice([45, 60, 90])),
        "end_of_day": "hold" if draw.random() < 0.4 else "flatten",
        "entries_stop_before_close": 600.0,
        "flatten_before_close": ENDS_BEFORE,
        "exit_wait": 30.0,
        "entry_lifetime": float(draw.choice([30, 90])),
        "greeks_interval": None,
        "min_dte": [None, 0, 1, 8][int(draw.integers(4))],
    }
    risk = {
        "stop_fraction": float(draw.uniform(0.08, 0.3)),
        "take_profit_fraction": float(draw.uniform(0.08, 0.4)) if draw.random() < 0.5 else None,
        "max_contracts": int(draw.integers(1, 9)),
        "cooldown": float(draw.choice([0, 60, 300])),
        "max_daily_loss": float(draw.choice([0.002, 0.01, 0.15])),
        "max_open_positions": int(draw.integers(1, 4)),
    }
    events = [event for _ in range(int(draw.integers(4, 11))) for event in _drawn(draw, days)]
    return Plan(
        seed=seed,
        days=days,
        events=tuple(sorted(events, key=lambda event: event.at)),
        runner=runner,
        risk=risk,
        manners=MANNERS[int(draw.integers(len(MANNERS)))],
        has_second=bool(draw.random() < 0.2),
        variant=int(draw.integers(8)),
    )


def _drawn(draw: np.random.Generator, days: int) -> tuple[Event, ...]:
    kinds = tuple(_WEIGHTS)
    weights = np.array([_WEIGHTS[kind] for kind in kinds], dtype=float)
    what = kinds[int(draw.choice(len(kinds), p=weights / weights.sum()))]
    at = _moment(draw, int(draw.integers(days)))
    event = Event(at=at, what=what, lasts=_lasting(draw, what), number=int(draw.integers(64)))
    if what in {What.HALTS, What.FLATTENS}:  # who asks for all to be closed halts entries by that
        return event, Event(at=at + float(draw.uniform(30, 900)), what=What.LIFTS)
    if what in {What.RESTS_SELL, What.RESTS_STOP} and draw.random() < 0.7:
        return event, Event(at=at + float(draw.uniform(20, 600)), what=What.CANCELS_OWN)
    if what is What.KILLED_TWICE:
        again = attrs.evolve(event, what=What.KILLED, at=at + event.lasts + float(draw.uniform(0.5, 20)))
        return attrs.evolve(event, what=What.KILLED), again
    return (event,)


def _moment(draw: np.random.Generator, day: int) -> float:
    """Seconds from the first open: within a session, about its open or its close, or in the night after it."""
    place, opens = draw.random(), OPENS[day]
    if place < 0.12:
        return opens + float(draw.uniform(-120, 90))
    if place < 0.70:
        return opens + float(draw.uniform(60, _SESSION - ENDS_BEFORE))
    if place < 0.92:
        return opens + float(draw.uniform(_SESSION - ENDS_BEFORE - 60, _SESSION + 60))
    return float(draw.uniform(opens + _SESSION + 60, OPENS[day + 1] - 300))


def _lasting(draw: np.random.Generator, what: What) -> float:
    if what in {What.KILLED, What.KILLED_AT_A_WRITE, What.KILLED_TWICE, What.STOPPED}:
        return float(draw.uniform(1, 60) if draw.random() < 0.6 else draw.uniform(60, 1200))
    if what is What.CLOCK_SET:
        return float(draw.uniform(1, 20) if draw.random() < 0.5 else draw.uniform(20, 150))
    if what in {What.UNANSWERED, What.SLOW, What.DELAYED}:
        return float(draw.uniform(10, 120))
    return float(draw.uniform(3, 90) if draw.random() < 0.6 else draw.uniform(90, 600))
