"""What nobody announces: a stream that just stops, a loss that is never taken back, an id that comes again."""

import asyncio
from contextlib import aclosing

import pytest

from ibkeel.errors import QuoteUnavailable
from ibkeel.ibkr import Backoff, IBKRBroker, IBKRConfig, SessionPolicy
from ibkeel.model import BarSpec, OrderTicket, Stock
from ibkeel.sim import faults
from ibkeel.sim.codec import REPLIES
from ibkeel.sim.wire import split
from ibkeel.virtual import virtual_clock

SPY, QQQ = Stock("SPY"), Stock("QQQ")
HOUR = BarSpec(duration="3600 S", size="1 min")
TICKS = {"tick_price", "tick_size", "tick_string", "tick_generic"}


def now():
    return asyncio.get_running_loop().time()


def states(on):
    return [event.after for event in on.told.of("SessionChanged")]


async def read(broker, contract, ticks):
    async with aclosing(broker.stream_quotes(contract)) as quotes:
        async for _ in quotes:
            ticks.append(now())


def keep_back_ticks_of(symbol, board):
    """Of one symbol only, whatever number its line has."""
    passes, numbers = board.times, {str(REPLIES[name].number) for name in TICKS}

    def times(payload):
        number, _, line, *_ = split(payload)
        lines = {str(row["request_id"]) for row in board.asked("market_data") if row["symbol"] == symbol}
        return 0 if number in numbers and line in lines else passes(payload)

    board.times = times


async def test_a_stream_that_stops_without_a_word_is_asked_for_again(stage):
    async with stage() as on:
        ticks = []
        reading = asyncio.create_task(read(on.broker, SPY, ticks))
        await asyncio.sleep(60)
        on.board.kept_back = TICKS
        await asyncio.sleep(75)
        on.board.kept_back = set()
        stood_still_at = now()
        await asyncio.sleep(60)

        assert ticks[-1] > stood_still_at
        assert "reconnecting" not in states(on)
        reading.cancel()


async def test_a_stream_that_only_a_new_subscription_revives_is_back_within_two_minutes(stage):
    async with stage() as on:
        ticks = []
        reading = asyncio.create_task(read(on.broker, SPY, ticks))
        await asyncio.sleep(60)
        on.gateway.inject(faults.FarmBroken(duration=3.0, revives=False))
        on.board.kept_back = {"error"}  # neither 2103 nor 2104 is heard
        await asyncio.sleep(10)
        on.board.kept_back = set()
        await asyncio.sleep(110)

        assert ticks[-1] > now() - 5
        assert [event.subject for event in on.told.of("StreamRestored")] == ["SPY"]
        assert "reconnecting" not in states(on)
        assert len(on.broker.open_lines) == 1
        reading.cancel()


async def test_silence_leads_to_one_new_connection_and_then_to_one_alarm(stage):
    async with stage() as on:
        reading = asyncio.create_task(read(on.broker, SPY, []))
        await asyncio.sleep(60)
        on.gateway.inject(faults.SilentStreams(duration=600.0))
        await asyncio.sleep(400)

        assert states(on).count("reconnecting") == 1
        [alarm] = on.told.of("AlarmRaised")
        assert "did not come back" in alarm.message
        await asyncio.gather(reading, return_exceptions=True)


@pytest.mark.parametrize(
    "outage",
    [
        faults.UpstreamLost(duration=3.0, restores_as=1101),
        faults.UpstreamLost(duration=3.0, restores_as=1102),
        faults.Restart(duration=3.0),
    ],
)
async def test_a_silence_after_an_outage_is_noticed_too(stage, outage):
    async with stage() as on:
        ticks = []
        reading = asyncio.create_task(read(on.broker, SPY, ticks))
        await asyncio.sleep(60)
        on.gateway.inject(outage)
        await asyncio.sleep(120)
        assert ticks[-1] > now() - 5

        on.gateway.inject(faults.SilentStreams(duration=600.0))
        await asyncio.sleep(400)

        [alarm] = on.told.of("AlarmRaised")
        assert "did not come back" in alarm.message
        await asyncio.gather(reading, return_exceptions=True)


