"""The command line of the benchmarks."""

import argparse
import importlib
from typing import Final

NAMES: Final = ("breaker", "pacing", "pricing")


def main() -> int:
    """Run one benchmark; 0 only when all of its bars hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="few rounds: for breakage, not for verdicts")
    options = parser.parse_args()
    report = importlib.import_module(f"benchmarks.{options.name}").run(quick=options.quick)
    print(report.json() if options.json else report.text())
    return 0 if report.holds else 1


raise SystemExit(main())
