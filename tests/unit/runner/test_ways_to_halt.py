"""Every way to halt ends in the same: no entry, and those that work are cancelled within seconds."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from ibkeel.cli.app import run
from ibkeel.journal import Purpose
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
    rows = [(second, 4.0 if second < 65 else 5.0) for second in range(0, 3600, 5)]

    async def beside(broker, runner):
        await asyncio.sleep(HALTED_AFTER)
        before = len(await broker.open_orders())
        way(runner, path)
        await asyncio.sleep(6)
        return before, len(await broker.open_orders())

    world = held_day(
        config={"entry_lifetime": 3000.0, "reprice_every": None},
        quotes=[
            Quote(
                contract=CALL,
                at=OPEN + timedelta(seconds=at),
                bid=bid,
                ask=bid + 0.05,
                last=bid,
                volume=500.0,
            )
            for at, bid in rows
        ],
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