async def test_one_silent_symbol_among_others_that_tick_costs_no_connection(stage):
    async with stage() as on:
        reading = [asyncio.create_task(read(on.broker, each, [])) for each in (SPY, QQQ)]
        await asyncio.sleep(60)
        keep_back_ticks_of("SPY", on.board)
        await asyncio.sleep(200)

        [ended, _] = reading
        assert isinstance(ended.exception(), QuoteUnavailable)
        assert "reconnecting" not in states(on)
        reading[1].cancel()


async def test_a_stream_is_left_alone_while_its_market_is_closed(stage):
    async with stage() as on:
        await asyncio.sleep(6.5 * 3600)  # past the close
        reading = asyncio.create_task(read(on.broker, SPY, []))
        await on.broker.qualify(SPY)
        await asyncio.sleep(60)
        on.gateway.inject(faults.SilentStreams(duration=1800.0))
        await asyncio.sleep(1800)

        assert "reconnecting" not in states(on)
        assert on.told.of("AlarmRaised") == []
        reading.cancel()


async def test_a_loss_that_is_never_taken_back_ends_when_the_servers_answer(stage):
    async with stage() as on:
        on.gateway.inject(faults.UpstreamLost(duration=100.0, restores_as=1102))
        await asyncio.sleep(1)
        on.board.kept_back = {"error"}
        await asyncio.sleep(110)
        assert states(on)[-1] == "upstream lost"

        await asyncio.sleep(60)

        assert states(on)[-1] == "ready"
        assert (await on.broker.quote(SPY)).bid is not None
        assert (await on.broker.health()).is_ok
        told = [(event.after, event.evidence) for event in on.told.of("FarmChanged")]
        assert told[-1] == ("ok", "the servers answered")


async def test_a_link_that_brings_bytes_and_no_answers_is_found_dead_while_the_servers_are_lost(stage):
    async with stage() as on:
        reading = asyncio.create_task(read(on.broker, SPY, []))
        await asyncio.sleep(5)
        on.gateway.broadcast(2110, "broken")
        on.gateway.inject(faults.Garbage(framed=False))
        await asyncio.sleep(300)

        assert states(on)[-1] == "ready"
        reading.cancel()


async def test_a_loss_that_lasts_is_not_doubted_away(stage):
    async with stage() as on:
        on.gateway.inject(faults.UpstreamLost(duration=900.0, restores_as=1102))
        await asyncio.sleep(800)

        assert states(on)[-1] == "upstream lost"
        assert "syncing" not in states(on)[states(on).index("upstream lost") :]


async def test_an_outage_that_flaps_ends_in_a_session_that_is_good(stage):
    async with stage() as on:
        ticks = []
        reading = asyncio.create_task(read(on.broker, SPY, ticks))
        await asyncio.sleep(5)
        for pause in (0.05, 0.15, 1.0, 0.0):
            on.gateway.inject(faults.UpstreamLost(duration=0.1, restores_as=1102))
            await asyncio.sleep(0.1 + pause)
        await asyncio.sleep(60)

        assert states(on)[-1] == "ready"
        assert ticks[-1] > now() - 5
        assert len(on.broker.open_lines) == 1
        reading.cancel()


async def test_a_session_is_found_again_though_the_library_draws_ids_that_were_ours(stage):
    async with stage() as on:
        ticket = OrderTicket(contract=SPY, side="BUY", quantity=1, order_type="LMT", limit_price="1")
        await on.broker.place(ticket)
        await on.broker.place(ticket)
        for _ in range(20):
            await on.broker.quotes([SPY, QQQ])
            await on.broker.bars(SPY, HOUR)
            await asyncio.sleep(2)
        on.gateway.inject(faults.Restart(duration=30.0))

        await asyncio.sleep(90)

        assert states(on)[-1] == "ready"


async def test_a_first_connect_that_fails_tells_its_caller_and_raises_no_alarm(stage):
    async with stage() as on:
        on.told.events.clear()
        broker = IBKRBroker(
            IBKRConfig(
                port=4999,
                connect_backoff=Backoff(attempts=2),
                session=SessionPolicy(reconnect=Backoff(attempts=2)),
            ),
            clock=virtual_clock(),
            observer=on.told,
            jitter=lambda: 0.0,
        )

        [outcome] = await asyncio.gather(broker.connect(), return_exceptions=True)

        assert type(outcome).__name__ == "GatewayUnreachable"
        assert on.told.of("AlarmRaised") == []
