"""`ibkeel flatten` when no bot runs: a session under the bot's client id, on a simulated Gateway."""

import asyncio
import errno
import os
import re
import sqlite3
from contextlib import AsyncExitStack, asynccontextmanager, closing

import attrs
import pytest

from ibkeel.cli import flattening
from ibkeel.cli.flattening import (
    FlattenOptions,
    flatten_directly,
    flatten_over_a_session,
    plan_over_a_session,
)
from ibkeel.errors import ConfigurationError, JournalError, JournalInUse, OrderRefused, RequestTimeout
from ibkeel.ibkr import IBKRBroker, IBKRConfig, OrderMode
from ibkeel.journal import FillSeen, Intent, Journal, OrderUpdate, Purpose, RunEnded, RunStarted, store
from ibkeel.model import Bracket, ClientOrderId, Direction, OrderTicket, Signal, Stock
from ibkeel.orders import EntryIntent
from ibkeel.runner import BotConfig, GatewayConfig
from ibkeel.sim import SimulatedGateway, faults
from ibkeel.virtual import virtual_clock, virtual_process

NAME, OTHER = ClientOrderId("ibk-20260105-r1-0001"), ClientOrderId("ibk-20260105-r1-0002")
REFUSED = {"when_request": "place_order", "code": 201, "text": "Order rejected - reason:"}
SPY, QQQ = Stock("SPY"), Stock("QQQ")


@pytest.fixture
def held(market, tmp_path):
    """A bot has bought SPY behind a stop and was killed; somebody else holds QQQ."""

    @asynccontextmanager
    async def opened(mode="PAPER", *, all_ours=False):
        await asyncio.sleep(600)
        clock = virtual_clock()
        gateway = SimulatedGateway(market=market, clock=clock)
        path = tmp_path / "journal.sqlite"
        async with gateway.listening("127.0.0.1", 4002):
            await _trade(NAME, path, 1, SPY)
            await _trade(*((OTHER, path, 1) if all_ours else (None, None, 9)), QQQ)
            config = BotConfig(gateway=GatewayConfig(orders=mode))
            yield gateway, config, path

    async def _trade(name, path, client_id, contract):
        clock = virtual_clock()
        config = IBKRConfig(orders="PAPER", client_id=client_id)
        async with IBKRBroker(config, clock=clock, jitter=lambda: 0.0) as broker:
            entry = OrderTicket(contract=contract, side="BUY", quantity=3, client_order_id=name)
            order = Bracket(entry=entry, stop_loss=200) if name else entry
            if name:
                intent = EntryIntent(
                    client_order_id=name, symbol=contract.symbol, at=clock.now(), signal=Signal(direction=Direction.UP), bracket=order
                )  # fmt: skip
                with Journal.open(path) as journal:
                    started = RunStarted(
                        at=clock.now(), run="r1", session=clock.now().date(), mode="PAPER", strategy="s"
                    )
                    for record in (started, Intent.of(intent)):
                        journal.record(record)
            await broker.place(order)
            await asyncio.sleep(5)

    return opened


def options(path, **more):
    return FlattenOptions(
        journal=path, state=path.parent, port=4002, client_id=7, follow_gateway=True, **more
    )


async def test_what_the_bot_holds_is_closed_and_nothing_else(held):
    async with held() as (gateway, config, path):
        plan = await plan_over_a_session(config, options(path))
        done = await flatten_over_a_session(config, options(path), OrderMode.PAPER)
        (kept,) = gateway.venue.positions()
        working = gateway.venue.open_orders()

    assert plan.sentence() == "cancel 0 working entries and close +3 SPY"
    assert (done.closed, done.untouched, done.is_flat) == (("+3 SPY",), ("+3 QQQ",), True)
    assert (kept.contract.symbol, working) == ("QQQ", [])
    with Journal.open(path, read_only=True) as journal:
        intents = [entry.record for entry in journal.events(Intent)]
        assert [row.purpose for row in intents] == [Purpose.ENTRY, Purpose.EXIT]
        assert intents[1].client_order_id.startswith("ibk-20260105-r2c")
        assert (journal.count(RunStarted), journal.count(RunEnded)) == (2, 1)
        assert journal.count(OrderUpdate) > 0


