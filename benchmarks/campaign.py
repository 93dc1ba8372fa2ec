"""Orders under every trouble that we know of, thousands of seeds, judged by the venue's own book."""

import logging
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from benchmarks.campaign_cells import CELLS, DRAWN, IMPOSSIBLE
from benchmarks.campaign_judge import COUNTS, Verdict
from benchmarks.campaign_mutants import MUTANTS, mutated
from benchmarks.campaign_plan import draw_plan
from benchmarks.campaign_stage import Outcome, play
from benchmarks.report import Bar, Report

__all__ = ["run"]

_SEEDS: Final = 2000
_QUICK_SEEDS: Final = 20
_MUTANT_SEEDS: Final = 200
_ENOUGH: Final = 20
_SHOWN: Final = 20
_CPU: Final = 0.3


def run(
    *,
    quick: bool,
    seeds: int | None = None,
    first: int = 0,
    seed: int | None = None,
    mutant: str | None = None,
    processes: int = 1,
) -> Report:
    """Play seeds, and say what went wrong.

    Args:
        quick: Few seeds, no mutants.
        seeds: How many; by default 2,000.
        first: The first of them.
        seed: Play this one alone, and print what happened.
        mutant: Play with this mistake in place.
        processes: How many work at a time.
    """
    if seed is not None:
        first, seeds = seed, 1
    count = seeds or (_QUICK_SEEDS if quick else _SEEDS)
    wall = time.perf_counter()
    jobs = [(number, mutant, seed is not None) for number in range(first, first + count)]
    with _workers(processes) as mapped:
        played = list(mapped(_play, jobs))
        wall = time.perf_counter() - wall
        is_whole = not quick and mutant is None and seed is None
        found = dict(mapped(_first_noticed, MUTANTS)) if is_whole else {}
    outcomes = [outcome for outcome, _ in played]
    if seed is not None:
        sys.stderr.write("\n".join((*outcomes[0].trace, "")))
    _tell_first(outcomes, mutant)
    figures = _figures(outcomes, found)
    cpu = sum(seconds for _, seconds in played) / count
    figures |= {"first": first, "wall_s": wall, "cpu_seconds_a_seed": cpu}
    bars = _bars(outcomes, found, is_whole=is_whole)
    if count >= _SEEDS:
        bars += (Bar(name="cpu_seconds_a_seed", value=cpu, op="<=", limit=_CPU),)
    return Report(name="campaign", figures=figures, bars=bars)


@contextmanager
def _workers(processes: int) -> Iterator[Any]:
    if processes == 1:
        yield map
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield lambda work, jobs: pool.imap(work, jobs, chunksize=1)


def _play(job: tuple[int, str | None, bool]) -> tuple[Outcome, float]:
    """One seed, and the CPU seconds that it took."""
    number, mutant, is_traced = job
    logging.disable(logging.CRITICAL)
    began = time.process_time()
    with mutated(mutant):
        try:
            outcome = play(draw_plan(number, DRAWN), is_traced=is_traced)
        except Exception as error:  # noqa: BLE001 - whatever it was, the run is lost and the seed is named
            outcome = _broken(number, error)
    return outcome, time.process_time() - began


def _broken(seed: int, error: Exception) -> Outcome:
    wrongs: dict[str, tuple[str, ...]] = dict.fromkeys(COUNTS, ())
    wrongs["lost_intents"] = (f"the run broke: {type(error).__name__}: {error}",)
    return Outcome(
        seed=seed,
        verdict=Verdict(wrongs=wrongs),
        hits={},
        boundaries={},
        orders=0,
        fills=0,
        lives=0,
        trace=(),
    )


def _first_noticed(mutant: str) -> tuple[str, int | None]:
    """The first seed that notices a mistake; None when 200 do not."""
    outcomes = (_play((number, mutant, False))[0] for number in range(_MUTANT_SEEDS))
    return mutant, next((outcome.seed for outcome in outcomes if not outcome.verdict.is_good), None)


def _tell_first(outcomes: Iterable[Outcome], mutant: str | None) -> None:
    bad = next((outcome for outcome in outcomes if not outcome.verdict.is_good), None)
    if bad is not None:
        more = f" --mutant '{mutant}'" if mutant else ""
        sys.stderr.write(f"seed {bad.seed} fails; python -m benchmarks campaign --seed {bad.seed}{more}\n")


def _figures(outcomes: Sequence[Outcome], found: dict[str, int | None]) -> dict[str, Any]:
    hits = _hits(outcomes)
    boundaries: Counter[str] = sum((Counter(outcome.boundaries) for outcome in outcomes), Counter())
    bad = [outcome for outcome in outcomes if not outcome.verdict.is_good]
    return {
        "seeds": len(outcomes),
        "orders_a_seed": sum(outcome.orders for outcome in outcomes) / len(outcomes),
        "fills_a_seed": sum(outcome.fills for outcome in outcomes) / len(outcomes),
        "kills": sum(boundaries.values()),
        "boundaries": dict(sorted(boundaries.items())),
        "hits": {
            f"{trouble.value}, {phase.value}": hits[trouble.value, phase.value] for trouble, phase in CELLS
        },
        "least_hits": min(hits[trouble.value, phase.value] for trouble, phase in CELLS),
        "cells": len(CELLS),
        "impossible_cells": {
            f"{trouble.value}, {phase.value}": why for (trouble, phase), why in IMPOSSIBLE.items()
        },
        "noticed_at_seed": found,
        "failures": {
            str(outcome.seed): {name: list(words) for name, words in outcome.verdict.wrongs.items() if words}
            for outcome in bad[:_SHOWN]
        },
        "failed_seeds": len(bad),
    }


def _hits(outcomes: Iterable[Outcome]) -> Counter[tuple[str, str]]:
    hits: Counter[tuple[str, str]] = Counter()
    for outcome in outcomes:
        hits.update(outcome.hits)
    return hits


def _bars(outcomes: Sequence[Outcome], found: dict[str, int | None], *, is_whole: bool) -> tuple[Bar, ...]:
    """What went wrong in any seed; cells only where there were seeds enough for each."""
    totals: Counter[str] = Counter()
    for outcome in outcomes:
        totals.update(outcome.verdict.counts())
    values = {name: totals[name] for name in COUNTS}
    if is_whole:
        values["mutants_survived"] = sum(seed is None for seed in found.values())
    if len(outcomes) >= _SEEDS:
        hits = _hits(outcomes)
        values["cells_under_20"] = sum(hits[trouble.value, phase.value] < _ENOUGH for trouble, phase in CELLS)
    return tuple(Bar(name=name, value=value, op="==", limit=0) for name, value in values.items())
