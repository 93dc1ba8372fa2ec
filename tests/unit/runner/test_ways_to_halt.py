"""Every way to halt ends in the same: no entry, and those that work are cancelled within seconds."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from ibkeel.cli.app import run
from ibkeel.model import Option, Quote, Right
from ibkeel.runner import Halt, RiskConfig, Safety

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
