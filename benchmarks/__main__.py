"""The command line of the benchmarks."""

import argparse
import importlib
from typing import Final

NAMES: Final = (
    "adapter",
    "breaker",
    "campaign",
    "chainfetch",
    "days",
    "indicators",
    "mutation",
    "pacing",
    "pricing",
    "runner",
    "simulator",
    "soak",
    "telemetry",
)
_MORE: Final = {
    "campaign": ("seeds", "first", "seed", "mutant", "processes"),
    "days": ("seeds", "first", "seed", "processes"),
    "mutation": ("module", "processes"),
}
"""Options of some benchmarks only."""


def main() -> int:
    """Run one benchmark; 0 only when all of its bars hold, or, in a quick run, when it ran."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="few rounds: for breakage, not for verdicts")
    parser.add_argument(
        "--module",
        action="append",
        metavar="NAME",
        help="for mutation: only this, such as resilience.breaker",
    )
    parser.add_argument(
        "--processes", type=int, metavar="N", help="for campaign, days, mutation: so many at a time; else one"
    )
    parser.add_argument("--seeds", type=int, metavar="N", help="for campaign, days: how many; else 2000, 500")
    parser.add_argument(
        "--first", type=int, metavar="N", help="for campaign, days: the first of them; else 0"
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="for campaign, days: this one alone, with a trace"
    )
    parser.add_argument("--mutant", metavar="NAME", help="for campaign: with this mistake in place")
    options = parser.parse_args()
    more = {name: getattr(options, name) for names in _MORE.values() for name in names}
    chosen = {name: value for name, value in more.items() if value is not None}
    strange = sorted(set(chosen) - set(_MORE.get(options.name, ())))
    if strange:
        parser.error(f"--{strange[0]} is not for {options.name}")
    if "module" in chosen:
        chosen["modules"] = chosen.pop("module")
    report = importlib.import_module(f"benchmarks.{options.name}").run(quick=options.quick, **chosen)
    print(report.json() if options.json else report.text())
    return 0 if report.holds or options.quick else 1


raise SystemExit(main())
