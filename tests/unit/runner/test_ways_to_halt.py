"""Every way to halt ends in the same: no entry, and those that work are cancelled within seconds."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from ibkeel.cli.app import run
from ibkeel.errors import RequestTimeout
from ibkeel.journal import Failure, Journal, Purpose
from ibkeel.model import Option, Quote, Right
from ibkeel.runner import FlattenRequest, FlattenRequests, Halt, RiskConfig, Safety
from ibkeel.system import SystemClock

OPEN = datetime(2025, 3, 14, 13, 30, tzinfo=UTC)
CALL = Option("SPY", date(2025, 3, 21), 560, Right.CALL, trading_class="SPY")
HALTED_AFTER = 200.0


def by_command(_runner, _path):
    run(["halt", "--reason", "enough"])


def by_file(_runner, path):
    path.write_text("enough")


def by_call(runner, _path):
    runner.halt("enough")


def as_the_signal_does(runner, _path):
    # What SIGUSR1 is bound to; that it is, tests/unit/cli/test_halted_by_signal.py shows.
    asyncio.get_running_loop().call_soon(runner.halt, "enough")


def by_flatten(_runner, path):
    until = SystemClock().now() + timedelta(minutes=1)
    request = FlattenRequest(name="one", wait=20.0, everything=False, asked_until=until)
    FlattenRequests(path.parent, port=4002, client_id=7).ask(request)


@pytest.mark.parametrize("way", [by_command, by_file, by_call, as_the_signal_does])
def test_an_entry_that_works_is_cancelled_and_the_halt_holds(held_day, tmp_path, monkeypatch, way):
    monkeypatch.setenv("IBKEEL_STATE", str(tmp_path))
    path = tmp_path / "halt"

    async def beside(broker, runner):
        await asyncio.sleep(HALTED_AFTER)
        before = len(await broker.open_orders())
        way(runner, path)
        await asyncio.sleep(6)
        return before, len(await broker.open_orders())

    world = held_day(
        config={"entry_lifetime": 3000.0, "reprice_every": None},
        quotes=working_entry(),
        broker={"delays": {"place": 10.0}},
        beside=beside,
        safety=Safety.of(RiskConfig(), Halt(path)),
    )

    assert world.found == (2, 0)
    assert world.report.fills == 0
    assert "enough" in Halt(path).reason


@pytest.mark.parametrize("way", [by_command, by_file, by_call, as_the_signal_does, by_flatten])
def test_whatever_halted_them_the_command_that_lifts_it_lets_entries_pass_again(
    held_day, tmp_path, monkeypatch, way
):
    monkeypatch.setenv("IBKEEL_STATE", str(tmp_path))
    path = tmp_path / "halt"

    async def beside(_, runner):
        await asyncio.sleep(10)
        way(runner, path)
        await asyncio.sleep(20)
        return path.exists(), run(["halt", "--lift"])

    world = held_day(
        beside=beside,
        safety=Safety.of(
            RiskConfig(), Halt(path), requests=FlattenRequests(tmp_path, port=4002, client_id=7)
        ),
    )

    assert world.found == (True, 0)
    assert [row.purpose for row in world.intents][:1] == [Purpose.ENTRY]


def working_entry(seconds=3600):
    """An option whose price leaves the entry behind after a minute."""
    rows = [(second, 4.0 if second < 65 else 5.0) for second in range(0, seconds, 5)]
    return [
        Quote(contract=CALL, at=OPEN + timedelta(seconds=at), bid=bid, ask=bid + 0.05, last=bid, volume=500.0)
        for at, bid in rows
    ]


def failures_in(path):
    with Journal.open(path) as journal:
        return [(row.record.service, row.record.kind) for row in journal.events(Failure)]


def test_a_halt_that_was_called_is_lifted_by_a_call(held_day, tmp_path):
    async def beside(_, runner):
        await asyncio.sleep(10)
        runner.halt("enough")
        await asyncio.sleep(20)
        held = (tmp_path / "halt").exists()
        runner.lift_halt()
        return held, (tmp_path / "halt").exists()

    world = held_day(beside=beside, safety=Safety.of(RiskConfig(), Halt(tmp_path / "halt")))

    assert world.found == (True, False)
    assert [row.purpose for row in world.intents][:1] == [Purpose.ENTRY]


def test_a_halt_whose_file_cannot_be_written_holds_all_the_same_and_is_noted(held_day, tmp_path):
    path = tmp_path / "halt"

    async def beside(broker, runner):
        await asyncio.sleep(HALTED_AFTER)
        before = len(await broker.open_orders())
        path.mkdir()
        runner.halt("enough")
        await asyncio.sleep(6)
        return before, len(await broker.open_orders())

    world = held_day(
        config={"entry_lifetime": 3000.0, "reprice_every": None},
        quotes=working_entry(),
        broker={"delays": {"place": 10.0}},
        beside=beside,
        safety=Safety.of(RiskConfig(), Halt(path)),
    )

    assert world.found == (2, 0)
    assert failures_in(world.journal) == [("halt", "ConfigurationError")]


def test_entries_that_could_not_be_asked_for_are_cancelled_when_they_can_be(held_day):
    async def beside(broker, runner):
        await asyncio.sleep(HALTED_AFTER)
        broker.fail("open_orders", RequestTimeout("no answer"))
        runner.halt("enough")
        await asyncio.sleep(12)
        broker.heal("open_orders")
        before = len(await broker.open_orders())
        await asyncio.sleep(6)
        return before, len(await broker.open_orders())

    world = held_day(
        config={"entry_lifetime": 3000.0, "reprice_every": None},
        quotes=working_entry(),
        broker={"delays": {"place": 10.0}},
        beside=beside,
    )

    assert world.found == (2, 0)
    assert ("halt", "RequestTimeout") in failures_in(world.journal)
