"""A report is left after each session, off the loop, for its owner's eyes only; trouble is told once."""

import asyncio
import json
import os
import re
import stat
from datetime import UTC, date, datetime

import attrs
import pytest
from tests.disks import files_of_at_most

from ibkeel.journal import Journal, RunStarted
from ibkeel.monitor.board import Board
from ibkeel.monitor.report import DayReports, write_private
from ibkeel.telemetry import AccountSeen, AlarmRaised, TradingDayClosed

DAY = date(2024, 3, 5)
AT = datetime(2024, 3, 5, 21, 0, tzinfo=UTC)
CLOSED = TradingDayClosed(at=AT, day=DAY, held=0)


@attrs.frozen
class Standing:
    def monotonic(self):
        return 0.0

    def now(self):
        return AT


@attrs.define
class Heard:
    events: list = attrs.field(factory=list)

    def on_event(self, event):
        self.events.append(event)


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def board():
    board = Board()
    board.on_event(AccountSeen(at=AT, currency="USD", net_liquidation=float("nan")))
    board.on_event(AccountSeen(at=AT, currency="USD", net_liquidation=100_000.0))
    return board


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "journal.sqlite"
    with Journal.open(path) as opened:
        opened.record(RunStarted(at=AT, run="r1", session=DAY, mode="PAPER", strategy="scalp"))
    return path


@pytest.fixture
def reports(tmp_path, journal, board, heard):
    return DayReports(tmp_path / "reports", journal, board, Standing(), heard)


def strict(text):
    """JSON as everybody but Python reads it."""
    return json.loads(text, parse_constant=pytest.fail)


async def test_it_is_there_some_seconds_after_the_close(tmp_path, reports, heard):
    async with reports.kept():
        reports.on_event(CLOSED)
        assert not (tmp_path / "reports").exists()
        await asyncio.sleep(60)

    told = strict((tmp_path / "reports" / "2024-03-05.json").read_text())
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "reports").iterdir()}

    assert [value for _, value in told["equity"]] == [100_000.0]
    assert (tmp_path / "reports" / "2024-03-05.html").read_text().startswith("<!doctype html>")
    assert modes == {0o600}
    assert sorted(path.suffix for path in (tmp_path / "reports").iterdir()) == [".html", ".json"]
    assert heard.events == []


async def test_a_bot_that_ends_at_the_close_waits_for_it(tmp_path, reports):
    async with reports.kept():
        reports.on_event(CLOSED)

    assert (tmp_path / "reports" / "2024-03-05.html").exists()


async def test_a_report_that_cannot_be_written_is_an_alarm_and_no_more(tmp_path, reports, heard):
    (tmp_path / "reports").write_text("a file in the way")

    async with reports.kept():
        reports.on_event(CLOSED)

    [alarm] = heard.events
    assert isinstance(alarm, AlarmRaised)
    assert "2024-03-05 could not be written" in alarm.message
    assert "ibkeel report" in alarm.message


async def test_a_journal_that_tells_nothing_of_the_day_is_an_alarm_too(reports, heard):
    async with reports.kept():
        reports.on_event(TradingDayClosed(at=AT, day=date(2024, 3, 6), held=0))

    assert "tells nothing of 2024-03-06" in heard.events[0].message


async def test_a_fault_that_nobody_foresaw_is_an_alarm_too(tmp_path, journal, board, heard):
    reports = DayReports(tmp_path / "no\0folder", journal, board, Standing(), heard)

    async with reports.kept():
        reports.on_event(CLOSED)

    assert re.search("ValueError: .*embedded null", heard.events[0].message)


def test_a_report_that_finds_no_room_leaves_the_one_before_it_and_nothing_else(tmp_path):
    day = tmp_path / "day.html"
    write_private(day, "before")

    with files_of_at_most(0), pytest.raises(OSError, match="too large"):
        write_private(day, "after")

    assert ([*tmp_path.iterdir()], day.read_text()) == ([day], "before")


def test_a_report_is_written_to_no_place_that_a_link_leads_to(tmp_path):
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / f"day.html.{os.getpid()}.part").symlink_to(tmp_path / "theirs")

    write_private(tmp_path / "day.html", "ours")

    assert (tmp_path / "theirs").read_text() == "theirs"
    assert (tmp_path / "day.html").read_text() == "ours"
    assert not (tmp_path / "day.html").is_symlink()
