"""Whole bots over whole days: what a strategy says, what a person does in TWS, and the next morning."""

import logging
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from benchmarks.days_judge import COUNTS, Verdict
from benchmarks.days_plan import draw_plan
from benchmarks.days_stage import Outcome, play
from benchmarks.report import Bar, Report

__all__ = ["run"]

_SEEDS: Final = 500
_QUICK_SEEDS: Final = 5
_SHOWN: Final = 40


def run(
    *, quick: bool, seeds: int | None = None, first: int = 0, seed: int | None = None, processes: int = 1
) -> Report:
    """Play seeds, and say what went wrong.

    Args:
        quick: Few seeds.
        seeds: How many; by default 500.
        first: The first of them.
        seed: Play this one alone, and print what happened.
        processes: How many work at a time.
    """
    if seed is not None:
        first, seeds = seed, 1
    count = seeds or (_QUICK_SEEDS if quick else _SEEDS)
    wall = time.perf_counter()
    jobs = [(number, seed is not None) for number in range(first, first + count)]
    with _workers(processes) as mapped:
        played = list(mapped(_play, jobs))
    outcomes = [outcome for outcome, _ in played]
    if seed is not None:
        sys.stderr.write("\n".join((str(draw_plan(seed)), *outcomes[0].trace, "")))
    figures = _figures(outcomes)
    cpu = sum(seconds for _, seconds in played) / count
    figures |= {"first": first, "wall_s": time.perf_counter() - wall, "cpu_seconds_a_seed": cpu}
    return Report(name="days", figures=figures, bars=_bars(outcomes))


@contextmanager
def _workers(processes: int) -> Iterator[Any]:
    if processes == 1:
        yield map
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield lambda work, jobs: pool.imap(work, jobs, chunksize=1)


def _play(job: tuple[int, bool]) -> tuple[Outcome, float]:
    """One seed, and the CPU seconds that it took."""
    number, is_traced = job
    logging.disable(logging.CRITICAL)
    began = time.process_time()
    try:
        outcome = play(draw_plan(number), is_traced=is_traced)
    except Exception as error:
        if is_traced:
            raise
        outcome = _broken(number, error)
    return outcome, time.process_time() - began


def _broken(seed: int, error: Exception) -> Outcome:
    wrongs: dict[str, tuple[str, ...]] = dict.fromkeys(COUNTS, ())
    wrongs["runs_ended"] = (f"the run broke: {type(error).__name__}: {error}",)
    return Outcome(
        seed=seed,
        verdict=Verdict(wrongs=wrongs),
        hits={},
        kills=0,
        orders=0,
        fills=0,
        cycles=0,
        lives=0,
        long_wrong=(),
        trace=(),
    )


def _figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    hits: Counter[str] = sum((Counter(outcome.hits) for outcome in outcomes), Counter())
    bad = [outcome for outcome in outcomes if not outcome.verdict.is_good]
    return {
        "seeds": len(outcomes),
        "orders_a_seed": _mean(outcome.orders for outcome in outcomes),
        "fills_a_seed": _mean(outcome.fills for outcome in outcomes),
        "cycles_a_seed": _mean(outcome.cycles for outcome in outcomes),
        "lives": sum(outcome.lives for outcome in outcomes),
        "kills": sum(outcome.kills for outcome in outcomes),
        "hits": dict(sorted(hits.items())),
        "told_and_still_wrong": {
            str(outcome.seed): list(outcome.long_wrong) for outcome in outcomes if outcome.long_wrong
        },
        "failures": {
            str(outcome.seed): {name: list(words) for name, words in outcome.verdict.wrongs.items() if words}
            for outcome in bad[:_SHOWN]
        },
        "failed_seeds": len(bad),
    }


def _mean(values: Iterable[int]) -> float:
    rows = list(values)
    return sum(rows) / len(rows)


def _bars(outcomes: Sequence[Outcome]) -> tuple[Bar, ...]:
    totals: Counter[str] = Counter()
    for outcome in outcomes:
        totals.update(outcome.verdict.counts())
    return tuple(Bar(name=name, value=totals[name], op="==", limit=0) for name in COUNTS)
