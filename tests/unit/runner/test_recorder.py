import asyncio
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from datetime import UTC, datetime

import attrs
import pytest

from ibkeel.errors import JournalError, UnwritableRecord
from ibkeel.journal import Failure, Journal
from ibkeel.runner.recorder import Recorder

AT = datetime(2025, 3, 14, 14, 0, tzinfo=UTC)


def failure(message):
    return Failure(at=AT, kind="RequestTimeout", message=message)


@pytest.fixture
def journal(tmp_path):
    with Journal.open(tmp_path / "journal.sqlite") as opened:
        yield opened


def full(*_):
    raise JournalError("disk full")


def messages(journal):
    return [entry.record.message for entry in journal.events(Failure)]


def test_a_record_that_cannot_be_kept_is_written_with_the_next_one_in_order(journal, monkeypatch, caplog):
    recorder = Recorder(journal)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "record_all", full)
        recorder.keep(failure("first"))
    waited = recorder.waiting

    recorder.keep(failure("second"))

    assert (waited, recorder.waiting) == (1, 0)
    assert messages(journal) == ["first", "second"]
    assert "disk full" in caplog.text


async def test_a_record_that_must_be_written_is_refused_and_not_tried_again(journal, monkeypatch):
    recorder = Recorder(journal)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "record_all", full)
        with pytest.raises(JournalError):
            await recorder.record(failure("entry"))

    await recorder.record(failure("later"))

    assert messages(journal) == ["later"]


class ByHand(Executor):
    """Does the work when it is told to."""

    def __init__(self):
        self.jobs = []

    def submit(self, work, /, *args):
        done = Future()
        self.jobs.append((done, work, args))
        return done

    def do(self):
        """Do the first job, in this thread."""
        done, work, args = self.jobs.pop(0)
        try:
            done.set_result(work(*args))
        except JournalError as error:
            done.set_exception(error)


async def turns():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_slow_disk_holds_back_only_those_who_wait_for_it(journal):
    disk = ByHand()
    recorder = Recorder(journal, disk)

    waiting = asyncio.ensure_future(recorder.record(failure("intent")))
    await turns()
    recorder.keep(failure("meanwhile"))
    was_waiting = not waiting.done()
    disk.do()
    await waiting
    disk.do()
    await recorder.drain()

    assert was_waiting
    assert recorder.waiting == 0
    assert messages(journal) == ["intent", "meanwhile"]


async def test_what_comes_during_a_write_is_written_in_one_go_after_it(journal):
    disk = ByHand()
    recorder = Recorder(journal, disk)
    for name in ("a", "b", "c"):
        recorder.keep(failure(name))

    disk.do()
    await turns()
    disk.do()
    await recorder.drain()

    assert disk.jobs == []
    assert messages(journal) == ["a", "b", "c"]


async def test_a_refused_record_is_told_to_the_one_who_waits_and_the_others_stay(
    journal, monkeypatch, caplog
):
    disk = ByHand()
    recorder = Recorder(journal, disk)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "record_all", full)
        recorder.keep(failure("kept"))
        waiting = asyncio.ensure_future(recorder.record(failure("refused")))
        await turns()
        disk.do()
        await turns()
        disk.do()
        with pytest.raises(JournalError, match="disk full"):
            await waiting

    recorder.keep(failure("next"))
    disk.do()
    await recorder.drain()

    assert messages(journal) == ["kept", "next"]
    assert "disk full" in caplog.text


async def test_one_who_gives_up_waiting_leaves_the_record_to_be_written(journal):
    disk = ByHand()
    recorder = Recorder(journal, disk)
    waiting = asyncio.ensure_future(recorder.record(failure("intent")))
    await turns()

    waiting.cancel()
    await turns()
    disk.do()
    await recorder.drain()

    assert messages(journal) == ["intent"]


async def test_an_exit_waits_for_its_record_only_so_long(journal):
    recorder = Recorder(journal)

    await recorder.try_record(failure("exit"), 1.0)

    assert messages(journal) == ["exit"]


