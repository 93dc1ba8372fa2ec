"""The main job, through its command: what a new user types, and what is promised about it."""

import csv
import gzip
import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ibkeel.journal import FillSeen, Intent, Journal, QuoteSeen
from ibkeel.model import Bracket, Option

DOCS = Path(__file__).parents[2] / "docs"
NEW_YORK = ZoneInfo("America/New_York")
KEYS = [
    "seed",
    "session_date",
    "symbols",
    "virtual_seconds",
    "wall_seconds",
    "cycles",
    "signals",
    "intents",
    "orders",
    "orders_sent",
    "fills",
    "requests",
    "timeouts",
    "errors",
    "faults",
    "pacing_violations",
    "open_lines_at_end",
    "max_open_lines",
    "journal",
]


def ibkeel(*arguments, hash_seed="0"):
    environ = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONWARNINGS": "default"}
    return subprocess.run(
        [sys.executable, "-c", "from ibkeel.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
        timeout=120,
    )


def demo(*arguments, journal, hash_seed="0"):
    done = ibkeel("demo", "--json", "--journal", journal, *arguments, hash_seed=hash_seed)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    journal = tmp_path_factory.mktemp("first") / "journal.sqlite"
    return demo("--seed", 7, journal=journal), journal


@pytest.mark.smoke
def test_a_whole_session_goes_by_in_seconds(first):
    figures, _ = first

    assert list(figures) == KEYS
    assert figures["virtual_seconds"] >= 23_400
    assert figures["virtual_seconds"] / figures["wall_seconds"] >= 500
    assert figures["cycles"] >= 78
    assert figures["signals"] >= 1
    assert figures["intents"] >= 1
    assert figures["orders_sent"] == 0
    for clean in ("timeouts", "errors", "pacing_violations", "open_lines_at_end"):
        assert figures[clean] == 0, clean


@pytest.mark.long
def test_two_runs_of_one_seed_are_equal_whatever_the_hash_seed(first, tmp_path):
    figures, journal = first

    # The seed is the default one: neither is it said, nor does it make a difference.
    again = demo(journal=tmp_path / "again.sqlite", hash_seed="4711")

    for own in ("wall_seconds", "journal"):
        figures, again = {**figures, own: None}, {**again, own: None}
    exports = [ibkeel("journal", "export", "--jsonl", path) for path in (journal, tmp_path / "again.sqlite")]
    assert again == figures
    assert exports[0].stdout == exports[1].stdout
    assert exports[0].stdout.count("\n") > 100


@pytest.mark.long
def test_the_pages_show_the_figures_of_the_default_seed(first, tmp_path):
    dry, _ = first
    lesson = (DOCS / "tutorials" / "first-day.md").read_text(encoding="utf-8")
    page = (DOCS / "reference" / "demo-json.md").read_text(encoding="utf-8")

    paper = demo("--paper", journal=tmp_path / "paper.sqlite")

    shown = json.loads(re.search(r"```json\n(.*?)```", page, re.DOTALL)[1])
    for own in ("wall_seconds", "journal"):
        shown, paper = {**shown, own: None}, {**paper, own: None}
    assert shown == paper
    assert f"{dry['requests']:,} requests" in lesson


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["demo", "--symbols", "NOSUCH"], 2, "NOSUCH"),
        (["demo", "--strategy", "nope"], 2, "daily_volume, "),
        (["demo", "--seed", "-1"], 2, "-1"),
        (["run", "no-such-file.toml"], 2, "no-such-file.toml"),
    ],
)
def test_a_mistake_gets_one_sentence_and_the_right_code(arguments, code, words, tmp_path):
    journal = ["--journal", tmp_path / "journal.sqlite"] if arguments[0] == "demo" else []

    done = ibkeel(*arguments, *journal)

    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[risk]\nmax_contracts = -3\n", "risk.max_contracts = -3"),
        ("[runner]\nintervall = 5\n", "runner.intervall"),
        ("[strategy]\nname = 'nope'\n", "nope"),
    ],
)
def test_a_bad_configuration_names_the_value_and_what_is_valid(text, words, tmp_path):
    config = tmp_path / "bot.toml"
    config.write_text(text)

    done = ibkeel("run", config, "--journal", tmp_path / "journal.sqlite")

    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


# The recorded half day of 2015-12-24.


