"""Writes the report of each day when it is over."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Final

from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import JournalError
from ibkeel.journal import Journal
from ibkeel.journal.export import claim_anew
from ibkeel.monitor.board import Board, Snapshot
from ibkeel.monitor.report.day import report_of
from ibkeel.monitor.report.page import report_page
from ibkeel.telemetry import AlarmRaised, Event, Observer, TradingDayClosed

_SETTLE: Final = 5.0  # seconds after the close, for the last records to be on disk


class DayReports(Observer):
    """Leaves `DATE.html` and `DATE.json` in a folder after each session; off the trading loop.

    Args:
        folder: Where they go; made when missing.
        journal: What the bot writes down.
        board: What it shows.
        clock: Stamps the alarm.
        alarm: Told when a report could not be written.
    """

    def __init__(self, folder: Path, journal: Path, board: Board, clock: Clock, alarm: Observer) -> None:
        self._folder, self._journal, self._board = folder, journal, board
        self._clock, self._alarm = clock, alarm
        self._due: dict[date, asyncio.TimerHandle] = {}
        self._writing: set[asyncio.Task[None]] = set()

    @override
    def on_event(self, event: Event) -> None:
        if isinstance(event, TradingDayClosed):
            loop = asyncio.get_running_loop()
            self._due[event.day] = loop.call_later(_SETTLE, self._start, event.day)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Within the block reports are written; at its end also those that are due."""
        try:
            yield
        finally:
            for day in tuple(self._due):
                self._start(day)
            while self._writing:
                await asyncio.wait(self._writing)

    def _start(self, day: date) -> None:
        timer = self._due.pop(day, None)
        if timer is not None:
            timer.cancel()
            task = asyncio.get_running_loop().create_task(self._write(day))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def _write(self, day: date) -> None:
        try:
            await asyncio.to_thread(self._leave, day, self._board.snapshot)
        except Exception as error:  # noqa: BLE001 - nobody else would tell that there is none
            is_known = isinstance(error, JournalError | OSError)
            said = str(error) if is_known else f"{type(error).__name__}: {error}"
            message = (
                f"the report of {day.isoformat()} could not be written: {said}; trading goes on. Make room, then run "
                "ibkeel report"
            )
            self._alarm.on_event(AlarmRaised(at=self._clock.now(), name="day report", message=message))

    def _leave(self, day: date, snapshot: Snapshot) -> None:
        """In a thread of its own: reading a day's journal takes seconds, and a disk may hang."""
        with Journal.open(self._journal, read_only=True) as journal:
            report = report_of(journal, day, snapshot=snapshot)
        self._folder.mkdir(parents=True, exist_ok=True)
        write_private(self._folder / f"{day.isoformat()}.html", report_page(report))
        write_private(self._folder / f"{day.isoformat()}.json", json.dumps(report.as_data(), indent=2))


def write_private(path: Path, text: str) -> None:
    """Write a file, whole or not at all, for its owner's eyes only.

    Args:
        path: It is replaced when it exists.
        text: What is to be in it.
    """
    new = path.with_name(f"{path.name}.new")
    claim_anew(new)
    new.write_text(text, encoding="utf-8")
    new.replace(path)
