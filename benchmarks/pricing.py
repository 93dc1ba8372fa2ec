"""Option pricing: a whole chain's implied volatilities and greeks, fast, exact, and with reasons."""

import csv
import os
import statistics
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.environments import MissingPeer, version
from benchmarks.interleaved import in_turns, median_ratio, time_calls
from benchmarks.pricing_american import american_bars, american_figures
from benchmarks.pricing_peers import (
    DIVIDEND_YIELD,
    RATE,
    SPOT,
    STRIKES,
    Chain,
    Subject,
    chain,
    ibkeel_pricer,
    subjects,
)
from benchmarks.report import Bar, Report
from ibkeel.options import ImpliedGreeks, Unsolved, implied_greeks, implied_volatility

__all__ = ["run"]

Floats = npt.NDArray[np.float64]
LIMITS: Final = {"pyvolr": 3.0, "quantlib": 40.0, "vollib": 150.0}
HALF_A_CENT: Final = 0.005
ERRORS: Final = ("iv_error_otm_chain", "iv_error_otm_table")


def run(*, quick: bool) -> Report:
    """Measure ours and the peers."""
    contracts = chain()
    found, missing = subjects()
    times = _chain_times(contracts, found, rounds=3 if quick else 21)
    batches = _batch_times(contracts, rounds=5 if quick else 41)
    figures: dict[str, Any] = {
        "versions": {name: subject.version for name, subject in found.items()},
        "missing": missing,
        "contracts": contracts.price.size,
        "chain_ms": {name: statistics.median(values) / 1e6 for name, values in times.items()},
        "batch_us": {name: statistics.median(values) / 1e3 for name, values in batches.items()},
        "reasons": _reason_counts(_solve(contracts)),
        **_errors(contracts, missing, sample=20 if quick else 300),
        "unsolvable_without_reason": _without_reason(contracts),
        **_american(missing, quick=quick),
    }
    return Report(name="pricing", figures=figures, bars=_bars(figures, times, batches))


def _bars(
    figures: dict[str, Any], times: dict[str, list[float]], batches: dict[str, list[float]]
) -> tuple[Bar, ...]:
    errors = [figures[name] for name in ERRORS if name in figures]
    batch = median_ratio(batches["40 rows"], batches["1 row"])
    again = median_ratio(batches["40 rows again"], batches["1 row"])
    return (
        *(_speed_bar(name, limit, times) for name, limit in LIMITS.items()),
        Bar(
            name="iv_error_otm",
            value=max(errors) if len(errors) == len(ERRORS) else None,
            op="<=",
            limit=1e-13,
        ),
        Bar(name="batch40_ratio", value=batch, op="<=", limit=1.3, strays=abs(batch - again)),
        Bar(
            name="unsolvable_without_reason",
            value=figures["unsolvable_without_reason"],
            op="==",
            limit=0,
        ),
        *american_bars(figures),
    )


def _speed_bar(name: str, limit: float, times: dict[str, list[float]]) -> Bar:
    if name not in times:
        return Bar(name=f"vs_{name}", value=None, op=">=", limit=limit)
    ratio = median_ratio(times[name], times["ibkeel"])
    again = median_ratio(times[name], times["ibkeel again"])
    return Bar(name=f"vs_{name}", value=ratio, op=">=", limit=limit, strays=abs(ratio - again))


def _chain_times(contracts: Chain, found: dict[str, Subject], rounds: int) -> dict[str, list[float]]:
    """Nanoseconds of CPU time for the whole chain."""
    solved = np.flatnonzero((_solve(contracts).greeks.reasons == Unsolved.SOLVED) & (contracts.price > 1e-10))
    generator = np.random.default_rng(5)
    ours = ibkeel_pricer(contracts)
    measures = {"ibkeel": lambda: time_calls(ours, 10)}
    for name, subject in found.items():
        rows = contracts
        if subject.share is not None:
            rows = contracts.take(generator.choice(solved, subject.share, replace=False))
        call, scale = subject.prepare(rows), contracts.price.size / rows.price.size
        measures[name] = lambda call=call, scale=scale: time_calls(call, 1) * scale
        # After the first peer: both of the pair follow a peer that has filled the caches.
        measures.setdefault("ibkeel again", lambda: time_calls(ours, 10))
    return in_turns(measures, rounds)


def _batch_times(contracts: Chain, rounds: int) -> dict[str, list[float]]:
    """The 40 strikes around the money, 34 days out, against the first of them alone."""
    first = 30 * 2 * STRIKES + int(np.argmin(np.abs(contracts.strike[:STRIKES] - SPOT))) - 20
    one, forty = (ibkeel_pricer(contracts.take(slice(first, first + count))) for count in (1, 40))
    return in_turns(
        {
            "1 row": lambda: time_calls(one, 100),
            "40 rows": lambda: time_calls(forty, 100),
            "40 rows again": lambda: time_calls(forty, 100),
        },
        rounds,
    )


def _solve(contracts: Chain, years: Floats | None = None) -> ImpliedGreeks:
    return implied_greeks(
        contracts.price,
        spot=SPOT,
        strike=contracts.strike,
        years=contracts.years if years is None else years,
        right=contracts.right,
        rate=RATE,
        dividend_yield=DIVIDEND_YIELD,
    )