def test_a_thread_writes_while_the_loop_goes_on(journal, monkeypatch):
    may_write, ticks = threading.Event(), []
    write = journal.record_all
    monkeypatch.setattr(journal, "record_all", lambda records: may_write.wait(10) and write(records))

    async def main(thread):
        recorder = Recorder(journal, thread)
        waiting = asyncio.ensure_future(recorder.record(failure("intent")))
        for _ in range(100):
            await asyncio.sleep(0)
            ticks.append(waiting.done())
        await recorder.try_record(failure("exit"), 0.001)
        may_write.set()
        await waiting
        await recorder.drain()

    with ThreadPoolExecutor(1) as thread:
        asyncio.run(main(thread))

    assert ticks == [False] * 100
    assert messages(journal) == ["intent", "exit"]


async def test_what_is_noted_is_written_before_the_next_record_and_with_it(journal):
    recorder = Recorder(journal)
    recorder.note(failure("quote"))
    recorder.note(failure("decision"))
    noted, waiting = messages(journal), recorder.waiting

    await recorder.record(failure("intent"))

    assert (noted, waiting) == ([], 2)
    assert messages(journal) == ["quote", "decision", "intent"]


async def test_what_is_noted_is_written_at_the_end_of_a_cycle(journal):
    recorder = Recorder(journal)
    recorder.note(failure("decision"))

    recorder.flush()
    recorder.flush()

    assert messages(journal) == ["decision"]


async def test_what_is_noted_does_not_wait_for_long_nor_for_many(journal):
    recorder = Recorder(journal)

    recorder.note(failure("first"))
    await asyncio.sleep(1.5)
    recorder.note(failure("second"))
    after_a_second = len(messages(journal))
    for number in range(500):
        recorder.note(failure(str(number)))

    assert after_a_second == 2
    assert recorder.waiting == 0
    assert len(messages(journal)) == 502


async def test_what_was_noted_and_cannot_be_written_waits_while_an_order_is_refused(
    journal, monkeypatch, caplog
):
    recorder = Recorder(journal)
    recorder.note(failure("decision"))
    with monkeypatch.context() as patch:
        patch.setattr(journal, "record_all", full)
        recorder.flush()
        with pytest.raises(JournalError):
            await recorder.record(failure("intent"))

    recorder.flush()

    assert messages(journal) == ["decision"]
    assert "kind=Failure waiting=1" in caplog.text


def test_an_exit_waits_for_its_record_also_behind_what_is_being_written(journal):
    async def main(thread):
        recorder = Recorder(journal, thread)
        recorder.keep(failure("first"))
        await recorder.try_record(failure("exit"), 30.0)
        return recorder.waiting

    with ThreadPoolExecutor(1) as thread:
        waiting = asyncio.run(main(thread))

    assert waiting == 0
    assert messages(journal) == ["first", "exit"]


async def test_a_record_behind_a_batch_that_fails_has_its_own_attempt(journal, monkeypatch):
    disk = ByHand()
    recorder = Recorder(journal, disk)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "record_all", full)
        recorder.keep(failure("order update"))
        exit_ = asyncio.ensure_future(recorder.try_record(failure("exit"), 1.0))
        await turns()
    disk.do()
    await turns()
    is_gone_before = exit_.done()
    disk.do()
    await exit_

    assert not is_gone_before
    assert messages(journal) == ["order update", "exit"]
    assert recorder.waiting == 0


async def test_while_the_disk_stays_broken_each_record_has_one_attempt(journal, monkeypatch):
    disk = ByHand()
    recorder = Recorder(journal, disk)
    monkeypatch.setattr(journal, "record_all", full)
    exits = []
    for name in ("a", "b", "c"):
        recorder.keep(failure(name))
    exits.append(asyncio.ensure_future(recorder.try_record(failure("exit"), 1.0)))
    await turns()
    attempts = 0
    while disk.jobs:
        disk.do()
        attempts += 1
        await turns()

    assert attempts == 2
    assert exits[0].done()
    assert recorder.waiting == 4


