"""A day in two minutes: does the adapter stay well, and stay the size that it is?"""

import json
import os
import statistics
import subprocess
import sys
from typing import Any, Final

from benchmarks.environments import ROOT, MissingPeer, version
from benchmarks.report import Bar, Report
from ibkeel.ibkr.client import LIBRARY

__all__ = ["run", "soaked"]

_HOURS: Final = 24
_QUICK_HOURS: Final = 3
_SETTLED: Final = 2  # hours after which all that is kept up to a limit should have reached it


def run(*, quick: bool) -> Report:
    """The same day three times: by the adapter, by the adapter again, and by the bare client library."""
    hours = _QUICK_HOURS if quick else _HOURS
    ours, again, bare = (soaked(mode, hours) for mode in ("adapter", "adapter", "bare"))
    runs = {"ibkeel": ours, "ibkeel again": again, "bare": bare}
    shares = {name: one["served_outside"] / one["rounds_outside"] for name, one in runs.items()}
    growth = {name: one["blocks"][-1] / one["blocks"][_SETTLED - 1] - 1 for name, one in runs.items()}
    figures: dict[str, Any] = {
        "hours": hours,
        "versions": _versions(),
        "rounds_served": shares,
        "block_growth": growth,
        "blocks_an_hour": {name: _slope(one["blocks"][_SETTLED - 1 :]) for name, one in runs.items()},
        "rss_kb_an_hour": {name: _slope(one["rss_kb"][_SETTLED - 1 :]) for name, one in runs.items()},
        "runs": runs,
    }

    def bar(name: str, op: str, limit: float, values: tuple[float, float]) -> Bar:
        worse = min if op == ">=" else max
        return Bar(name=name, value=worse(values), op=op, limit=limit, strays=abs(values[0] - values[1]))

    bars = (
        bar("unhandled_errors", "==", 0, (_errors(ours), _errors(again))),
        bar("pacing_violations", "==", 0, (ours["pacing_violations"], again["pacing_violations"])),
        bar("leaked_lines", "==", 0, (ours["leaked_lines"], again["leaked_lines"])),
        bar("rounds_served", ">=", 0.98, (shares["ibkeel"], shares["ibkeel again"])),
        bar("block_growth", "<=", 0.01, (growth["ibkeel"], growth["ibkeel again"])),
    )
    return Report(name="soak", figures=figures, bars=bars)


def _versions() -> dict[str, str]:
    try:
        return {LIBRARY: version(LIBRARY.replace("_", "-"))}
    except MissingPeer:
        return {}


def _errors(one: dict[str, Any]) -> int:
    """Those that nobody handled, and those inside the Gateway, which would make the run worthless."""
    return int(sum(one["unhandled"].values()) + one["gateway_failures"])


def _slope(values: list[float]) -> float:
    """Of a straight line through the values, one for each hour."""
    if len(values) < 2:
        return 0.0
    return statistics.linear_regression(range(len(values)), values).slope


def soaked(mode: str, hours: float) -> dict[str, Any]:
    """What one soak found, in a process of its own."""
    search = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH", ""), str(ROOT / "src"))))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak_run", mode, str(hours)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": search, "PYTHONHASHSEED": "0"},
        check=True,
        stdout=subprocess.PIPE,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