def _american(missing: dict[str, str], *, quick: bool) -> dict[str, Any]:
    folder = os.environ.get("IBKEEL_DATA")
    if not folder:
        return {}
    try:
        return american_figures(Path(folder), quick=quick)
    except MissingPeer as error:
        missing["quantlib"] = str(error)
        return {}


def _reason_counts(solved: ImpliedGreeks) -> dict[str, int]:
    return {reason.name: int((solved.greeks.reasons == reason).sum()) for reason in Unsolved}


def _errors(contracts: Chain, missing: dict[str, str], sample: int) -> dict[str, float]:
    """Largest error of the volatility out of the money, price of half a cent or more."""
    figures = {}
    folder = os.environ.get("IBKEEL_DATA")
    if folder:
        figures["iv_error_otm_table"] = _table_error(Path(folder))
    else:
        missing["reference table"] = "IBKEEL_DATA names no folder"
    try:
        version("mpmath")
    except MissingPeer as error:
        missing["mpmath"] = str(error)
        return figures
    forward = SPOT * np.exp((RATE - DIVIDEND_YIELD) * contracts.years)
    out = np.where(contracts.right == "C", contracts.strike > forward, contracts.strike < forward)
    rows = np.flatnonzero(out & (contracts.price >= HALF_A_CENT))
    picked = contracts.take(np.random.default_rng(7).choice(rows, sample, replace=False))
    exact = np.array([_exact_volatility(*row) for row in _rows(picked)])
    found = _solve(picked).volatility.values
    figures["iv_error_otm_chain"] = float(np.abs(found - exact).max())
    figures["iv_relative_error_otm_chain"] = float(np.abs(found / exact - 1.0).max())
    return figures


def _rows(contracts: Chain) -> list[tuple[float, float, float, float, str]]:
    columns = (contracts.volatility, contracts.price, contracts.strike, contracts.years)
    return list(zip(*(column.tolist() for column in columns), contracts.right.tolist(), strict=True))


def _exact_volatility(near: float, value: float, strike: float, years: float, right: str) -> float:
    """To 60 digits, for exactly this double of a price."""
    import mpmath as mp

    with mp.workdps(60):
        time, sign = mp.mpf(years), 1 if right == "C" else -1
        discount, carry = mp.exp(-mp.mpf(RATE) * time), mp.exp(-mp.mpf(DIVIDEND_YIELD) * time)
        log = mp.log(mp.mpf(SPOT) * carry / (strike * discount))

        def miss(volatility: Any) -> Any:
            deviation = volatility * mp.sqrt(time)
            d1 = log / deviation + deviation / 2
            share = SPOT * carry * mp.ncdf(sign * d1)
            return sign * (share - strike * discount * mp.ncdf(sign * (d1 - deviation))) - mp.mpf(value)

        return float(mp.findroot(miss, (mp.mpf(near), mp.mpf(near) * mp.mpf("1.0000001"))))


def _table_error(folder: Path) -> float:
    """Against the table of 60-digit volatilities."""
    with (folder / "reference" / "implied_vol_computed_mpmath.csv").open(
        encoding="utf-8", newline=""
    ) as stream:
        rows = [row for row in csv.DictReader(stream) if row["is_otm"] == "1"]
    rows = [row for row in rows if row["well_conditioned"] == "1" and float(row["price"]) >= HALF_A_CENT]

    def column(name: str) -> Floats:
        return np.array([float(row[name]) for row in rows])

    found = implied_volatility(
        column("price"),
        spot=column("spot"),
        strike=column("strike"),
        years=column("t_years"),
        right=np.array([row["type"][0].upper() for row in rows]),
        rate=column("rate"),
        dividend_yield=column("dividend_yield"),
    )
    return float(np.abs(found.values - column("vol")).max())


def _without_reason(contracts: Chain) -> int:
    """Rows without a number or without a reason, and rows that a bad neighbour changed."""
    clean = _solve(contracts)
    price, years = contracts.price.copy(), contracts.years.copy()
    bad = np.arange(0, price.size, 50)
    price[bad] = np.resize([np.nan, -1.0, 1e9, np.inf, 0.0, 1.0], bad.size)
    years[bad] = np.resize([0.1, 0.1, 0.1, 0.1, 0.1, 0.0], bad.size)
    spoiled = Chain(
        volatility=contracts.volatility,
        price=price,
        strike=contracts.strike,
        years=years,
        right=contracts.right,
    )
    dirty = _solve(spoiled)
    others = np.setdiff1d(np.arange(price.size), bad)
    before, after = clean.volatility.values[others], dirty.volatility.values[others]
    changed = ~((before == after) | (np.isnan(before) & np.isnan(after)))
    silent = [np.isnan(each.volatility.values) != (each.greeks.reasons != 0) for each in (clean, dirty)]
    answered = ~np.isnan(dirty.volatility.values[bad])
    return int(changed.sum() + sum(rows.sum() for rows in silent) + answered.sum())