UNWRITABLE = failure("half \ud83d of a pair")


@pytest.fixture(params=["the loop's thread", "a thread of its own"])
def writer(request):
    """What writes: the loop, or a thread."""
    if request.param == "the loop's thread":
        yield None
        return
    with ThreadPoolExecutor(1) as thread:
        yield thread


def test_a_record_that_is_no_data_holds_up_no_other_and_is_told_of(journal, writer, caplog):
    lost = []

    async def main():
        recorder = Recorder(journal, writer)
        recorder.lost = lost.append
        recorder.note(failure("before"))
        recorder.note(UNWRITABLE)
        recorder.note(failure("between"))
        recorder.note(attrs.evolve(UNWRITABLE))
        recorder.flush()
        await recorder.record(failure("entry"))
        await recorder.try_record(failure("exit"), 30.0)
        return recorder.waiting

    waiting = asyncio.run(main())

    assert waiting == 0
    assert messages(journal) == ["before", "between", "entry", "exit"]
    assert [type(error) for error in lost] == [UnwritableRecord] * 2
    assert lost[0].record is UNWRITABLE
    assert "record lost kind=Failure" in caplog.text


def test_whoever_waits_for_a_record_that_is_no_data_is_refused_and_nobody_else(journal, writer):
    lost = []

    async def main():
        recorder = Recorder(journal, writer)
        recorder.lost = lost.append
        return await asyncio.gather(
            recorder.record(failure("one")),
            recorder.record(UNWRITABLE),
            recorder.record(failure("another")),
            return_exceptions=True,
        )

    one, refused, another = asyncio.run(main())

    assert (one, another, lost) == (None, None, [])
    assert isinstance(refused, UnwritableRecord)
    assert refused.record is UNWRITABLE
    assert messages(journal) == ["one", "another"]


def test_an_exit_whose_record_is_no_data_goes_on_without_it(journal, writer, caplog):
    async def main():
        recorder = Recorder(journal, writer)
        await recorder.try_record(UNWRITABLE, 30.0)
        await recorder.record(failure("next"))

    asyncio.run(main())

    assert messages(journal) == ["next"]
    assert "record lost kind=Failure" in caplog.text


async def test_one_who_gave_up_waiting_for_what_is_no_data_is_told_nothing(journal):
    disk = ByHand()
    recorder = Recorder(journal, disk)
    waiting = asyncio.ensure_future(recorder.record(UNWRITABLE))
    await turns()

    waiting.cancel()
    await turns()
    disk.do()
    await recorder.drain()

    assert recorder.waiting == 0


def test_what_is_told_of_a_lost_record_may_be_recorded_itself(journal, writer):
    async def main():
        recorder = Recorder(journal, writer)
        recorder.lost = lambda error: recorder.keep(failure(type(error).__name__))
        for _ in range(300):
            recorder.note(attrs.evolve(UNWRITABLE))
        recorder.flush()
        await recorder.drain()

    asyncio.run(main())

    assert messages(journal) == ["UnwritableRecord"] * 300


def test_of_a_journal_that_takes_nothing_is_told_once_each_time(journal, monkeypatch):
    told = []
    recorder = Recorder(journal)
    recorder.lost = told.append
    for day in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(journal, "record_all", full)
            recorder.keep(failure(f"first {day}"))
            recorder.keep(failure(f"second {day}"))
        recorder.keep(failure(f"third {day}"))

    assert [str(error) for error in told] == ["disk full"] * 2
    assert len(messages(journal)) == 6


async def test_who_is_refused_is_told_by_that_alone(journal, monkeypatch):
    told = []
    recorder = Recorder(journal)
    recorder.lost = told.append
    with monkeypatch.context() as patch:
        patch.setattr(journal, "record_all", full)
        with pytest.raises(JournalError):
            await recorder.record(failure("entry"))
    assert told == []
