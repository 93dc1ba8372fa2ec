"""The command line of the benchmarks."""

import argparse
import importlib
from typing import Final

NAMES: Final = ("adapter", "breaker", "chainfetch", "indicators", "mutation", "pacing", "pricing", "runner", "soak")


def main() -> int:
    """Run one benchmark; 0 only when all of its bars hold."""
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
        "--processes", type=int, metavar="N", help="for mutation: so many at a time; else one"
    )
    options = parser.parse_args()
    more = {"modules": options.module, "processes": options.processes}
    chosen = {name: value for name, value in more.items() if value is not None}
    if chosen and options.name != "mutation":
        parser.error("--module and --processes are for mutation")
    report = importlib.import_module(f"benchmarks.{options.name}").run(quick=options.quick, **chosen)
    print(report.json() if options.json else report.text())
    return 0 if report.holds else 1


raise SystemExit(main())
