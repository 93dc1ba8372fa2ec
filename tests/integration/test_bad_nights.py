"""What a Gateway does at night, in the worst order: who is asked then, and what may not be believed."""

import asyncio
from contextlib import aclosing, suppress
from datetime import time

import attrs
import pytest

from ibkeel.errors import AccountMismatch, DataUnavailable, NotConnected, OrderRejected, RequestTimeout
from ibkeel.ibkr import Deadlines, IBKRBroker, IBKRConfig, SessionPolicy
from ibkeel.ibkr.windows import DEFAULT_WINDOWS
from ibkeel.model import Bracket, Grade, OrderState, OrderTicket, Stock
from ibkeel.resilience import Rule
from ibkeel.sim import SimulatedGateway, faults
from ibkeel.virtual import virtual_clock

SPY, QQQ = Stock("SPY"), Stock("QQQ")
BUY = OrderTicket(contract=SPY, side="BUY", quantity=1)
FAR = attrs.evolve(BUY, order_type="LMT", limit_price="1")


def alarms(on):
    return [(event.name, event.message) for event in on.told.of("AlarmRaised")]


def states(on):
    return [event.after for event in on.told.of("SessionChanged")]


async def read(broker, contract, quotes):
    async with aclosing(broker.stream_quotes(contract)) as stream:
        async for quote in stream:
            quotes.append(quote)


def bracket(option, **changes):
    entry = OrderTicket(contract=option, side="BUY", quantity=2, order_type="LMT", limit_price="0.5")
    return attrs.evolve(Bracket(entry=entry, stop_loss="0.25", take_profit="0.75"), **changes)


# Another account.


@pytest.mark.parametrize("orders", ["PAPER", "DRY_RUN"])
async def test_a_gateway_that_comes_back_with_another_account_is_refused(market, orders):
    await asyncio.sleep(600)
    clock, told = virtual_clock(), []

    class Observer:
        on_event = staticmethod(told.append)

    ours, other = (SimulatedGateway(market=market, clock=clock, account=name) for name in ("DU11", "DU22"))
    broker = IBKRBroker(IBKRConfig(orders=orders), clock=clock, observer=Observer(), jitter=lambda: 0.0)
    async with ours.listening("127.0.0.1", 4002):
        await broker.connect()
        placed = await broker.place(FAR)
    async with other.listening("127.0.0.1", 4002):
        await asyncio.sleep(600)

        with pytest.raises(NotConnected, match="stopped"):
            await broker.place(attrs.evolve(BUY, side="SELL", is_closing=True))
        [alarm] = [event for event in told if getattr(event, "name", "") == "session"]
        assert "the session cannot be resumed" in alarm.message
        assert (await broker.health()).check("handshake").remedy.startswith("make port, account")
        with pytest.raises(AccountMismatch):
            await broker.connect()
        assert other.counters.requests["place_order"] == 0
    async with ours.listening("127.0.0.1", 4002):
        await broker.connect()
        works = [(row.order_id, row.state) for row in await broker.open_orders()]
        assert works == ([(placed.order_id, OrderState.WORKING)] if orders == "PAPER" else [])
        await broker.disconnect()


async def test_a_login_that_was_refused_binds_nobody_to_its_account(market):
    clock = virtual_clock()
    live, paper = (SimulatedGateway(market=market, clock=clock, account=name) for name in ("U11", "DU22"))
    broker = IBKRBroker(IBKRConfig(orders="PAPER", port=4999), clock=clock, jitter=lambda: 0.0)
    async with live.listening("127.0.0.1", 4999):
        with pytest.raises(AccountMismatch):
            await broker.connect()
    async with paper.listening("127.0.0.1", 4999), broker:
        assert broker.is_connected


# Streams.


@pytest.mark.parametrize("code", [316, 10182, 10225])
async def test_a_stream_that_is_ended_before_it_ticks_is_asked_for_now_and_then_and_told_once(stage, code):
    async with stage() as on:
        quotes, bust = [], faults.AnsweredWith(when_request="market_data", code=code, text="no", duration=290)
        on.gateway.inject(bust)
        reading = asyncio.create_task(read(on.broker, SPY, quotes))
        await asyncio.sleep(280)

        assert len(on.board.asked("market_data")) == len(on.board.asked("cancel_market_data")) == 10
        assert [name for name, _ in alarms(on)] == ["stream of SPY"]
        assert f"said {code}, 'no'; it is asked for again every 30 s" in alarms(on)[0][1]
        await asyncio.sleep(40)
        assert quotes
        reading.cancel()


