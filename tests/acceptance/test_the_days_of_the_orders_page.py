"""The scenarios that the page about orders names, each played as a whole day with orders: nightly."""

import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from ibkeel.cli.app import commands
from ibkeel.journal import FillSeen, Intent, Journal, OrderUpdate

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "orders.md"
NAMED = re.findall(r"^\| [^|]+ \| `([a-z-]+)` \| ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
ENDS = {"cancelled", "filled", "rejected"}

pytestmark = pytest.mark.skipif(
    not os.environ.get("IBKEEL_NIGHTLY"), reason="takes more than 5 s: nox -s nightly"
)


@pytest.mark.parametrize("scenario", NAMED)
def test_at_the_end_of_the_day_every_order_has_a_fate_and_every_fill_is_known_once(scenario, tmp_path):
    path = tmp_path / "journal.sqlite"
    arguments = ["demo", "--paper", "--json", "--seed", "25", "--scenario", scenario, "--journal", str(path)]

    done = CliRunner().invoke(commands, arguments, catch_exceptions=False)

    day = json.loads(done.stdout)
    with Journal.open(path, read_only=True) as journal:
        reports = [entry.record.report for entry in journal.events(OrderUpdate)]
        fills = [entry.record.execution for entry in journal.events(FillSeen)]
        names = [entry.record.client_order_id for entry in journal.events(Intent)]
    held = Counter()
    for fill in fills:
        held[fill.contract.con_id] += fill.quantity * fill.side.sign
    assert (day["errors"], day["open_lines_at_end"]) == (0, 0)
    assert set({row.client_order_id: row.state.value for row in reports}.values()) <= ENDS
    assert len({fill.exec_id for fill in fills}) == len(fills) == day["fills"]
    assert set(held.values()) <= {0}
    assert len(set(names)) == len(names) > 0
