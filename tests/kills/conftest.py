"""Bots that are killed, and the venue that outlives them: each a process of its own."""

import itertools
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from pathlib import Path

import attrs
import pytest

from ibkeel.journal import FillSeen, Journal
from ibkeel.runner import Session
from ibkeel.runner.memory import remember

_HERE = Path(__file__).parent
_AT_ONCE = 6  # bots that live at the same time; most of a life is waiting
_START = datetime.fromisoformat("2026-01-05T20:58:10+00:00")
_CLOSE = datetime.fromisoformat("2026-01-05T21:00:00+00:00")


class Servant:
    """A process that answers each JSON line with one, in any order.

    Args:
        script: What it runs.
        folder: Where it leaves its locks and what it says of errors.
    """

    def __init__(self, script, folder):
        self._numbers, self._asked, self._writing = itertools.count(), {}, threading.Lock()
        self._said = (folder / f"{script}.err").open("w")
        self._process = subprocess.Popen(
            [sys.executable, str(_HERE / script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env={**os.environ, "IBKEEL_LOCKS": str(folder)},
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def ask(self, **job):
        """Hand over a job and wait for the answer."""
        number, answer = next(self._numbers), Future()
        with self._writing:
            self._asked[number] = answer
            self._process.stdin.write(json.dumps({"job": number, **job}) + "\n")
            self._process.stdin.flush()
        return answer.result(timeout=60)

    def _read(self):
        for line in self._process.stdout:
            answer = json.loads(line)
            self._asked.pop(answer.pop("job")).set_result(answer)

    def close(self):
        """Let it end."""
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._reader.join(timeout=30)
        self._process.stdout.close()
        self._said.close()


@attrs.frozen(kw_only=True)
class Aftermath:
    """What was found when the last bot had ended by itself.

    Args:
        ends: Exit codes of the bots, -9 for SIGKILL.
        points: Names of the write points that each bot passed.
        integrity: What SQLite said of the file after each bot.
        book: The venue's.
        states: Of our orders as the journal has them, by name.
        fills: Ids of the fills in the journal, in order.
    """

    ends: tuple[int, ...]
    points: tuple[tuple[str, ...], ...]
    integrity: tuple[str, ...]
    book: Mapping[str, object]
    states: Mapping[str, str]
    fills: tuple[str, ...]

    def faults(self):
        """In what the journal and the venue differ, or what else should not be; empty when all is well."""
        orders = self.book["orders"]
        names, numbers = [name for name, *_ in orders], [number for _, number, *_ in orders]
        theirs = {name: _end(status) for name, _, status, _ in orders}
        found = {
            "a bot failed": [code for code in self.ends if code not in (0, -9)],
            "the last bot was killed": self.ends[-1] != 0,
            "the file is damaged": [said for said in self.integrity if said != "ok"],
            "the venue failed": self.book["failures"],
            "sent twice": sorted({name for name in names if names.count(name) > 1}),
            "a number was used twice": sorted({number for number in numbers if numbers.count(number) > 1}),
            "sent without an intent": sorted(set(names) - set(self.states)),
            "states differ": {
                name: (state, theirs.get(name, "never sent"))
                for name, state in self.states.items()
                if state != theirs.get(name, "cancelled")
            },
            "fills differ": sorted({fill for fill, *_ in self.book["fills"]} ^ set(self.fills)),
            "a fill is journaled twice": len(self.fills) - len(set(self.fills)),
            "still held": self.book["positions"],
        }
        return {what: value for what, value in found.items() if value}


def _end(status):
    return status.split()[0].lower()


def _integrity(path):
    if not path.exists():
        return "ok"  # killed before there was a file
    with closing(sqlite3.connect(path)) as file:
        return file.execute("PRAGMA integrity_check").fetchone()[0]


class Stage:
    """A venue and bots that are killed.

    Args:
        folder: For journals.
        venue: The process that keeps the books.
        bots: The process that forks bots.
    """

    def __init__(self, folder, venue, bots):
        self._folder, self._venue, self._bots = folder, venue, bots

    def play_all(self, plays):
        """The aftermath of each play: a sequence of the points at which one bot after the other is killed."""
        first = len(list(self._folder.iterdir()))
        with ThreadPoolExecutor(_AT_ONCE) as lanes:
            return list(lanes.map(self._play, itertools.count(first), plays))

    def _play(self, number, kills):
        folder = self._folder / str(number)
        folder.mkdir()
        journal = folder / "journal.sqlite"
        where = self._venue.ask(do="open", start=_START.isoformat())
        job = {**where, "journal": str(journal), "closes_at": _CLOSE.isoformat()}
        lives = []
        for life, kill_at in enumerate((*kills, None)):
            told = folder / f"points-{life}"
            code = self._bots.ask(**job, kill_at=kill_at, told=str(told))["code"]
            lives.append((code, tuple(told.read_text().splitlines()), _integrity(journal)))
        book = self._venue.ask(do="book", port=where["port"])
        self._venue.ask(do="close", port=where["port"])
        ends, points, integrity = zip(*lives, strict=True)
        return Aftermath(ends=ends, points=points, integrity=integrity, book=book, **_told(journal))


def _told(path):
    """States and fills as a run that took over would have them."""
    session = Session(day=_CLOSE.date(), opens_at=_CLOSE - timedelta(hours=6.5), closes_at=_CLOSE)
    with Journal.open(path) as journal:
        memory = remember(journal, session)
        fills = tuple(entry.record.execution.exec_id for entry in journal.events(FillSeen))
    return {"states": {name: order.state.value for name, order in memory.orders.items()}, "fills": fills}


@pytest.fixture
def killing(tmp_path):
    """Plays lives of bots that are killed."""
    with ExitStack() as stack:
        servants = [Servant(script, tmp_path) for script in ("venue.py", "bot.py")]
        for servant in servants:
            stack.callback(servant.close)
        (tmp_path / "plays").mkdir()
        yield Stage(tmp_path / "plays", *servants)
