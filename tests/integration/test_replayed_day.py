import json
import os

import pytest

from ibkeel.cli.app import run
from ibkeel.journal import Journal, QuoteSeen

FOLDER = os.environ.get("IBKEEL_DATA", "")


@pytest.mark.data
def test_a_recorded_half_day_ends_at_its_early_close(tmp_path, capsys):
    path = tmp_path / "j.sqlite"
    day = ["--replay", FOLDER, "--date", "2015-12-24", "--symbols", "GOOG", "--preset", "thin"]

    code = run(["demo", *day, "--paper", "--json", "--journal", str(path)])

    told = json.loads(capsys.readouterr().out)
    with Journal.open(path, read_only=True) as journal:
        quotes = [entry.record for entry in journal.events(QuoteSeen)]
    assert code == 0
    assert (told["session_date"], told["errors"], told["timeouts"]) == ("2015-12-24", 0, 0)
    assert 60 <= told["cycles"] <= 70
    assert {record.at.date().isoformat() for record in quotes} == {"2015-12-24"}
    assert max(record.at for record in quotes).hour == 17
