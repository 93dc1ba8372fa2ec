"""Bots that kill themselves: a process that forks one for each job, a JSON object a line.

A bot trades; at the write point `kill_at` of its journal it sends itself SIGKILL. A write point
is each side of every statement that writes, and of every call by which a run hands over a record.
"""

import asyncio
import functools
import itertools
import json
import os
import signal
import sqlite3
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import attrs
from fast_time import FastClock, FastLoop, instant

from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.journal import Journal, highest_order_id, kind_of
from ibkeel.model import Direction, Signal
from ibkeel.runner import RiskConfig, Runner, RunnerConfig, Session
from ibkeel.runner.recorder import Recorder
from ibkeel.strategy import Needs

CLIENT_ID = 7
CONFIG = RunnerConfig(
    symbols=("SPY",),
    interval=5,
    preset="standard",
    entries_stop_before_close=0,
    flatten_before_close=70,
    exit_wait=10,
)
RISK = RiskConfig(risk_fraction=0.05, max_quote_age=3600, cooldown=3600)


class WritePoints:
    """Counts write points, and kills this process at one of them.

    Args:
        kill_at: The last one: its number, counted from 1, or its name; None for none.
        told: File to which each one's name goes.
    """

    def __init__(self, kill_at, told):
        self._kill_at, self._told, self._numbers = kill_at, told, itertools.count(1)

    def __call__(self, name):
        """Pass a point, unless it is the last."""
        number = next(self._numbers)
        os.write(self._told, f"{name}\n".encode())
        if self._kill_at in (number, name):
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, name, call):
        """The same call with a point on each side."""

        @functools.wraps(call)
        def wrapped(*args):
            self(f"before {name(*args)}")
            result = call(*args)
            self(f"after {name(*args)}")
            return result

        return wrapped


def instrument(points):
    """Put points around whatever writes the journal, in this process alone."""

    class Numbered(sqlite3.Connection):
        inserted = ""

        def execute(self, statement, *values):
            call, words = super().execute, statement.split()
            if words[0] == "SELECT" or (words[0] == "PRAGMA" and "=" not in words):
                return call(statement, *values)
            kind = self.inserted if words[0] == "COMMIT" else ""
            name = " ".join([*words[:3], kind]).strip()
            return points.around(lambda *_: name, call)(statement, *values)

        def executemany(self, statement, rows):
            return super().executemany(statement, self.passed(statement.split()[:3], rows))

        def passed(self, words, rows):
            for row in rows:
                self.inserted = row[2]
                points(" ".join(["before", *words, self.inserted]))
                yield row
                points(" ".join(["after", *words, self.inserted]))

    sqlite3.connect = functools.partial(sqlite3.connect, factory=Numbered)
    kept = Recorder.keep
    Recorder.keep = points.around(lambda _, record: f"keep {kind_of(record)}", kept)
    recorded = Recorder.record

    async def record(self, record, patience=None):
        points(f"before record {kind_of(record)}")
        await recorded(self, record, patience)
        points(f"after record {kind_of(record)}")

    Recorder.record = record


@attrs.frozen
class EntersOnce:
    """Wants to buy a call in every cycle; the cooldown lets it do so once."""

    name: str = "enters"

    def needs(self):
        return Needs(bars=(), memory=CONFIG.interval)

    def decide(self, _):
        return Signal(direction=Direction.UP, confidence=0.5)


@attrs.frozen
class OneSession:
    """A calendar of one session."""

    listed: Session

    def session(self, day):
        return self.listed if day == self.listed.day else None


def session_of(job):
    closes_at = instant(job["closes_at"])
    return Session(day=closes_at.date(), opens_at=closes_at - timedelta(hours=6.5), closes_at=closes_at)


async def trade(job):
    """One life of the bot, as `ibkeel run` puts it together."""
    clock = FastClock(job["began"], instant(job["start"]))
    session = session_of(job)
    if clock.now() >= session.closes_at:
        return
    config = IBKRConfig(port=job["port"], client_id=CLIENT_ID, orders="PAPER", quote_settle=0.05)
    async with IBKRBroker(config, clock=clock) as broker:
        with Journal.open(job["journal"]) as journal, ThreadPoolExecutor(1) as writer:
            broker.use_order_ids_above(highest_order_id(journal, CLIENT_ID))
            runner = Runner(
                broker,
                EntersOnce(),
                CONFIG,
                journal,
                risk=RISK,
                clock=clock,
                calendar=OneSession(session),
                mode="PAPER",
                executor=writer,
            )
            await runner.run(sessions=1)


def live(job):
    """The bot's whole life; the exit code is 0 when it was not killed."""
    told = os.open(job["told"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    instrument(WritePoints(job["kill_at"], told))
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        runner.run(trade(job))


def in_child(work, *args):
    """Do the work in a child of this process and return the child's number."""
    child = os.fork()
    if child:
        return child
    try:
        work(*args)
    except BaseException:  # noqa: BLE001 - a child must never return into its parent's code
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def tell(job):
    """Let a bot live in a child, and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, status = os.waitpid(in_child(live, job), 0)
    answer = {"job": job["job"], "code": os.waitstatus_to_exitcode(status)}
    os.write(sys.stdout.fileno(), f"{json.dumps(answer)}\n".encode())


def main():
    """Begin a life for each job; several may last at the same time."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who tell
    for line in sys.stdin:
        in_child(tell, json.loads(line))


if __name__ == "__main__":
    main()
