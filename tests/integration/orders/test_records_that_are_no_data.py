"""A record that cannot be written as data: entries pass, exits leave, and all but that record is journaled."""

import asyncio
from datetime import date

import pytest

from ibkeel.journal import Decision, Failure, FillSeen, Intent
from ibkeel.model import Direction, Signal
from ibkeel.runner.flatten import flatten
from ibkeel.virtual import virtual_clock

DAY = date(2026, 1, 5)
HALF_A_PAIR = "half \ud83d of a pair"


class Thread:
    """Does the work between two turns of the loop, and brings back what it raised, as a thread does."""

    def run(self, _, work, *args):
        """In place of the loop's `run_in_executor`."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def do():
            try:
                done.set_result(work(*args))
            except Exception as error:  # noqa: BLE001 - whoever waits gets it
                done.set_exception(error)

        loop.call_soon(do)
        return done


@pytest.fixture(params=["in the loop", "in a thread"])
def a_crew(request, crew, monkeypatch):
    """Opens a crew whose journal is written in the loop, or in a thread."""

    def opened():
        if request.param == "in the loop":
            return crew()
        thread = Thread()
        monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", thread.run)
        return crew(executor=thread)

    return opened


def no_data():
    return Decision(
        at=virtual_clock().now(),
        symbol="SPY",
        signal=Signal(direction=Direction.NONE),
        outcome="refused",
        reasons=(HALF_A_PAIR,),
    )


async def test_it_holds_up_neither_entries_nor_exits(a_crew):
    async with a_crew() as on:
        recorder = on.desk._recorder
        recorder.note(no_data())
        await on.enter()
        recorder.keep(no_data())
        recorder.flush()
        held = await flatten(on.stage.broker, on.desk, session=DAY, wait=5, reason="now")
        await asyncio.sleep(30)

        assert (held, on.working(), recorder.waiting) == ((), [], 0)
        assert [entry.record.purpose.value for entry in on.journal.events(Intent)] == ["entry", "exit"]
        fills = [entry.record.execution.exec_id for entry in on.journal.events(FillSeen)]
        assert fills == [fill.exec_id for fill, _ in on.venue.executions()]
        lost = [entry.record for entry in on.journal.events(Failure) if entry.record.service == "journal"]
        assert [row.kind for row in lost] == ["UnwritableRecord"] * 2
        assert len(on.alarms()) == 2
        assert "the journal lacks a record" in on.alarms()[0].message


async def test_an_exit_leaves_though_its_own_record_is_no_data(a_crew):
    async with a_crew() as on:
        await on.enter()

        held = await flatten(on.stage.broker, on.desk, session=DAY, wait=5, reason=HALF_A_PAIR)
        await asyncio.sleep(30)

        assert (held, on.working()) == ((), [])
        assert [entry.record.purpose.value for entry in on.journal.events(Intent)] == ["entry"]
        assert len(list(on.journal.events(FillSeen))) == 2
        assert any("this Intent cannot be written" in alarm.message for alarm in on.alarms())
