"""The same trading day, with a Gateway that suffers: no failure is left unexplained, no line is left open."""

import json

import pytest
from click.testing import CliRunner

from ibkeel.cli.app import commands

GOOD_DAY = {"errors": 0, "timeouts": 0, "pacing_violations": 0, "open_lines_at_end": 0}


def played(scenario, journal):
    arguments = ["demo", "--paper", "--json", "--scenario", scenario, "--journal", str(journal)]
    done = CliRunner().invoke(commands, arguments, catch_exceptions=False)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("scenario", "kinds"),
    [
        ("nightly-restart", {"restart"}),
        ("half-open", {"half_open"}),
        ("lost-acknowledgement", {"lost_acknowledgement", "crash"}),
    ],
)
def test_a_bad_day_is_noticed_and_survived(scenario, kinds, tmp_path):
    day = played(scenario, tmp_path / "journal.sqlite")

    assert {key: day[key] for key in GOOD_DAY} == GOOD_DAY
    assert {fault["kind"] for fault in day["faults"]} == kinds
    assert all(fault["detected_after"] < 60 for fault in day["faults"])
    assert all(fault["recovered_after"] is not None for fault in day["faults"])
    assert day["orders_sent"] > 0


def test_a_scenario_that_does_not_exist_is_a_usage_error(tmp_path):
    journal = tmp_path / "journal.sqlite"
    done = CliRunner().invoke(commands, ["demo", "--scenario", "no-such", "--journal", str(journal)])

    assert done.exception is not None
    assert "nightly-restart" in str(done.exception)
