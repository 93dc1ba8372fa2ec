"""How fast the simulated Gateway is through unmodified ib_insync, how many it serves, and whether it repeats itself."""

import json
import os
import statistics
import subprocess
import sys
from typing import Any

from benchmarks.environments import ROOT, version
from benchmarks.report import Bar, Report

__all__ = ["run"]

_HASH_SEEDS = ("0", "1", "random")


def run(*, quick: bool) -> Report:
    """Everything in processes of their own; what is timed runs in turns, those of even and of odd number an A/A pair."""
    hours, seconds, minute, busy = (0.2, 1.0, 6.0, 0.1) if quick else (24.0, 5.0, 60.0, 2.0)
    timed: dict[str, list[dict[str, Any]]] = {"rounds": [], "streams": [], "tcp": []}
    for _ in range(2 if quick else 6):
        for mode, found in timed.items():
            found.append(_ran(mode, seconds if mode == "tcp" else hours))
    crowd = _ran("crowd", minute)
    hashes = [_ran("determinism", busy, hash_seed=seed)["hash"] for seed in _HASH_SEEDS]

    def bar(name: str, limit: float, values: list[float]) -> Bar:
        ours, again = statistics.median(values[::2]), statistics.median(values[1::2])
        return Bar(name=name, value=min(ours, again), op=">=", limit=limit, strays=abs(ours - again))

    speeds = {mode: [one["virtual"] / one["cpu"] for one in timed[mode]] for mode in ("rounds", "streams")}
    over_decode = [one["ticks"] / one["decode"] for one in timed["tcp"]]
    bars = (
        bar("virtual_over_cpu_rounds", 20_000, speeds["rounds"]),
        bar("virtual_over_cpu_streams", 5_000, speeds["streams"]),
        bar("ticks_over_decode", 0.3, over_decode),
        Bar(name="clients_200_errors", value=crowd["errors"], op="==", limit=0),
        Bar(name="clients_200_growth", value=crowd["growth"], op="<=", limit=0.02),
        Bar(name="determinism", value=len(set(hashes)), op="==", limit=1),
    )
    figures: dict[str, Any] = {
        "hours": hours,
        "versions": {"ib_insync": version("ib-insync")},
        "virtual_over_cpu": speeds,
        "runs": timed,
        "clients_200": crowd,
        "hashes": [each[:16] for each in hashes],
    }
    return Report(name="simulator", figures=figures, bars=bars)


def _ran(mode: str, amount: float, *, hash_seed: str = "0") -> dict[str, Any]:
    search = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH", ""), str(ROOT / "src"))))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.simulator_run", mode, str(amount)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": search, "PYTHONHASHSEED": hash_seed},
        check=True,
        stdout=subprocess.PIPE,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
