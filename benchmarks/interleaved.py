"""Timing in turns, so that a busy machine slows all alike, and none always comes after the same one."""

import random
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping

__all__ = ["in_turns", "median_ratio", "time_awaits", "time_calls"]


def time_calls(function: Callable[[], object], number: int) -> float:
    """CPU nanoseconds for each call, the loop around it included."""
    turns = range(number)
    started = time.process_time()
    for _ in turns:
        function()
    return (time.process_time() - started) / number * 1e9


async def time_awaits(function: Callable[[], Awaitable[object]], number: int) -> float:
    """CPU nanoseconds for each await, the loop around it included."""
    turns = range(number)
    started = time.process_time()
    for _ in turns:
        await function()
    return (time.process_time() - started) / number * 1e9


def in_turns(subjects: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure each subject once a round, in another order each; the first round warms up and is thrown away."""
    measured: dict[str, list[float]] = {name: [] for name in subjects}
    shuffled = random.Random(7)  # an order, not a secret
    for turn in range(rounds + 1):
        for name in shuffled.sample(list(subjects), len(subjects)):
            value = subjects[name]()
            if turn:
                measured[name].append(value)
    return measured


def median_ratio(subject: list[float], control: list[float]) -> float:
    """Median over the rounds of subject over control."""
    return statistics.median(a / b for a, b in zip(subject, control, strict=True))
