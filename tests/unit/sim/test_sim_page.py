"""The page about the simulated Gateway tells what the code does."""

import re
from pathlib import Path

import attrs

from ibkeel.sim import Limits
from ibkeel.sim.codec import REPLIES, REQUESTS
from ibkeel.sim.counters import CAPACITIES

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "sim.md").read_text(encoding="utf-8")


def rows(heading):
    """Cells of the table below a heading."""
    text = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line[:3] == "| `"
    ]


def test_the_page_names_every_request_with_its_number():
    told = {}
    for names, numbers, *_ in rows("Requests that are served"):
        told.update(zip(re.findall(r"`(\w+)`", names), map(int, numbers.split(", ")), strict=True))

    assert told == {message.name: message.number for message in REQUESTS.values()}


def test_the_page_names_every_reply():
    told = {int(number) for row in rows("Requests that are served") for number in re.findall(r"\d+", row[2])}

    sent = {message.number for message in REPLIES.values()}
    assert sent <= told


def test_the_page_names_every_limit():
    told = {row[0].strip("`"): row[2].strip("`").removeprefix("Limits.") for row in rows("Limits")}

    named = {field.name for field in attrs.fields(Limits)} - {"paced_bar_seconds"}
    assert named <= {rule for rule in told if told[rule] == rule}
    assert set(CAPACITIES) <= set(told)