async def test_who_joins_a_stream_whose_data_were_taken_is_shown_no_price_from_before(stage):
    async with stage(competing_session_wait=60.0) as on:
        first, second = [], []
        readers = [asyncio.create_task(read(on.broker, SPY, first))]
        await asyncio.sleep(10)
        on.gateway.inject(faults.CompetingSession(duration=100.0))
        await asyncio.sleep(50)
        readers.append(asyncio.create_task(read(on.broker, SPY, second)))
        await asyncio.sleep(30)
        assert second == []
        await asyncio.sleep(60)

        assert (second[0].at - first[0].at).total_seconds() > 100
        for reader in readers:
            reader.cancel()


@pytest.mark.parametrize("revives", [True, False])
async def test_a_stream_whose_data_were_taken_gives_its_line_back(stage, revives):
    async with stage(competing_session_wait=60.0) as on:
        quotes = []
        reading = asyncio.create_task(read(on.broker, SPY, quotes))
        await asyncio.sleep(5)
        on.gateway.inject(faults.CompetingSession(duration=30.0, revives=revives))
        await asyncio.sleep(120)

        [taken, anew] = on.board.asked("market_data")
        assert [row["request_id"] for row in on.board.asked("cancel_market_data")] == [taken["request_id"]]
        assert (list(on.broker.open_lines), on.gateway.counters.open_lines) == ([anew["request_id"]], 1)
        reading.cancel()


async def test_a_quote_that_a_bust_ends_gives_its_line_back(stage):
    async with stage() as on:
        asking = asyncio.create_task(on.broker.quote(SPY))
        await asyncio.sleep(0.1)
        on.gateway.inject(faults.Bust())
        with pytest.raises(DataUnavailable, match="10225"):
            await asking
        await asyncio.sleep(1)

        assert on.gateway.counters.open_lines == 0


# Balances.


async def test_balances_are_read_however_often_the_servers_were_lost(stage):
    async with stage() as on:
        for _ in range(3):
            on.gateway.inject(faults.UpstreamLost(duration=5.0, restores_as=1102))
            await asyncio.sleep(30)

        assert (await on.broker.account()).net_liquidation > 0
        assert on.broker.explain_pacing() == "nothing waits"
        assert len(on.board.asked("account_summary")) == 1


# Orders.


async def test_a_bracket_whose_withdrawal_is_overtaken_by_the_end_of_the_session_is_of_unknown_state(stage):
    async with stage() as on:
        await on.broker.qualify(on.option)
        passes = on.told.on_event

        def end_at_the_refusal(event):
            passes(event)
            if getattr(event, "state", "") == "rejected":
                asyncio.get_running_loop().call_soon(on.broker.ib.disconnect)

        on.told.on_event = end_at_the_refusal

        with pytest.raises(RequestTimeout, match="their state is unknown"):
            await on.broker.place(bracket(on.option, take_profit="0.753"))


@pytest.mark.parametrize("restores_as", [1101, 1102])
async def test_an_order_that_the_loss_of_the_servers_overtakes_is_placed_once(stage, restores_as):
    async with stage() as on:
        await on.broker.qualify(SPY)
        on.gateway.inject(faults.UpstreamLost(duration=60.0, restores_as=restores_as, says_again_every=5.0))
        placed = await on.broker.place(BUY)
        await asyncio.sleep(120)

        [position] = await on.broker.positions()
        assert (placed.state, position.signed_quantity) == (OrderState.SENT, 1)
        assert [fill.order_id for fill in await on.broker.executions()] == [placed.order_id]
        assert alarms(on) == []


async def test_a_bracket_that_a_half_open_connection_swallows_is_found_whole(stage):
    async with stage() as on:
        await on.broker.qualify(on.option)
        on.gateway.inject(faults.HalfOpen(duration=90.0))
        placed = await on.broker.place(bracket(on.option))
        await asyncio.sleep(300)

        family = [placed.order_id, *(child.order_id for child in placed.children)]
        assert [row.order_id for row in await on.broker.open_orders()] == family
        assert len(on.gateway.venue.open_orders()) == 3
        assert states(on)[-2:] == ["syncing", "ready"]
        assert alarms(on) == []


