"""The same trading day, with a Gateway that suffers: no failure is left unexplained, no line is left open."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from ibkeel.cli.app import commands

pytestmark = pytest.mark.long

GOOD_DAY = {"errors": 0, "timeouts": 0, "pacing_violations": 0, "open_lines_at_end": 0}


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """What is told of the day of a scenario, which is played once."""
    days = {}

    def play_once(scenario):
        if scenario not in days:
            journal = tmp_path_factory.mktemp("day") / "journal.sqlite"
            arguments = ["demo", "--paper", "--json", "--scenario", scenario, "--journal", str(journal)]
            done = CliRunner().invoke(commands, arguments, catch_exceptions=False)
            days[scenario] = json.loads(done.stdout)
        return days[scenario]

    return play_once


@pytest.mark.parametrize(
    ("scenario", "kinds"),
    [
        ("half-open", {"half_open"}),
        ("lost-acknowledgement", {"lost_acknowledgement", "crash"}),
        ("nightly-restart", {"restart"}),
    ],
)
def test_a_bad_day_is_noticed_and_survived(scenario, kinds, played):
    day = played(scenario)

    assert {key: day[key] for key in GOOD_DAY} == GOOD_DAY
    assert {fault["kind"] for fault in day["faults"]} == kinds
    assert all(fault["detected_after"] < 60 for fault in day["faults"])
    assert all(fault["recovered_after"] is not None for fault in day["faults"])
    assert day["orders_sent"] > 0


def test_the_picture_of_the_readme_shows_the_day_that_is_played_now(played):
    picture = ET.parse(Path(__file__).parents[2] / "docs" / "images" / "demo.svg").getroot()
    svg = "{http://www.w3.org/2000/svg}"

    command = picture.find(f"{svg}title").text.split()

    assert command == ["ibkeel", "demo", "--paper", "--scenario", "nightly-restart"]
    day = played("nightly-restart")
    words = " ".join((node.text or "").replace("\xa0", " ").strip() for node in picture.iter(f"{svg}text"))
    shown = re.sub(r"\s+", " ", words)
    for word in ("requests", "cycles", "signals", "intents", "orders", "fills"):
        why = f"{day[word]:,} {word}: the picture is out of date; run `nox -s picture`"
        assert f"{day[word]:,} {word}" in shown, why


def test_a_scenario_that_does_not_exist_is_a_usage_error(tmp_path):
    journal = tmp_path / "journal.sqlite"
    done = CliRunner().invoke(commands, ["demo", "--scenario", "no-such", "--journal", str(journal)])

    assert done.exception is not None
    assert "nightly-restart" in str(done.exception)
