"""Health tells troubles apart, each with its tier, its grade and a remedy of its own."""

import asyncio
from contextlib import AsyncExitStack, aclosing, suppress

import attrs
import pytest

from ibkeel.errors import (
    AccountMismatch,
    ClientIdInUse,
    GatewayMute,
    GatewayRejected,
    GatewayUnreachable,
    IbkeelError,
    WrongLoopError,
)
from ibkeel.ibkr import Backoff, IBKRBroker, IBKRConfig
from ibkeel.model import BarSpec, Grade, OrderTicket, Stock
from ibkeel.resilience import BreakerPolicy, Deadlines
from ibkeel.sim import GatewaySettings, Latency, faults
from ibkeel.virtual import virtual_clock

SPY, QQQ = Stock("SPY"), Stock("QQQ")
FAR = OrderTicket(contract=SPY, side="BUY", quantity=5, order_type="LMT", limit_price="100")
BEHIND = 4902  # where the Gateway itself listens


async def refused(error, **config):
    """Health of a broker that could not connect."""
    broker = IBKRBroker(
        IBKRConfig(connect_backoff=Backoff(attempts=1), **config), clock=virtual_clock(), jitter=lambda: 0.0
    )
    with pytest.raises(error):
        await broker.connect()
    return await broker.health()


async def closed_port(on):
    return await refused(GatewayUnreachable, port=4999)


async def mute_port(on):
    on.gateway.inject(faults.Mute(duration=600.0))
    return await refused(GatewayMute, port=BEHIND, client_id=5)


async def id_in_use(on):
    return await refused(ClientIdInUse, port=BEHIND, client_id=1)


async def paper_and_live(on):
    return await refused(
        AccountMismatch, port=BEHIND, client_id=5, orders="LIVE", live_account="U7654321", account="DU1234567"
    )


async def half_open(on):
    await asyncio.sleep(2)  # an answer younger than a second is shared
    on.gateway.inject(faults.HalfOpen(duration=600.0))
    return await on.broker.health()


async def clock_off(on):
    await asyncio.sleep(2)
    on.gateway.inject(faults.ClockSkew(seconds=180.0, duration=600.0))
    return await on.broker.health()


async def undrained(on):
    await asyncio.sleep(1)
    loop = asyncio.get_running_loop()
    loop._move_to(loop.time() + 20.0)  # what time.sleep(20) does to a real loop
    return await on.broker.health()


async def upstream_lost(on):
    on.gateway.inject(faults.UpstreamLost(duration=600.0))
    await asyncio.sleep(1)
    return await on.broker.health()


async def farm_lost(on):
    on.gateway.inject(faults.FarmBroken(duration=600.0))
    await asyncio.sleep(1)
    return await on.broker.health()


async def competing(on):
    on.gateway.inject(faults.CompetingSession(duration=600.0))
    with suppress(IbkeelError):
        await on.broker.quote(SPY)
    return await on.broker.health()


async def not_permitted(on):
    on.gateway.inject(faults.NotEntitled(code=354))
    with suppress(IbkeelError):
        await on.broker.quote(SPY)
    return await on.broker.health()


async def read_only(on):
    text = "Error validating request.-'b_' : cause - The API interface is currently in Read-Only mode."
    on.gateway.inject(faults.AnsweredWith(when_request="place_order", code=321, text=text))
    with suppress(IbkeelError):
        await on.broker.place(FAR)
    return await on.broker.health()


async def service_down(on):
    on.gateway.inject(faults.Unanswered(when_request="historical_data", duration=600.0))
    with suppress(IbkeelError):
        await on.broker.with_deadline(5).bars(SPY, BarSpec())
    return await on.broker.health()


async def failed_list(on):
    on.gateway.inject(faults.Unanswered(when_request="open_orders", times=1))
    with suppress(IbkeelError):
        await on.broker.open_orders()
    return await on.broker.health()