async def test_a_list_that_was_lost_costs_those_with_little_patience_one_answer_and_not_all(stage):
    async with stage() as on:
        hasty, outcomes = on.broker.with_deadline(1.5), []
        on.board.kept_back = {"open_order_end"}
        for _ in range(4):
            with suppress(RequestTimeout):
                outcomes.append(await hasty.open_orders())
            on.board.kept_back = set()
            await asyncio.sleep(5)

        assert outcomes == [()] * 3


# Waits.


@pytest.mark.parametrize("every", [2, 20])
async def test_sessions_that_come_and_go_are_told_once(stage, every):
    async with stage() as on:
        for _ in range(600 // every):
            await asyncio.sleep(every)
            on.gateway.drop(1)
        await asyncio.sleep(10)

        assert states(on)[-1] == "ready"
        assert alarms(on) == [
            ("no session", "no lasting session for 60 s: the Gateway closed the connection")
        ]


async def test_a_gateway_that_goes_after_a_farm_broke_is_told_of_for_itself(stage):
    async with stage() as on:
        on.gateway.inject(faults.FarmBroken(duration=3600.0))
        await asyncio.sleep(1200)
        on.gateway.inject(faults.Restart(duration=600.0))
        await asyncio.sleep(1200)

        assert [name for name, _ in alarms(on)] == ["data farm", "no session", "data farm"]


async def test_who_gives_up_the_search_tells_a_person_and_all_who_still_wait(stage):
    async with stage(session=SessionPolicy(give_up_after=60.0)) as on:
        on.gateway.inject(faults.Restart(duration=6000.0))
        await asyncio.sleep(1)
        waits = [asyncio.create_task(on.broker.ready()) for _ in range(3)]
        await asyncio.sleep(1)
        waits[0].cancel()
        waits[1].cancel()
        outcomes = await asyncio.gather(*waits, return_exceptions=True)

        assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 2 + [NotConnected]
        assert [message[:31] for name, message in alarms(on) if name == "session"] == [
            "gave up looking for a session: "
        ]


async def test_quotes_that_the_end_of_the_session_overtakes_before_they_are_asked_end_so(stage):
    async with stage() as on:
        asking = asyncio.create_task(on.broker.quotes([SPY, QQQ]))
        await asyncio.sleep(0)
        await on.broker.disconnect()

        with pytest.raises(NotConnected, match="nothing was sent"):
            await asking


async def test_whoever_joins_a_question_for_the_time_hears_of_its_end(stage):
    async with stage(deadlines=Deadlines(probe=5.0)) as on:
        on.board.kept_back = {"current_time"}
        await asyncio.sleep(1)
        first = asyncio.create_task(on.broker.server_time())
        await asyncio.sleep(3)

        with pytest.raises(RequestTimeout, match="within 5 s"):
            await on.broker.with_deadline(4).server_time()
        with pytest.raises(RequestTimeout):
            await first


async def test_a_refused_preview_is_an_answer(stage):
    async with stage() as on:
        no = faults.AnsweredWith(when_request="what_if_order", code=201, text="no margin", times=1)
        on.gateway.inject(no)
        with pytest.raises(OrderRejected):
            await on.broker.preview(FAR)

        assert (await on.broker.health()).is_ok


async def test_at_the_hour_of_the_reset_health_says_to_wait(stage):
    window = attrs.evolve(DEFAULT_WINDOWS[0], weekdays=range(7), begins=time(9, 0), ends=time(11, 0))
    async with stage(reset_windows=(window,)) as on:
        on.gateway.inject(faults.Restart(duration=600.0))
        await asyncio.sleep(5)

        check = (await on.broker.health()).check("session")
        assert (check.evidence.partition(":")[0], check.remedy[:4]) == ("maintenance", "wait")


async def test_a_probe_that_our_own_limits_keep_back_is_not_called_a_half_open_connection(stage):
    rule = Rule(name="mine", limit=30, seconds=300.0, source="a program's own")
    async with stage(pacing_rules=(rule,)) as on:
        for _ in range(40):
            on.broker.ib.client.reqIds(1)

        check = (await on.broker.health()).check("server time")
        assert (check.grade, "behind the limit mine" in check.evidence) == (Grade.DEGRADED, True)
        assert check.remedy.startswith("explain_pacing()")