async def test_a_fill_that_the_bot_journaled_is_not_journaled_again(held):
    async with held() as (_, config, path):
        await flatten_over_a_session(config, options(path), OrderMode.PAPER)
        await flatten_over_a_session(config, options(path), OrderMode.PAPER)

    with Journal.open(path, read_only=True) as journal:
        fills = [entry.record.execution for entry in journal.events(FillSeen)]
    assert [fill.side.value for fill in fills] == ["BUY", "SELL"]


async def test_what_filled_while_no_bot_ran_is_closed_on_the_next_day_too(held):
    async with held() as (gateway, config, path):
        await asyncio.sleep(24 * 3600)

        done = await flatten_over_a_session(config, options(path), OrderMode.PAPER)

        assert (done.closed, done.untouched, done.is_flat) == (("+3 SPY",), ("+3 QQQ",), True)
        assert [row.contract.symbol for row in gateway.venue.positions()] == ["QQQ"]


async def test_an_exit_that_waits_for_the_opening_is_named_and_gets_no_stop_beside_it(held):
    async with held() as (gateway, config, path):
        await asyncio.sleep(8 * 3600)

        done = await flatten_over_a_session(config, options(path), OrderMode.PAPER)
        works = [(order.order_type, order.action) for order in gateway.venue.open_orders()]
        await asyncio.sleep(16 * 3600)
        symbols = [row.contract.symbol for row in gateway.venue.positions()]

    assert ([row.contract for row in done.left], done.is_flat) == (["SPY"], False)
    assert works == [("MKT", "SELL")]
    assert symbols == ["QQQ"]


async def test_everything_is_closed_where_that_is_wanted(held):
    async with held() as (gateway, config, path):
        done = await flatten_over_a_session(config, options(path, everything=True), OrderMode.PAPER)

        assert done.is_flat
        assert sorted(done.closed) == ["+3 QQQ", "+3 SPY"]
        assert gateway.venue.positions() == []


async def test_a_plan_sends_nothing(held):
    async with held("DRY_RUN") as (gateway, config, path):
        before = gateway.counters.requests["place_order"]
        plan = await plan_over_a_session(config, options(path, everything=True))

        assert gateway.counters.requests["place_order"] == before
        assert len(plan.positions) == 2


async def test_without_the_bots_journal_nothing_is_called_flat(held):
    async with held() as (gateway, config, path):
        elsewhere = options(path.with_name("other.sqlite"))

        with pytest.raises(ConfigurationError, match="nothing was closed"):
            await flatten_over_a_session(config, elsewhere, OrderMode.PAPER)
        done = await flatten_over_a_session(config, attrs.evolve(elsewhere, everything=True), OrderMode.PAPER)

        assert done.is_flat
        assert gateway.venue.positions() == []
        with pytest.raises(ConfigurationError, match="nothing was closed"):
            await flatten_over_a_session(config, elsewhere, OrderMode.PAPER)


