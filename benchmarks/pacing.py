"""Pacing: how near to the optimum, whether any limit was broken, how long an order waits."""

from collections.abc import Callable
from typing import Any, Final

import attrs

from benchmarks.arrivals import burst, steady
from benchmarks.environments import MissingPeer
from benchmarks.pacing_peers import IB_ASYNC, IN_REAL_TIME, LIMIT, limiters, own_throttle
from benchmarks.pacing_real import over_loopback
from benchmarks.pacing_virtual import (
    Ratio,
    composite,
    order_waits,
    paced,
    ratio_of,
    reserve_ratio,
    timers_per_window,
)
from benchmarks.report import Bar, Report

__all__ = ["run"]

RESERVE: Final = 6


@attrs.frozen(kw_only=True)
class Sizes:
    """How much is measured."""

    burst: int = 1_000
    arrivals: int = 500
    queued: int = 5_000
    backlog: int = 20_000
    real_seconds: float = 30.0


QUICK: Final = Sizes(burst=200, arrivals=120, queued=500, real_seconds=1.5)


def run(*, quick: bool) -> Report:
    """Measure ours and the peers; all of ours twice, for the A/A pair."""
    sizes = QUICK if quick else Sizes()
    found, versions, missing = limiters()
    patterns = {"burst": burst(sizes.burst), "arrivals": steady(sizes.arrivals, 100.0)}
    ratios: dict[str, dict[str, Ratio]] = {
        pattern: {
            name: paced(make, arrivals, in_real_time=name in IN_REAL_TIME) for name, make in found.items()
        }
        for pattern, arrivals in patterns.items()
    }
    figures: dict[str, Any] = {"versions": versions, "missing": missing}
    _measure_ib_async(figures, ratios, patterns, sizes)
    pairs = {name: (measure(sizes), measure(sizes)) for name, measure in _OURS.items()}
    figures |= {
        pattern: {name: attrs.asdict(ratio) for name, ratio in of.items()} for pattern, of in ratios.items()
    }
    figures |= {name: pair[0] for name, pair in pairs.items()}
    figures["again"] = {name: pair[1] for name, pair in pairs.items()}
    return Report(name="pacing", figures=figures, bars=_bars(ratios, pairs))


def _measure_ib_async(
    figures: dict[str, Any],
    ratios: dict[str, dict[str, Ratio]],
    patterns: dict[str, list[float]],
    sizes: Sizes,
) -> None:
    try:
        theirs = own_throttle({"limit": LIMIT, **attrs.asdict(sizes)})
    except MissingPeer as error:
        figures["missing"]["ib_async"] = str(error)
        return
    figures["versions"]["ib_async"] = IB_ASYNC.partition("==")[2]
    for pattern, arrivals in patterns.items():
        ratios[pattern]["ib_async"] = ratio_of(theirs[pattern], arrivals)
    figures["ib_async"] = {name: theirs[name] for name in ("order_wait", "timers_per_window")}


def _reserve(sizes: Sizes) -> dict[str, Any]:
    return attrs.asdict(reserve_ratio(RESERVE, sizes.burst))


def _composite(_: Sizes) -> dict[str, Any]:
    return {name: attrs.asdict(ratio) for name, ratio in composite().items()}


def _orders(sizes: Sizes) -> dict[str, Any]:
    return order_waits(sizes.queued)


def _timers(sizes: Sizes) -> dict[str, Any]:
    return timers_per_window(sizes.backlog, 10)


def _real(sizes: Sizes) -> dict[str, Any]:
    return over_loopback(seconds=sizes.real_seconds)


_OURS: Final[dict[str, Callable[[Sizes], dict[str, Any]]]] = {
    "with_reserve": _reserve,
    "composite": _composite,
    "orders": _orders,
    "timers": _timers,
    "real": _real,
}


def _bars(
    ratios: dict[str, dict[str, Ratio]], pairs: dict[str, tuple[dict[str, Any], dict[str, Any]]]
) -> tuple[Bar, ...]:
    def bar(
        name: str, op: str, limit: float, values: tuple[float, float], worse: Callable[..., float]
    ) -> Bar:
        return Bar(name=name, value=worse(values), op=op, limit=limit, strays=abs(values[0] - values[1]))

    def ours(part: str, reckon: Callable[[dict[str, Any]], float]) -> tuple[float, float]:
        return reckon(pairs[part][0]), reckon(pairs[part][1])

    def pair_of(pattern: str) -> tuple[float, float]:
        return ratios[pattern]["ibkeel"].ratio, ratios[pattern]["ibkeel again"].ratio

    return (
        bar("optimum_burst", ">=", 0.99, pair_of("burst"), min),
        bar("optimum_arrivals", ">=", 0.99, pair_of("arrivals"), min),
        bar("optimum_with_reserve", ">=", 0.98, ours("with_reserve", lambda part: part["ratio"]), min),
        bar(
            "composite_optimum",
            ">=",
            0.98,
            ours("composite", lambda part: min(one["ratio"] for one in part.values())),
            min,
        ),
        bar("violations", "==", 0, (_violations(ratios, pairs, 0), _violations(ratios, pairs, 1)), max),
        bar("order_wait_first5_s", "<=", 0.001, ours("orders", lambda part: part["first5"]), max),
        bar("order_wait_worst_s", "<=", 1.0, ours("orders", lambda part: part["worst"]), max),
        bar("timers_per_window", "<=", 3, ours("timers", lambda part: max(part.values())), max),
        bar("violations_real", "==", 0, ours("real", lambda part: part["violations"]), max),
        bar("order_wait_real_p99_ms", "<=", 5, ours("real", lambda part: part["order_wait_p99_ms"]), max),
    )


def _violations(
    ratios: dict[str, dict[str, Ratio]], pairs: dict[str, tuple[dict[str, Any], dict[str, Any]]], half: int
) -> float:
    """All of ours on virtual time, in one half of the A/A pair."""
    name = ("ibkeel", "ibkeel again")[half]
    patterns = sum(of[name].violations for of in ratios.values())
    mixes = sum(one["violations"] for one in pairs["composite"][half].values())
    return float(
        patterns + mixes + pairs["with_reserve"][half]["violations"] + pairs["orders"][half]["violations"]
    )
