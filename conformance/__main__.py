"""Play the matrix: `python -m conformance [--all] [--page FILE] [--json] [LIBRARY ...]`."""

import argparse
import asyncio
import json
import sys
import tempfile
from datetime import date
from pathlib import Path

import attrs

from conformance.matrix import Outcome, cases, play
from conformance.table import page


def main() -> int:
    """Exit status 0 when every round passed."""
    given = _arguments()
    outcomes = asyncio.run(play(cases(few=not given.all, only=given.library), given.environments))
    if given.json:
        print(json.dumps([attrs.asdict(each) for each in outcomes], indent=2))
    else:
        for outcome in outcomes:
            print(_told(outcome))
    if given.page:
        given.page.write_text(page(outcomes, date.fromisoformat(given.date)), encoding="utf-8")
    return 0 if all(outcome.is_ok for outcome in outcomes) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    parser.add_argument("library", nargs="*", help="Words of the names of the libraries wanted; none: all.")
    parser.add_argument(
        "--all", action="store_true", help="Every version, not just those that matter in practice."
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON array.")
    parser.add_argument("--page", type=Path, help="Write the table for the documentation to this file.")
    parser.add_argument("--date", default=None, help="The date on the page, YYYY-MM-DD; needed with --page.")
    parser.add_argument(
        "--environments",
        type=Path,
        default=Path(tempfile.gettempdir()) / "ibkeel-conformance",
        help="Where the libraries are installed, each on its own.",
    )
    given = parser.parse_args()
    if given.page and given.date is None:
        parser.error("--page needs --date")
    return given


def _told(outcome: Outcome) -> str:
    where = f"{outcome.library} at {outcome.version}{', with the others' if outcome.is_shared else ''}"
    if outcome.is_ok:
        return f"ok      {where}: {len(outcome.steps)} steps, {outcome.frames} messages, nothing left unread"
    return f"FAILED  {where}: {'; '.join((*outcome.failed, *outcome.troubles))}"


sys.exit(main())