@pytest.fixture
def full_disk(monkeypatch):
    """From now on no journal can be opened for writing."""

    def fill():
        def refused(_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(store, "create", refused)

    return fill


async def test_on_a_full_disk_the_bots_positions_are_closed_all_the_same(held, full_disk, capsys):
    async with held() as (gateway, config, path):
        full_disk()

        done = await flatten_over_a_session(config, options(path), OrderMode.PAPER)

        assert (done.closed, done.is_flat) == (("+3 SPY",), True)
        assert [row.contract.symbol for row in gateway.venue.positions()] == ["QQQ"]
    assert "will not be in the journal: journal" in capsys.readouterr().err


async def test_a_journal_that_cannot_be_read_either_keeps_nobody_from_closing_everything(held, full_disk):
    async with held() as (gateway, config, path):
        for file in path.parent.glob("journal.sqlite*"):
            file.write_text("no database, but long enough to be taken for one" * 100)
        full_disk()

        with pytest.raises(JournalError):
            await flatten_over_a_session(config, options(path), OrderMode.PAPER)
        done = await flatten_over_a_session(config, options(path, everything=True), OrderMode.PAPER)

        assert done.is_flat
        assert gateway.venue.positions() == []


async def test_a_journal_that_somebody_writes_is_left_to_them_with_their_client_id(held):
    async with held() as (gateway, config, path):
        before = gateway.counters.requests["start_api"]
        with Journal.open(path):
            with pytest.raises(JournalInUse):
                await plan_over_a_session(config, options(path))
            with pytest.raises(JournalInUse):
                await flatten_over_a_session(config, options(path), OrderMode.PAPER)

        assert gateway.counters.requests["start_api"] == before > 0


@pytest.fixture
def virtual_machine(monkeypatch):
    """The machine's clock goes with the loop: a fill settles in seconds of the test."""
    monkeypatch.setattr(flattening, "SystemClock", virtual_clock)


def stops(gateway):
    rows = gateway.venue.open_orders()
    return sorted(row.contract.symbol for row in rows if row.order_type == "STP")


@pytest.mark.usefixtures("virtual_machine")
async def test_what_is_left_gets_its_stop_back_though_another_exit_has_just_filled(held, capsys):
    async with held(all_ours=True) as (gateway, config, path):
        gateway.inject(faults.AnsweredWith(skip=1, times=1, **REFUSED))

        done = await flatten_over_a_session(config, options(path), OrderMode.PAPER)

        assert (done.closed, [row.contract for row in done.left]) == (("+3 QQQ",), ["SPY"])
        assert stops(gateway) == ["SPY"]
    assert "left open: +3 SPY, behind a stop at 200.0" in capsys.readouterr().err


@pytest.mark.usefixtures("virtual_machine")
async def test_when_positions_cannot_be_read_any_more_the_stops_come_back_and_the_run_ends_in_order(held):
    async with held(all_ours=True) as (gateway, config, path):
        gateway.inject(faults.AnsweredWith(times=2, **REFUSED))
        gateway.inject(faults.Unanswered(when_request="positions", skip=6, times=2))

        with pytest.raises(RequestTimeout):
            await flatten_over_a_session(config, options(path, wait=1.0), OrderMode.PAPER)

        assert stops(gateway) == ["QQQ", "SPY"]
    with Journal.open(path, read_only=True) as journal:
        ended = journal.last(RunEnded).record
    assert ended.outcome == "failed"
    assert ended.detail.count("behind a stop") == 2


@pytest.mark.usefixtures("virtual_machine")
async def test_whoever_interrupts_it_leaves_no_position_without_its_stop(held):
    async with held(all_ours=True) as (gateway, config, path):
        gateway.inject(faults.AnsweredWith(times=1, **REFUSED))
        gateway.inject(faults.Unanswered(when_request="positions", skip=5, times=3))
        task = asyncio.create_task(flatten_over_a_session(config, options(path), OrderMode.PAPER))
        await asyncio.sleep(5)
        before = stops(gateway)

        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert (before, stops(gateway)) == ([], ["QQQ", "SPY"])


@pytest.mark.usefixtures("virtual_machine")
async def test_where_no_order_is_taken_any_more_it_ends_all_the_same_and_says_what_is_left(held, capsys):
    async with held() as (gateway, config, path):
        gateway.inject(faults.AnsweredWith(duration=3600.0, **REFUSED))
        loop = asyncio.get_running_loop()
        began = loop.time()

        done = await flatten_over_a_session(config, options(path, wait=1.0), OrderMode.PAPER)

        assert 60 < loop.time() - began < 300
        assert (done.is_flat, [str(row.contract) for row in done.left]) == (False, ["SPY"])
    with Journal.open(path, read_only=True) as journal:
        ended = journal.last(RunEnded).record
    assert ended.outcome == "left"
    assert "+3 SPY" in ended.detail
    assert "+3 SPY" in capsys.readouterr().err


def test_in_dry_run_it_is_said_what_would_be_done_and_nothing_is(held, market):
    opens_at = market.sessions(market.session_date, market.session_date)[0].opens_at
    with virtual_process(opens_at) as loop:
        stack = AsyncExitStack()
        gateway, config, path = loop.run_until_complete(stack.enter_async_context(held("DRY_RUN")))
        before = [row.status for row in gateway.venue.open_orders()]

        with pytest.raises(
            OrderRefused, match=r"nothing was sent; it would cancel 0 working entries and close \+3 SPY"
        ):
            flatten_directly(config, options(path))

        assert [row.status for row in gateway.venue.open_orders()] == before
        loop.run_until_complete(stack.aclose())


async def test_fills_that_cannot_be_read_keep_nothing_from_being_closed(held, capsys):
    async with held() as (gateway, config, path):
        gateway.inject(faults.Unanswered(when_request="executions", skip=1, times=1))

        done = await flatten_over_a_session(config, options(path), OrderMode.PAPER)

        assert (done.closed, done.is_flat) == (("+3 SPY",), True)
    assert "keeps nothing from being closed" in capsys.readouterr().err


async def test_a_record_that_cannot_be_read_keeps_nothing_else_from_being_closed(held, capsys):
    async with held(all_ours=True) as (_, config, path):
        with closing(sqlite3.connect(path)) as file:
            file.execute("""UPDATE events SET data = '{}' WHERE kind = 'intent' AND symbol = 'QQQ'""")
            file.commit()

        done = await flatten_over_a_session(config, options(path), OrderMode.PAPER)

        assert done.closed == ("+3 SPY",)
    said = capsys.readouterr().err
    assert re.search(r"not known: record 4 of .* is damaged: .*; compare orders and positions", said)


@pytest.mark.parametrize("seconds", [-7200.0, -180.0, 180.0, 7200.0])
async def test_a_clock_that_is_off_keeps_nobody_from_closing(held, monkeypatch, seconds):
    monkeypatch.setattr(flattening, "SystemClock", virtual_clock)
    async with held() as (gateway, config, path):
        gateway.inject(faults.ClockSkew(seconds=seconds, duration=3600.0))
        mine = attrs.evolve(options(path), follow_gateway=False)

        done = await flatten_over_a_session(config, mine, OrderMode.PAPER)

    assert (done.closed, done.is_flat) == (("+3 SPY",), True)


async def test_a_gateway_of_another_day_is_followed_only_when_told_so(held, monkeypatch):
    monkeypatch.setattr(flattening, "SystemClock", virtual_clock)
    async with held() as (gateway, config, path):
        gateway.inject(faults.ClockSkew(seconds=30 * 86400.0, duration=3600.0))
        mine = attrs.evolve(options(path), follow_gateway=False)

        with pytest.raises(
            ConfigurationError, match=r"clock is 30 days, 0:00:00 behind .*--follow-gateway-clock"
        ):
            await flatten_over_a_session(config, mine, OrderMode.PAPER)


@pytest.mark.usefixtures("virtual_machine")
async def test_a_gateway_that_does_not_tell_its_time_keeps_nobody_from_closing(held, capsys):
    async with held() as (gateway, config, path):
        gateway.inject(faults.Unanswered(when_request="current_time", times=1))
        mine = attrs.evolve(options(path), follow_gateway=False)

        done = await flatten_over_a_session(config, mine, OrderMode.PAPER)

    assert (done.closed, done.is_flat) == (("+3 SPY",), True)
    assert "the Gateway's time did not come, so this machine's counts" in capsys.readouterr().err