def minutes_of(folder, name, key):
    with gzip.open(Path(folder) / name, "rt", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            yield key(row), datetime.fromisoformat(row["ts"]), row


def option_key(row):
    return (row["expiry"], Decimal(row["strike"]), row["right"])


@pytest.fixture(scope="module")
def replayed(tmp_path_factory):
    journal = tmp_path_factory.mktemp("replayed") / "journal.sqlite"
    folder = os.environ["IBKEEL_DATA"]
    arguments = ["--replay", folder, "--date", "2015-12-24", "--symbols", "GOOG", "--preset", "thin"]
    figures = demo(*arguments, "--min-dte", 1, "--paper", journal=journal)
    with Journal.open(journal, read_only=True) as opened:
        records = [entry.record for entry in opened.events()]
    return figures, records


@pytest.fixture(scope="module")
def recorded_sides():
    """Bids and asks at the open and the close of each minute, each side filled forward by itself."""
    folder = Path(os.environ["IBKEEL_DATA"])
    quotes = {}
    for key, at, row in minutes_of(folder, "options/goog_2015-12-24_minute_quote.csv.gz", option_key):
        quotes.setdefault(key, []).append((at, row))
    stock = "equity/goog_minute_quotes_2015-12-24_2015-12-28.csv.gz"
    for _, at, row in minutes_of(folder, stock, lambda _: None):
        if at.day == 24:
            quotes.setdefault("GOOG", []).append((at, row))
    return quotes


def allowed(rows, minute, side):
    """What the feed may show of a side: its minute's open or close, else the last close before it."""
    shown = {None}
    for at, row in rows:
        if at > minute or not row[f"{side}_close"]:
            continue
        if at == minute:
            return {float(row[f"{side}_open"]), float(row[f"{side}_close"])}
        shown = {float(row[f"{side}_close"])}
    return shown


def test_minutes_fill_forward_side_by_side():
    at = datetime(2015, 12, 24, 9, 30, tzinfo=NEW_YORK)
    rows = [
        (at, {"bid_open": "1", "bid_close": "2"}),
        (at + timedelta(minutes=1), {"bid_open": "", "bid_close": ""}),
    ]

    assert allowed(rows, at, "bid") == {1.0, 2.0}
    assert allowed(rows, at + timedelta(minutes=5), "bid") == {2.0}


@pytest.mark.long
@pytest.mark.data
def test_every_quote_of_the_replayed_day_is_the_open_or_close_of_its_minute(replayed, recorded_sides):
    _, records = replayed
    seen = [record.quote for record in records if isinstance(record, QuoteSeen)]

    assert len(seen) > 100
    for quote in seen:
        contract = quote.contract
        key = "GOOG"
        if isinstance(contract, Option):
            key = (contract.expiry.isoformat(), contract.strike.normalize(), contract.right.value)
            key = next(k for k in recorded_sides if k != "GOOG" and (k[0], k[1].normalize(), k[2]) == key)
        minute = quote.at.astimezone(NEW_YORK).replace(second=0, microsecond=0)
        for side in ("bid", "ask"):
            assert getattr(quote, side) in allowed(recorded_sides[key], minute, side), (quote, side)


@pytest.mark.long
@pytest.mark.data
def test_a_bracket_fills_inside_its_minute_and_the_half_day_ends_flat(replayed, recorded_sides):
    figures, records = replayed
    close = datetime(2015, 12, 24, 13, 0, tzinfo=NEW_YORK)
    brackets = [r for r in records if isinstance(r, Intent) and isinstance(r.order, Bracket)]
    fills = [r.execution for r in records if isinstance(r, FillSeen)]

    assert figures["session_date"] == "2015-12-24"
    assert figures["virtual_seconds"] <= 5 * 3600
    assert brackets
    assert all(r.at < close - timedelta(minutes=15) for r in brackets)
    assert fills
    held = {}
    for fill in {fill.exec_id: fill for fill in fills}.values():
        contract = fill.contract
        key = (contract.expiry.isoformat(), contract.strike, contract.right.value)
        minute = fill.at.astimezone(NEW_YORK).replace(second=0, microsecond=0)
        row = next((row for at, row in recorded_sides[key] if at == minute), None)
        # A side that was not updated in the minute still stands at its last close.
        low = (row and row["bid_low"]) or min(allowed(recorded_sides[key], minute, "bid"))
        high = (row and row["ask_high"]) or max(allowed(recorded_sides[key], minute, "ask"))
        assert float(low) <= fill.price <= float(high), fill
        held[key] = held.get(key, 0) + fill.side.sign * fill.quantity
    assert not any(held.values()), held
    assert figures["errors"] == figures["timeouts"] == figures["open_lines_at_end"] == 0
