"""Disks that are full, gone, in another's hands or slow: entries wait or are refused, exits leave."""

import asyncio
import errno
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import attrs
import pytest
from tests.disks import files_of_at_most

from ibkeel.errors import JournalError
from ibkeel.journal import FillSeen, Intent, OrderSettled, OrderUpdate
from ibkeel.journal import store as journal_store
from ibkeel.model import Bracket, Direction, OrderState, OrderTicket, Signal
from ibkeel.orders import RepricePolicy, build_bracket
from ibkeel.runner.flatten import flatten
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.supervisor import Entered, Supervisor
from ibkeel.runner.tally import Failures, Tally
from ibkeel.sim import faults
from ibkeel.virtual import virtual_clock

DAY = date(2026, 1, 5)
SIGNAL = Signal(direction=Direction.UP, confidence=0.5)
HOLDER = """
import sqlite3, sys
file = sqlite3.connect(sys.argv[1], isolation_level=None)
file.execute("BEGIN IMMEDIATE")
print("mine", flush=True)
sys.stdin.read()
"""


def no_room(journal):
    """No file of this process may grow beyond what the journal's log has now."""
    return files_of_at_most(Path(f"{journal.path}-wal").stat().st_size)


@contextmanager
def moved_away(journal):
    """The folder is somewhere else, and comes back."""
    folder = journal.path.parent
    away = folder.rename(folder.with_name("elsewhere"))
    try:
        yield
    finally:
        away.rename(folder)


@contextmanager
def another_in_its_place(journal):
    """Somebody put a fresh file where the journal was."""
    away = journal.path.rename(journal.path.with_name("elsewhere"))
    journal.path.touch()
    try:
        yield
    finally:
        away.rename(journal.path)