TROUBLES = [
    (closed_port, "port", Grade.DOWN, "start the Gateway"),
    (mute_port, "handshake", Grade.DOWN, "dialog"),
    (id_in_use, "handshake", Grade.DOWN, "end the other program"),
    (paper_and_live, "handshake", Grade.DOWN, "make port, account and IBKRConfig.orders fit"),
    (half_open, "server time", Grade.DOWN, "half open"),
    (clock_off, "clock", Grade.DOWN, "turn on network time"),
    (undrained, "loop", Grade.DEGRADED, "asyncio.sleep"),
    (upstream_lost, "upstream", Grade.DOWN, "check the Gateway's network"),
    (farm_lost, "farm usfarm", Grade.DEGRADED, "wait for the farm"),
    (competing, "data path", Grade.DEGRADED, "end the other session"),
    (not_permitted, "data path", Grade.DEGRADED, "subscribe to the data"),
    (read_only, "order path", Grade.DOWN, "untick 'Read-Only API'"),
    (service_down, "service historical data", Grade.DEGRADED, "one request may try"),
    (failed_list, "order path", Grade.DEGRADED, "the error that its caller got"),
]


@pytest.fixture
def on_stage(stage):
    return lambda: stage(
        deadlines=Deadlines(probe=5.0), breakers={"historical data": BreakerPolicy(failures=1)}
    )


@pytest.mark.parametrize(
    ("trouble", "tier", "grade", "remedy"), TROUBLES, ids=lambda value: getattr(value, "__name__", "")
)
async def test_a_trouble_shows_in_its_tier_with_a_remedy(on_stage, trouble, tier, grade, remedy):
    async with on_stage() as on:
        assert (await on.broker.health()).is_ok

        health = await trouble(on)

        check = health.check(tier)
        assert (check.grade, remedy in check.remedy) == (grade, True)
        of_all = Grade.OK if tier == "clock" else grade  # the connection is as well by a wrong clock
        assert health.grade is max(of_all, health.grade, key=[Grade.OK, Grade.DEGRADED, Grade.DOWN].index)
        assert all(
            other.remedy for other in health.checks if other.grade is not Grade.OK and other.name != "session"
        )
        on.gateway.heal()


async def test_without_a_session_each_tier_that_is_down_says_what_to_do():
    broker = IBKRBroker(IBKRConfig(port=4999, connect_backoff=Backoff(attempts=1)), clock=virtual_clock())

    before = await broker.health()
    with pytest.raises(GatewayUnreachable):
        await broker.connect()
    failed = await broker.health()
    await broker.disconnect()
    after = await broker.health()

    for health, remedy in (
        (before, "call connect() first"),
        (failed, "call connect() to"),
        (after, "call connect() to"),
    ):
        down = [check for check in health.checks if check.grade is Grade.DOWN]
        assert {check.name for check in down} == {"port", "session"}
        assert all(check.remedy for check in down)
        assert remedy in health.check("session").remedy


def test_no_two_troubles_have_the_same_tier_and_remedy():
    assert len({(tier, remedy) for _, tier, _, remedy in TROUBLES}) == len(TROUBLES)


@pytest.mark.parametrize("trouble", [row[0] for row in TROUBLES[4:]], ids=lambda value: value.__name__)
async def test_only_the_tiers_that_a_trouble_touches_are_not_well(on_stage, trouble):
    touched = {
        half_open: {"server time"},
        clock_off: {"clock"},
        undrained: {"loop"},
        upstream_lost: {"upstream", "session"},
        farm_lost: {"farm usfarm", "session"},
        competing: {"data path"},
        not_permitted: {"data path"},
        read_only: {"order path"},
        service_down: {"data path", "service historical data"},
        failed_list: {"order path"},
    }
    async with on_stage() as on:
        health = await trouble(on)

        assert {check.name for check in health.checks if check.grade is not Grade.OK} == touched[trouble]
        on.gateway.heal()


@pytest.mark.parametrize("took", [0.0, 3.0])
@pytest.mark.parametrize(
    ("seconds", "grade", "says"),
    [
        (-3600, Grade.DOWN, "ahead of"),
        (-64, Grade.DOWN, "s ahead of"),
        (-59, Grade.DEGRADED, "s ahead of"),
        (-2, Grade.OK, "agree"),
        (0, Grade.OK, "agree"),
        (2, Grade.OK, "agree"),
        (59, Grade.DEGRADED, "s behind"),
        (64, Grade.DOWN, "s behind"),
        (5 * 3600, Grade.DOWN, "s behind"),
    ],
)
async def test_what_a_clock_is_surely_off_by_counts(stage, seconds, grade, says, took):
    async with stage(settings=GatewaySettings(latency=Latency(local=took))) as on:
        await asyncio.sleep(2.4)
        on.gateway.inject(faults.ClockSkew(seconds=float(seconds), duration=600.0))

        check = (await on.broker.health()).check("clock")

        assert (check.grade, says.split()[-1] in check.evidence) == (grade, True)


