import asyncio
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import attrs
import pytest

from ibkeel.errors import (
    NoData,
    NotConnected,
    NotEntitled,
    PacingExceeded,
    QuoteUnavailable,
    RequestTimeout,
    UnknownContract,
)
from ibkeel.model import BarSpec, DataType, Option, Quote, Stock
from ibkeel.resilience import Deadlines
from ibkeel.sim.market import Halt, HaltedMarket
from ibkeel.sim.settings import GatewaySettings, Latency
from ibkeel.sim.wire import frame
from ibkeel.virtual import DEFAULT_START, run_virtual, virtual_clock

HOUR = BarSpec(duration="3600 S", size="1 min")
SLOW = GatewaySettings(latency=Latency(history=3600.0, first_tick=3600.0))


def now():
    return asyncio.get_running_loop().time()


@pytest.mark.smoke
async def test_a_quote_is_priced_and_gives_its_line_back(stage):
    async with stage() as on:
        quote = await on.broker.quote(on.stock)
        await asyncio.sleep(1)

        assert quote.bid < quote.ask
        assert quote.is_live
        assert on.broker.open_lines == {}
        assert on.gateway.counters.open_lines == 0
        assert len(on.board.asked("cancel_market_data")) == 1


async def test_the_quote_of_an_option_has_interest_and_greeks(stage):
    async with stage() as on:
        quote = await on.broker.quote(on.option)

        assert quote.open_interest > 0
        assert 0 < quote.greeks.delta < 1
        assert [request["generic_ticks"] for request in on.board.asked("market_data")] == ["101"]


@pytest.mark.smoke
async def test_bars_are_those_of_the_span(stage):
    async with stage() as on:
        bars = await on.broker.bars(on.stock, BarSpec(duration="300 S", size="1 min"))

        assert bars[-1].at <= DEFAULT_START + timedelta(seconds=now())
        assert bars[0].at >= DEFAULT_START + timedelta(seconds=now() - 361)
        assert bars.timezone == "US/Eastern"


async def test_bars_may_end_in_the_past(stage):
    end = datetime(2025, 12, 31, 20, tzinfo=UTC)

    async with stage() as on:
        bars = await on.broker.bars(on.stock, attrs.evolve(HOUR, end=end))

        assert bars[-1].at < end
        assert bars[0].at >= end - timedelta(hours=1)
        assert [request["end"] for request in on.board.asked("historical_data")] == ["20251231 20:00:00 UTC"]


async def test_a_span_before_all_history_is_no_data(stage):
    async with stage() as on:
        with pytest.raises(NoData, match="no data") as failure:
            await on.broker.bars(on.stock, attrs.evolve(HOUR, end=datetime(1990, 1, 5, 20, tzinfo=UTC)))

        assert failure.value.code == 162


async def test_an_unknown_contract_is_asked_for_once(stage):
    async with stage() as on:
        for _ in range(2):
            with pytest.raises(UnknownContract):
                await on.broker.quote(Stock("NOSUCH"))
        with pytest.raises(UnknownContract, match="remembered"):
            await on.broker.bars(Stock("NOSUCH"), HOUR)

        assert on.gateway.counters.errors_sent[200] == 1
        assert on.gateway.counters.open_lines == 0


async def test_an_unanswered_history_ends_in_a_time_out_and_is_cancelled_at_the_server(stage):
    async with stage(settings=SLOW, deadlines=Deadlines(history=30.0)) as on:
        began = now()
        with pytest.raises(RequestTimeout, match="within 30 s"):
            await on.broker.bars(on.stock, HOUR)
        took = now() - began
        await asyncio.sleep(1)

        assert took == pytest.approx(30, abs=0.5)
        assert on.gateway.counters.requests["cancel_historical_data"] == 1
        assert on.gateway.counters.open_histories == 0


async def test_one_call_may_have_a_deadline_of_its_own(stage):
    async with stage(settings=SLOW) as on:
        began = now()
        with pytest.raises(RequestTimeout):
            await on.broker.with_deadline(3).bars(on.stock, HOUR)

        assert now() - began == pytest.approx(3, abs=0.5)


async def test_a_callers_shorter_patience_cancels_and_gives_the_line_back(stage):
    async with stage(settings=SLOW) as on:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await on.broker.quote(on.stock)
        await asyncio.sleep(1)

        assert on.gateway.counters.requests["cancel_market_data"] == 1
        assert on.gateway.counters.open_lines == 0
        assert on.broker.open_lines == {}


async def test_a_quote_without_any_price_is_unavailable(stage):
    async with stage(settings=SLOW) as on:
        with pytest.raises(QuoteUnavailable, match="neither bid, ask nor last"):
            await on.broker.quote(on.stock)
        await asyncio.sleep(1)

        assert on.gateway.counters.open_lines == 0