@contextmanager
def held_by_another_process(journal):
    """Somebody else writes, and does not end."""
    command = [sys.executable, "-c", HOLDER, str(journal.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        try:
            yield
        finally:
            holder.stdin.close()


@contextmanager
def read_only(journal):
    """SQLite itself refuses to write."""
    journal._connection.execute("PRAGMA query_only = 1")
    try:
        yield
    finally:
        journal._connection.execute("PRAGMA query_only = 0")


@contextmanager
def full(journal):
    """Another file takes what is left of the disk."""
    filler = journal.path.with_name("filler")
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        filler.write_bytes(bytes(1_000_000))
    try:
        yield
    finally:
        filler.unlink()


@pytest.fixture(autouse=True)
def _short_of_patience(monkeypatch):
    monkeypatch.setattr(journal_store, "_BUSY_SECONDS", 0.01)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a few hundred kilobytes, where that is allowed."""
    mount, folder = shutil.which("mount"), tmp_path / "disk"
    folder.mkdir()
    if (
        mount is None
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("mounting a small disk is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


async def suffer(on, mishap, words):
    """Entries are refused while it lasts, an exit leaves, and nothing that happened is missing after it."""
    await on.enter()

    with mishap(on.journal):
        with pytest.raises(JournalError, match=words):
            await on.enter()
        held = await flatten(on.stage.broker, on.desk, session=DAY, wait=5, reason="while it lasts")
    left = on.working()
    await on.enter()

    assert (held, left) == ((), [])
    fills = [entry.record.execution.exec_id for entry in on.journal.events(FillSeen)]
    assert fills == [fill.exec_id for fill, _ in on.venue.executions()]
    intents = [entry.record.purpose.value for entry in on.journal.events(Intent)]
    assert intents == ["entry", "exit", "entry"]
    states = {e.record.report.client_order_id: e.record.report.state for e in on.journal.events(OrderUpdate)}
    assert [state.value for state in states.values()] == [
        "filled",
        "cancelled",
        "filled",
        "filled",
        "acknowledged",
    ]
    assert on.desk.unknown_orders == 0
    [told] = [alarm.message for alarm in on.alarms() if alarm.name == "journal"]
    assert "may be unknown after a restart" in told


@pytest.mark.parametrize(
    ("mishap", "words"),
    [
        (no_room, "cannot be written: disk I/O error"),
        (read_only, "cannot be written: attempt to write a readonly database"),
        (held_by_another_process, "cannot be written: database is locked"),
        (moved_away, "cannot be written: .*No such file"),
        (another_in_its_place, "was replaced by another file"),
    ],
)
async def test_without_a_journal_no_entry_leaves_but_every_exit(crew, tmp_path, mishap, words):
    (tmp_path / "state").mkdir()
    async with crew(path=tmp_path / "state" / "journal.sqlite") as on:
        await suffer(on, mishap, words)


async def test_on_a_full_disk_no_entry_leaves_but_every_exit(crew, small_disk):
    async with crew(path=small_disk / "journal.sqlite") as on:
        await suffer(on, full, "cannot be written: database or disk is full")


class SlowDisk:
    """Takes its time for every write, one after the other: a thread on whose end virtual time does not wait.

    Args:
        seconds: For each.
    """

    def __init__(self, seconds):
        self.seconds, self._free_at = seconds, 0.0

    def run(self, _, work, *args):
        """In place of the loop's `run_in_executor`."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._free_at = max(self._free_at, loop.time()) + self.seconds
        loop.call_at(self._free_at, lambda: done.set_result(work(*args)))
        return done


@pytest.fixture
def slow_crew(crew, monkeypatch, tmp_path):
    """A crew whose journal is on a slow disk."""

    def opened(disk):
        monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", disk.run)
        return crew(path=tmp_path / f"{disk.seconds}.sqlite", executor=disk)

    return opened


async def took(doing):
    loop = asyncio.get_running_loop()
    began = loop.time()
    await doing
    return loop.time() - began


async def timed_entry(opened):
    """Seconds that an entry takes, and a quote that is asked for at the same time; and the fills."""
    async with opened as on:
        quote = await on.stage.broker.quote(on.stage.option)
        bracket = build_bracket(quote=quote, quantity=1)
        signal = Signal(direction=Direction.UP, confidence=0.5)
        seconds = await asyncio.gather(
            took(on.desk.enter("SPY", bracket, signal, DAY, "")),
            took(on.stage.broker.quote(on.stage.stock)),
        )
        await asyncio.sleep(30)
        return *seconds, len(list(on.journal.events(FillSeen)))


async def test_a_disk_that_takes_200_ms_a_commit_delays_that_order_by_as_much_and_nothing_else(
    crew, slow_crew
):
    order, quote, fills = await timed_entry(crew())

    slow_order, slow_quote, slow_fills = await timed_entry(slow_crew(SlowDisk(0.2)))

    assert slow_order - order == pytest.approx(0.2, abs=0.001)
    assert slow_quote == pytest.approx(quote, abs=0.001)
    assert fills == slow_fills == 1


async def test_an_exit_does_not_wait_for_a_disk_that_hangs(slow_crew):
    disk = SlowDisk(0.0)
    async with slow_crew(disk) as on:
        await on.enter()
        disk.seconds = 600.0

        seconds = await took(flatten(on.stage.broker, on.desk, session=DAY, wait=5, reason="now"))

        assert on.working() == []
        assert [row.quantity for row in on.venue.positions() if row.quantity] == []
        assert seconds < 5


async def test_two_records_that_come_while_the_disk_is_slow_are_written_in_their_order(slow_crew):
    async with slow_crew(SlowDisk(1.5)) as on:
        await on.enter()
        await flatten(on.stage.broker, on.desk, session=DAY, wait=5, reason="now")
        await asyncio.sleep(60)

        fills = [entry.record.execution.side.value for entry in on.journal.events(FillSeen)]
        assert fills == ["BUY", "SELL"]
        assert [entry.record.purpose.value for entry in on.journal.events(Intent)] == ["entry", "exit"]


async def test_an_entry_whose_record_a_hanging_disk_does_not_take_never_leaves(slow_crew):
    disk = SlowDisk(0.0)
    async with slow_crew(disk) as on:
        quote = await on.stage.broker.quote(on.stage.option)
        bracket = build_bracket(quote=quote, quantity=1)
        disk.seconds = 600.0
        entering = asyncio.ensure_future(on.desk.enter("SPY", bracket, SIGNAL, DAY, "", quote=quote))

        seconds = await took(asyncio.wait([entering]))
        await asyncio.sleep(1300)

        assert seconds == pytest.approx(10.0)
        with pytest.raises(JournalError, match="did not write Intent within 10 s"):
            entering.result()
        assert (on.stage.board.asked("place_order"), on.venue.positions()) == ([], [])
        assert on.desk.unknown_orders == 0


async def test_an_entry_given_up_while_the_disk_is_slow_is_journaled_as_never_sent(slow_crew):
    disk = SlowDisk(0.0)
    async with slow_crew(disk) as on:
        quote = await on.stage.broker.quote(on.stage.option)
        bracket = build_bracket(quote=quote, quantity=1)
        disk.seconds = 5.0
        entering = asyncio.ensure_future(on.desk.enter("SPY", bracket, SIGNAL, DAY, "", quote=quote))
        await asyncio.sleep(1)

        entering.cancel()
        await asyncio.wait([entering])
        await asyncio.sleep(30)

        assert entering.cancelled()
        assert (on.stage.board.asked("place_order"), on.desk.unknown_orders, on.desk.contracts) == ([], 0, ())
        (intent,) = [entry.record for entry in on.journal.events(Intent)]
        settled = [entry.record for entry in on.journal.events(OrderSettled)]
        # Or the next run, which finds the intent alone, would look for an order that nobody has.
        assert intent.client_order_id in {each.client_order_id for each in settled}
        assert {(each.state, each.reason) for each in settled} == {
            (
                OrderState.CANCELLED,
                "it never left: SafetyRefused: it was given up while its record was written",
            )
        }


async def test_an_exit_does_not_wait_for_an_entry_that_is_made_anew_while_the_disk_hangs(slow_crew):
    disk = SlowDisk(0.0)
    async with slow_crew(disk) as on:
        stock = OrderTicket(contract=on.stage.stock, side="BUY", quantity=2)
        await on.desk.enter("SPY", Bracket(entry=stock, stop_loss=300), SIGNAL, DAY, "")
        failures = Failures(Recorder(on.journal), Tally("t", ("SPY",)), virtual_clock(), on.stage.told)
        policy = RepricePolicy(lifetime=90, every=5, reach=1.0, collar=0.5)
        supervisor = Supervisor(on.stage.broker, on.desk, failures, virtual_clock(), policy)
        quote = await on.stage.broker.quote(on.stage.option)
        low = attrs.evolve(quote, bid=quote.bid - 0.30, ask=quote.ask - 0.30)
        bracket = build_bracket(quote=low, quantity=2)
        placed = await on.desk.enter("SPY", bracket, SIGNAL, DAY, "")
        supervisor.mind(placed, Entered(symbol="SPY", bracket=bracket, signal=SIGNAL, session=DAY))
        refused = faults.AnsweredWith(when_request="place_order", code=105, text="does not match", times=2)
        on.stage.gateway.inject(refused)
        disk.seconds = 600.0
        following = asyncio.create_task(supervisor.run())
        await asyncio.sleep(20)
        assert [row for row in on.working() if row[1] == "BUY"] == []  # cancelled, and not made anew yet

        stocks = [on.stage.stock]
        seconds = await took(
            flatten(on.stage.broker, on.desk, session=DAY, wait=5, reason="now", contracts=stocks)
        )

        following.cancel()
        assert (seconds < 5, on.venue.positions()) == (True, [])
