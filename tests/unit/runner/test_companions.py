"""What runs beside the cycles: whatever breaks is begun again, and a person hears what it means."""

import asyncio

import attrs
import pytest

from ibkeel.journal import Failure, Journal
from ibkeel.runner.crew import beside, crew_of
from ibkeel.telemetry import AlarmRaised
from ibkeel.testing import FakeBroker
from ibkeel.virtual import virtual_clock

NAMES = {
    "watch": "nobody hears what becomes of orders",
    "protector": "no stop that is missing is replaced",
    "halting": "no entry is cancelled",
    "supervisor": "no entry is withdrawn",
    "flattening": "nobody hears a request to close everything",
}


class BreaksOnce:
    """Breaks when it is first begun."""

    def __init__(self):
        self.begun = 0

    async def run(self):
        self.begun += 1
        if self.begun == 1:
            raise ZeroDivisionError
        await asyncio.Event().wait()


class Told:
    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)


@pytest.mark.parametrize("name", NAMES)
async def test_a_companion_that_breaks_is_told_of_and_begun_again(name, tmp_path):
    fragile, told = BreaksOnce(), Told()
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        crew = crew_of(
            FakeBroker(), journal, run="r1", symbols=("SPY",), clock=virtual_clock(), observer=told
        )

        tasks = [asyncio.create_task(one) for one in attrs.evolve(crew, **{name: fragile}).companions()]
        await asyncio.sleep(5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        failures = [entry.record.kind for entry in journal.events(Failure)]

    [alarm] = [event for event in told.events if isinstance(event, AlarmRaised)]
    assert NAMES[name] in alarm.message
    assert fragile.begun == 2
    assert "ZeroDivisionError" in failures


async def test_of_a_record_that_the_journal_lacks_for_good_a_person_hears(tmp_path):
    told = Told()
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        crew = crew_of(
            FakeBroker(), journal, run="r1", symbols=("SPY",), clock=virtual_clock(), observer=told
        )

        crew.recorder.keep(Failure(at=virtual_clock().now(), kind="NoData", message="half \ud83d of a pair"))
        failures = [entry.record for entry in journal.events(Failure)]

    [alarm] = [event for event in told.events if isinstance(event, AlarmRaised)]
    assert alarm.name == "journal"
    assert alarm.message.startswith("the journal lacks a record, and what it was about may be unknown")
    assert "this Failure cannot be written as data: UnicodeEncodeError" in alarm.message
    assert [(row.kind, row.service) for row in failures] == [("UnwritableRecord", "journal")]


async def test_a_cancel_that_comes_while_companions_unwind_is_not_lost_and_leaves_them_to_unwind():
    ended = []

    async def companion():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(5)
            ended.append("companion")

    async def work():
        async with beside(companion(), companion()):
            await asyncio.sleep(1)

    working = asyncio.create_task(work())
    await asyncio.sleep(2)
    working.cancel()

    with pytest.raises(asyncio.CancelledError):
        await working
    assert ended == ["companion", "companion"]