async def test_a_login_without_live_data_is_told_so(stage):
    async with stage(settings=GatewaySettings(is_entitled=False)) as on:
        with pytest.raises(NotEntitled, match="10089"):
            await on.broker.quote(on.stock)

        assert on.broker.open_lines == {}


async def test_delayed_prices_say_that_they_are_delayed(stage):
    async with stage(settings=GatewaySettings(is_entitled=False)) as on:
        on.broker.ib.reqMarketDataType(3)

        quote = await on.broker.quote(on.stock)

        assert quote.data_type is DataType.DELAYED
        assert not quote.is_live


async def test_a_pacing_violation_is_told_as_such(stage):
    async with stage(settings=GatewaySettings(paces_identical_histories=True)) as on:
        await on.broker.bars(on.stock, HOUR)
        await asyncio.sleep(2)  # until then the same answer serves

        with pytest.raises(PacingExceeded, match="wait up to ten minutes"):
            await on.broker.bars(on.stock, HOUR)


async def test_quotes_mix_results_and_errors_in_the_order_asked(stage):
    async with stage() as on:
        nowhere = attrs.evolve(on.option, strike=Decimal("3.33"))

        answers = await on.broker.quotes([Stock("NOSUCH"), on.option, nowhere, on.stock])

        assert [type(answer) for answer in answers.values()] == [
            UnknownContract,
            Quote,
            UnknownContract,
            Quote,
        ]
        assert list(answers) == [Stock("NOSUCH"), on.option, nowhere, on.stock]


async def test_a_contract_that_is_named_twice_is_asked_for_once(stage):
    async with stage() as on:
        answers = await on.broker.quotes([on.stock, on.stock])

        assert list(answers) == [on.stock]
        assert len(on.board.asked("market_data")) == 1


async def exhausted(stream):
    async for _ in stream:
        pass