async def test_of_a_clock_that_is_off_a_person_hears_once_until_it_was_right(stage):
    async with stage() as on:
        for seconds in (-180.0, -170.0, 0.0, 7200.0):
            on.gateway.heal()
            on.gateway.inject(faults.ClockSkew(seconds=seconds, duration=600.0))
            await asyncio.sleep(2)
            await on.broker.health()

        told = [row.message for row in on.told.of("AlarmRaised") if row.name == "clock" and row.lasts]
        ended = [row.name for row in on.told.of("AlarmEnded")]

    assert [words.partition(" the Gateway's")[0] for words in told] == [
        "this machine's clock is 0:03:00 ahead of",
        "this machine's clock is 2:00:00 behind",
    ]
    assert ended == ["clock"]


async def test_a_foreign_loop_is_told_so_and_how_to_do_it_right(stage):
    async with stage() as on:
        with pytest.raises(WrongLoopError, match="run_coroutine_threadsafe"):
            await asyncio.to_thread(asyncio.run, on.broker.health())


async def test_a_block_is_forgotten_after_a_while(stage):
    async with stage() as on:
        await undrained(on)
        await asyncio.sleep(600)

        assert (await on.broker.health()).check("loop").grade is Grade.OK


async def test_every_class_of_request_has_its_percentiles(stage):
    async with stage() as on, AsyncExitStack() as opened:
        await on.broker.quote(SPY)
        await on.broker.bars(SPY, BarSpec())
        await on.broker.option_chain(SPY)
        await on.broker.positions()
        await on.broker.account()
        await on.broker.place(attrs.evolve(FAR))
        await on.broker.open_orders()
        stream = await opened.enter_async_context(aclosing(on.broker.stream_quotes(QQQ)))
        await anext(stream)

        latencies = (await on.broker.health()).latencies

        assert set(latencies) >= {"quote", "history", "definitions", "account", "orders", "probe"}
        for summary in latencies.values():
            assert summary.count >= 1
            assert 0 < summary.p50 <= summary.p95 <= summary.p99 <= summary.worst


async def test_many_who_ask_a_gateway_that_says_nothing_of_its_servers_cost_one_search(stage):
    async with stage(kept_back=["error"]) as on:
        told = await asyncio.gather(*(on.broker.health() for _ in range(100)))
        told += [await on.broker.health() for _ in range(100)]

        assert {health.check("upstream").grade for health in told} == {Grade.OK}
        assert len(on.board.asked("matching_symbols")) == 1


async def test_a_sign_of_the_servers_is_not_that_of_another_session(stage):
    async with stage(kept_back=["error"]) as on:
        await on.broker.health()
        await on.broker.disconnect()
        on.gateway.inject(faults.UpstreamLost(duration=60.0))
        await on.broker.connect()

        health = await on.broker.health()

        assert health.check("upstream").grade is Grade.DOWN


@pytest.mark.parametrize("epoch", [10**13, -(10**12), 10**20])
async def test_a_time_that_is_none_is_an_answer_that_cannot_be_read(stage, epoch):
    async with stage() as on:
        on.gateway.inject(faults.Unanswered(when_request="current_time", duration=3.0))
        await asyncio.sleep(2)
        asked = [asyncio.create_task(call()) for call in (on.broker.health, on.broker.server_time)]
        await asyncio.sleep(0.5)
        on.broker.ib.client.decoder.interpret(["49", "1", str(epoch)])
        health, error = await asyncio.gather(*asked, return_exceptions=True)

        check = health.check("server time")
        assert isinstance(error, GatewayRejected)
        assert f"the server's time, {epoch} s from 1970 on: the Gateway sent what cannot be read" in str(
            error
        )
        assert (check.grade, check.evidence) == (Grade.DOWN, str(error))
        assert "network time" in check.remedy
        assert health.check("clock") is None
        await asyncio.sleep(300)
        assert (await on.broker.health()).is_ok
        assert on.told.of("AlarmRaised") == []