async def many(stage, count):
    async with stage() as on:
        chain = await on.broker.option_chain(on.stock)
        near = sorted(chain.strikes, key=lambda strike: abs(strike - on.option.strike))[: count // 2]
        asked = [attrs.evolve(on.option, strike=strike, right=right) for strike in near for right in "CP"]
        answers = await on.broker.quotes(asked)
        await asyncio.sleep(1)
        return answers, on.gateway.counters, on.broker.open_lines


def test_two_hundred_quotes_at_once_stay_within_every_limit(stage):
    answers, counters, open_lines = run_virtual(many(stage, 200))

    assert len(answers) == 200
    assert {type(answer) for answer in answers.values()} <= {Quote, UnknownContract}
    assert sum(isinstance(answer, Quote) for answer in answers.values()) > 100
    assert counters.pacing_violations == 0
    assert counters.errors_sent[101] == 0
    assert 20 < counters.max_open_lines <= 100
    assert counters.open_lines == 0
    assert open_lines == {}


def test_two_runs_give_the_same_answers(stage):
    def told(answers):
        return [(str(contract), str(answer)) for contract, answer in answers.items()]

    first, second = run_virtual(many(stage, 40)), run_virtual(many(stage, 40))

    assert told(first[0]) == told(second[0])
    assert first[1] == second[1]


async def test_fewer_lines_make_it_slower_and_nothing_else(stage):
    async with stage(market_data_lines=2) as on:
        calls = [attrs.evolve(on.option, strike=on.option.strike + step) for step in range(6)]

        answers = await on.broker.quotes(calls)

        assert len(answers) == 6
        assert on.gateway.counters.max_open_lines <= 2


async def test_a_stream_tells_changes_and_gives_its_line_back(stage):
    async with stage() as on:
        async with aclosing(on.broker.stream_quotes(on.stock)) as stream:
            quotes = [await anext(stream) for _ in range(20)]
        await asyncio.sleep(1)

        assert [quote.at for quote in quotes] == sorted(quote.at for quote in quotes)
        assert len({quote.last for quote in quotes}) > 1
        assert on.gateway.counters.open_lines == 0
        assert len(on.board.asked("market_data")) == len(on.board.asked("cancel_market_data")) == 1


async def test_a_stream_ends_in_an_error_when_the_gateway_drops(stage):
    async with stage(reconnect=False) as on, aclosing(on.broker.stream_quotes(on.stock)) as stream:
        await anext(stream)
        on.board.hang_up()

        with pytest.raises(NotConnected):
            await asyncio.wait_for(exhausted(stream), 5)

        assert on.broker.open_lines == {}


async def test_a_stream_of_what_does_not_exist_ends_in_an_error(stage):
    async with stage() as on:
        with pytest.raises(UnknownContract):
            await anext(on.broker.stream_quotes(Stock("NOSUCH")))

        assert on.broker.open_lines == {}


async def test_those_who_ask_for_one_contract_at_once_share_one_answer(stage):
    async with stage() as on:
        details = await asyncio.gather(*[on.broker.qualify(on.option) for _ in range(5)])

        assert len({row.contract.con_id for row in details}) == 1
        assert len(on.board.asked("contract_details")) == 1


async def test_a_chain_is_asked_for_once_and_its_options_exist(stage):
    async with stage() as on:
        chain = await on.broker.option_chain(on.stock)
        again = await on.broker.option_chain(on.stock)
        row = chain.of_class("SPY")
        details = await on.broker.qualify(
            chain.option(row, on.option.expiry, on.option.strike, on.option.right)
        )

        assert chain is again
        assert isinstance(details.contract, Option)
        assert len(on.board.asked("option_parameters")) == 1


async def test_a_contract_that_names_too_little_is_ambiguous_or_one(stage):
    async with stage() as on:
        details = await on.broker.qualify(attrs.evolve(on.option, trading_class=""))

        assert details.contract.trading_class == "SPY"
        assert details.last_trading_day == on.option.expiry


async def test_the_number_of_a_contract_at_one_gateway_is_not_used_at_another(stage):
    asked = []
    for number in (999, None):
        async with stage() as on:
            with suppress(UnknownContract):
                await on.broker.quote(attrs.evolve(on.stock, con_id=number))
            asked += [request["con_id"] for request in on.board.asked("market_data")]

    assert asked == [999, 0]


async def test_bars_of_a_gateway_that_adds_a_field_are_read_by_the_librarys_own_hand(stage):
    async with stage(kept_back=["historical_data"]) as on:
        asking = asyncio.create_task(on.broker.bars(on.stock, HOUR))
        await asyncio.sleep(1)
        [asked] = on.board.asked("historical_data")
        bars = [f"{second} 1.0 2.0 0.5 1.5 10 1.2 7" for second in (1767623400, 1767623460)]
        fields = ["17", str(asked["request_id"]), "", "", "2", *" ".join(bars).split(), "added", ""]
        on.board._client.transport.write(frame("\0".join(fields).encode()))

        read = [(bar.at, bar.close) for bar in await asking]
        assert read == [(datetime(2026, 1, 5, 14, minute, tzinfo=UTC), 1.5) for minute in (30, 31)]


class QuotedHalt(HaltedMarket):
    """A halt in which the feed goes on showing both sides."""

    def quote(self, contract, at):
        sides = {name: getattr(self._market.quote(contract, at), name) for name in ("bid", "ask")}
        return super().quote(contract, at)._replace(**sides)


async def test_a_quote_in_a_halt_says_so_whoever_asks_and_however(stage, market):
    began = virtual_clock().now()
    starts, ends = began + timedelta(minutes=10, seconds=30), began + timedelta(minutes=12)
    halted = QuotedHalt(market, [Halt(symbol="SPY", starts_at=starts, ends_at=ends)])
    async with stage(market=halted) as on:
        streamed = {on.stock: [], on.option: []}

        async def follow(contract):
            async for quote in on.broker.stream_quotes(contract):
                streamed[contract].append(quote.is_halted)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(follow(contract)) for contract in streamed]
            await asyncio.sleep(45)
            during = [await on.broker.quote(contract) for contract in streamed]
            for task in tasks:
                task.cancel()
        alone = [await on.broker.quote(contract) for contract in streamed]
        await asyncio.sleep(120)
        after = [await on.broker.quote(contract) for contract in streamed]

    assert [quote.is_halted for quote in (*during, *alone)] == [True] * 4
    assert all(quote.bid and quote.ask for quote in alone), "only tick 49 tells"
    assert [quote.is_halted for quote in after] == [False, False]
    assert all(seen[0] is False and seen[-1] is True for seen in streamed.values())


async def test_a_halt_whose_end_a_stream_was_not_told_of_keeps_nobody_from_a_quote(stage, market):
    began = virtual_clock().now()
    halt = Halt(symbol="SPY", starts_at=began, ends_at=began + timedelta(minutes=11))
    async with (
        stage(market=QuotedHalt(market, [halt])) as on,
        aclosing(on.broker.stream_quotes(on.stock)) as stream,
    ):
        during = await anext(stream)
        on.board.kept_back = {"tick_generic"}
        while (streamed := await anext(stream)).at <= halt.ends_at + timedelta(seconds=5):
            pass

        asked = await on.broker.quote(on.stock)

    assert (during.is_halted, streamed.is_halted) == (True, True)
    assert not asked.is_halted
