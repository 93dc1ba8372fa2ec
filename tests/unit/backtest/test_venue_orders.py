"""What the broker of backtests says of orders, prices and contracts beside the good day."""

import asyncio
from contextlib import aclosing, suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import attrs
import pytest

from ibkeel.backtest import BacktestSettings, SeededData, VenueBroker, backtest
from ibkeel.backtest.barloop import settings_of
from ibkeel.backtest.dealing import execution_of, order_of, report_of
from ibkeel.backtest.prices import Directory, MarketSessions
from ibkeel.errors import (
    AmbiguousContract,
    ConfigurationError,
    InvalidInput,
    NoData,
    NotConnected,
    OrderRefused,
    OrderRejected,
    QuoteUnavailable,
    UnknownContract,
)
from ibkeel.model import (
    BarSpec,
    Bracket,
    Execution,
    Grade,
    Index,
    Option,
    OrderReport,
    OrderState,
    OrderTicket,
    OrderType,
    OtherContract,
    Quote,
    Right,
    Side,
    Stock,
    TimeInForce,
)
from ibkeel.runner import RunnerConfig
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.values import Commission, ContractPattern, SimContract, SimOrder
from ibkeel.sim.values import Execution as SimExecution
from ibkeel.strategy import Scalp
from ibkeel.virtual import run_virtual, virtual_clock

SPY = Stock("SPY")
MARKET = SeededMarket(7, date(2026, 1, 5))


def ticket(side=Side.BUY, quantity=10, **fields):
    return OrderTicket(contract=SPY, side=side, quantity=quantity, **fields)


def limit(price, **fields):
    return ticket(order_type=OrderType.LMT, limit_price=Decimal(price), **fields)


def connected(**fields):
    return VenueBroker(MARKET, clock=virtual_clock(), **fields)


async def settled(broker, order):
    """A placed order's report, once a second has passed."""
    placement = await broker.place(order)
    await asyncio.sleep(1)
    (report,) = [
        row
        for row in (*await broker.open_orders(), *await broker.completed_orders())
        if row.order_id == placement.order_id
    ]
    return report


async def test_an_order_off_the_tick_is_refused_with_the_venues_code():
    async with connected() as broker:
        with pytest.raises(OrderRejected, match="minimum price variation") as refused:
            await broker.place(limit("1.001"))
        await asyncio.sleep(60)
        (report,) = await broker.completed_orders()

    assert refused.value.code == 110
    assert str(refused.value).startswith("the order backtest-1 to BUY 10 SPY was refused: ")
    assert (report.client_order_id, report.limit_price) == ("backtest-1", Decimal("1.001"))
    assert (report.state, report.code) == (OrderState.REJECTED, 110)
    assert report.reason.startswith("error 110: ")


async def test_a_bracket_of_which_a_child_is_refused_is_withdrawn_whole():
    bracket = Bracket(entry=limit("900.00"), stop_loss=Decimal("1.001"), take_profit=Decimal("950.00"))

    async with connected() as broker:
        with pytest.raises(OrderRejected):
            await broker.place(bracket)
        assert await broker.open_orders() == ()
        rows = await broker.completed_orders()
        assert await broker.positions() == ()

    states = [row.state for row in rows]
    assert [(row.client_order_id, row.parent_id) for row in rows] == [
        ("backtest-1", None),
        ("backtest-1-1", 1),
        ("backtest-1-2", 1),
    ]
    assert states.count(OrderState.REJECTED) == 1
    assert states.count(OrderState.CANCELLED) == 2


async def test_more_than_the_funds_is_refused():
    async with connected(cash=1000.0) as broker:
        with pytest.raises(OrderRejected) as refused:
            await broker.place(ticket(quantity=100))

    assert refused.value.code == 201


async def test_a_fill_or_kill_order_that_cannot_fill_is_cancelled():
    async with connected() as broker:
        report = await settled(broker, limit("1.00", tif=TimeInForce.FOK))

    assert report.state is OrderState.CANCELLED


async def test_a_take_profit_is_told_by_its_name_and_cancels_the_stop():
    traded = []
    async with connected(traded=traded.append) as broker:
        ask = (await broker.quote(SPY)).ask
        entry = limit(str(round(ask + 0.05, 2)))
        away = Decimal(str(round(ask + 0.06, 2)))
        placed = await broker.place(Bracket(entry=entry, stop_loss=Decimal("1.00"), take_profit=away))
        for _ in range(23_000):
            if len(traded) > 1 or not await broker.open_orders():
                break
            await asyncio.sleep(1)
        causes = [broker.cause_of(fill.order_id) for fill in traded]
        states = {row.order_id: row.state for row in await broker.completed_orders()}

    assert causes == ["entry", "take profit"]
    assert states[placed.children[1].order_id] is OrderState.CANCELLED


@pytest.mark.parametrize(("price", "left"), [("1.00", []), ("9999", [("STP", "GTC")])])
async def test_children_outlive_the_day_of_an_entry_that_filled_and_end_with_one_that_did_not(price, left):
    async with connected() as broker:
        entry = limit(price)
        stop = Decimal("0.50")
        await broker.place(Bracket(entry=entry, stop_loss=stop, exit_tif=TimeInForce.GTC))
        await asyncio.sleep(24 * 3600)
        works = [(row.order_type, row.tif) for row in await broker.open_orders()]

    assert entry.tif is TimeInForce.DAY
    assert works == left


async def test_a_bracket_is_named_after_its_entry_and_its_children_know_it():
    async with connected() as broker:
        first = await broker.place(Bracket(entry=limit("1.00"), stop_loss="0.50", take_profit="2.00"))
        named = await broker.place(limit("1.00", client_order_id="mine"))
        with pytest.raises(OrderRefused, match="is named 'mine'"):
            await broker.place(limit("1.00", client_order_id="mine"))
        family = [await broker.cancel(row.order_id) for row in (*first.children, first)]
        rows = {row.order_id: row for row in (*await broker.open_orders(), *await broker.completed_orders())}

    names = ["backtest-1", "backtest-1-1", "backtest-1-2"]
    assert [row.client_order_id for row in first.family()] == names
    assert [rows[row.order_id].client_order_id for row in first.family()] == names
    assert [rows[row.order_id].parent_id for row in first.family()] == [None, first.order_id, first.order_id]
    assert [row.state.value for row in first.family()] == ["working", "acknowledged", "acknowledged"]
    assert {row.state for row in family} == {OrderState.CANCELLED}
    assert (named.client_order_id, rows[named.order_id].state) == ("mine", OrderState.WORKING)
    assert [row.order_id for row in first.family()] == [1, 2, 3]


async def test_a_cancelled_order_says_what_it_had_filled():
    async with connected() as broker:
        placed = await broker.place(limit("1.00", quantity=7))
        await asyncio.sleep(30)
        report = await broker.cancel(placed.order_id)

        assert (report.state, report.filled, report.remaining) == (OrderState.CANCELLED, 0.0, 7.0)
        assert report.at == virtual_clock().now()


async def test_a_fill_comes_with_the_change_of_the_market_that_brings_it():
    async with connected() as broker:
        await asyncio.sleep(600.55)
        ask = (await broker.quote(SPY)).ask
        await broker.place(limit(str(round(ask - 0.01, 2))))
        await asyncio.sleep(60)
        (fill,) = await broker.executions()

    assert fill.at.microsecond < 1000  # this market changes with the second


async def test_each_order_is_told_by_its_kind():
    async with connected() as broker:
        entry = await broker.place(limit("1.00"))
        leave = await broker.place(limit("9999", side=Side.SELL, is_closing=True))
        guard = ticket(side=Side.SELL, order_type=OrderType.STP_LMT, stop_price="1.00", limit_price="0.90")
        stop = await broker.place(guard)
        causes = [broker.cause_of(row.order_id) for row in (entry, leave, stop)]
        (told,) = [row for row in await broker.open_orders() if row.order_id == stop.order_id]

    assert causes == ["entry", "exit", "stop"]
    assert (told.stop_price, told.limit_price) == (1, Decimal("0.9"))


async def test_the_news_of_an_order_are_its_changes_and_its_fill_until_the_session_ends():
    broker = connected()
    await broker.connect()
    async with aclosing(broker.order_events()) as events:
        news = []
        following = asyncio.ensure_future(follow(events, news.append))
        await asyncio.sleep(0)
        placed = await broker.place(ticket(quantity=3))
        await asyncio.sleep(5)
        (fill,) = await broker.executions()
        await broker.disconnect()
        with pytest.raises(NotConnected, match=r"^the session ended, and with it the order events$"):
            await following

    states = [row.state for row in news if not isinstance(row, Execution)]
    assert states[-1] is OrderState.FILLED
    assert len(states) == len(set(states))
    assert [row for row in news if isinstance(row, Execution)] == [fill]
    assert (fill.client_order_id, fill.order_id, fill.quantity) == ("backtest-1", placed.order_id, 3.0)


async def follow(events, told):
    async for event in events:
        told(event)


async def test_a_change_keeps_name_and_parent():
    async with connected() as broker:
        placed = await broker.place(
            Bracket(entry=limit("1.00", client_order_id="mine"), stop_loss=Decimal("0.50"))
        )
        (stop,) = placed.children
        moved = ticket(side=Side.SELL, order_type=OrderType.STP, stop_price="0.60", is_closing=True)
        changed = await broker.modify(stop.order_id, moved)

    assert (changed.client_order_id, changed.parent_id) == ("mine-1", placed.order_id)
    assert changed.stop_price == Decimal("0.6")


NOON = datetime(2026, 1, 5, 17, tzinfo=UTC)
LISTED = MARKET.find(ContractPattern(symbol="SPY", sec_type="STK"))[0]


def test_the_venue_is_given_all_that_a_ticket_asks_for():
    asked = ticket(
        side=Side.SELL, quantity=7, order_type=OrderType.STP_LMT, stop_price="2.5", limit_price="2.25",
        tif=TimeInForce.GTC, oca_group="both", outside_rth=True,
    )  # fmt: skip

    sent = order_of(asked, LISTED, order_id=5, name="mine", parent=4, transmit=False)

    assert sent == SimOrder(
        client_id=1, order_id=5, contract=LISTED, action="SELL", quantity=7.0, order_type="STP LMT",
        limit_price=2.25, stop_price=2.5, tif="GTC", oca_group="both", parent_id=4, transmit=False,
        outside_rth=True, order_ref="mine",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "filled", "state"),
    [
        ("Submitted", 0.0, OrderState.WORKING),
        ("Submitted", 3.0, OrderState.PARTIALLY_FILLED),
        ("Filled", 7.0, OrderState.FILLED),
    ],
)
def test_a_report_says_all_that_the_venue_knows_of_an_order(status, filled, state):
    order = SimOrder(
        client_id=1, order_id=5, contract=LISTED, action="SELL", quantity=7.0, order_type="STP LMT",
        limit_price=2.25, stop_price=2.5, tif="GTC", oca_group="both", parent_id=4, order_ref="mine",
        perm_id=99, status=status, filled=filled, average_fill_price=2.3 if filled else 0.0,
    )  # fmt: skip

    assert report_of(order, SPY, NOON) == OrderReport(
        order_id=5, perm_id=99, client_id=1, client_order_id="mine", contract=SPY, side=Side.SELL,
        quantity=7.0, order_type="STP LMT", limit_price=Decimal("2.25"), stop_price=Decimal("2.5"),
        tif="GTC", parent_id=4, oca_group="both", state=state, filled=filled, remaining=7.0 - filled,
        average_fill_price=2.3 if filled else None, at=NOON,
    )  # fmt: skip


@pytest.mark.parametrize(("word", "side"), [("BOT", Side.BUY), ("SLD", Side.SELL)])
def test_a_fill_is_told_with_what_it_cost_and_brought(word, side):
    fill = SimExecution(
        exec_id="e1", at=NOON, client_id=1, order_id=5, perm_id=99, contract=LISTED, account="DU1",
        exchange="SMART", side=word, quantity=7.0, price=2.3, cumulative_quantity=7.0, average_price=2.3,
        order_ref="mine",
    )  # fmt: skip
    cost = Commission(client_id=1, exec_id="e1", commission=1.05, currency="USD", realized_pnl=-4.5)

    assert execution_of(fill, cost, SPY) == Execution(
        exec_id="e1", order_id=5, perm_id=99, client_order_id="mine", account="DU1", contract=SPY, side=side,
        quantity=7.0, price=2.3, at=NOON, commission=1.05, realized_pnl=-4.5,
    )  # fmt: skip


async def test_a_change_is_refused_for_what_has_ended_or_is_another_order():
    async with connected() as broker:
        working = await broker.place(limit("1.00"))
        done = await broker.place(ticket())
        await asyncio.sleep(1)
        with pytest.raises(OrderRefused, match="filled"):
            await broker.modify(done.order_id, ticket())
        with pytest.raises(InvalidInput, match="contract, side and type"):
            await broker.modify(working.order_id, limit("1.00", side=Side.SELL))
        with pytest.raises(OrderRejected, match="minimum price"):
            await broker.modify(working.order_id, limit("1.001"))
        changed = await broker.modify(working.order_id, limit("2.00", quantity=20))
        with pytest.raises(InvalidInput, match="no order 99"):
            await broker.cancel(99)

    assert (changed.limit_price, changed.quantity, changed.state) == (Decimal("2.0"), 20, OrderState.WORKING)


async def test_without_a_session_nothing_is_answered():
    broker = connected()
    await broker.disconnect()

    with pytest.raises(NotConnected):
        await broker.quote(SPY)

    health = await broker.health()
    assert health.grade is Grade.DOWN
    assert "call connect()" in health.checks[0].remedy


async def test_there_is_one_account():
    async with connected() as broker:
        with pytest.raises(InvalidInput, match="one account"):
            await broker.positions("U1")


async def test_a_stream_of_quotes_follows_the_market_until_the_session_ends():
    seen = []
    async with connected() as broker, aclosing(broker.stream_quotes(SPY)) as quotes:
        async for quote in quotes:
            seen.append(quote)
            if len(seen) == 3:
                await broker.disconnect()
                with pytest.raises(NotConnected):
                    await anext(quotes)
                break

    assert all(isinstance(quote, Quote) for quote in seen)
    assert [(row.at - seen[0].at).seconds for row in seen] == [0, 1, 2]


async def test_a_time_limit_on_a_stream_ends_the_wait_alone():
    async with connected() as broker, aclosing(broker.stream_quotes(SPY)) as quotes:
        seen = [await anext(quotes)]
        for _ in range(4):
            with suppress(TimeoutError):
                seen.append(await asyncio.wait_for(anext(quotes), 0.4))
        async with aclosing(broker.order_events()) as events:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(events), 0.1)
            placed = await broker.place(ticket())
            told = await anext(events)

    assert [(row.at - seen[0].at).seconds for row in seen] == [0, 1]
    assert told.order_id == placed.order_id


class Mute(SeededMarket):
    """A market that shows no price, and never will."""

    def quote(self, contract, at):
        return super().quote(contract, at)._replace(bid=0.0, ask=None, last=None, close=None)

    def next_change(self, contract, after):
        return None


async def test_a_market_without_prices_is_told_as_such():
    async with VenueBroker(Mute(7, date(2026, 1, 5)), clock=virtual_clock()) as broker:
        with pytest.raises(QuoteUnavailable, match="no price of SPY"):
            await broker.quote(SPY)
        with pytest.raises(NoData, match="no further quote"):
            await anext(broker.stream_quotes(SPY))
        with pytest.raises(OrderRejected, match="no price of SPY"):
            await broker.preview(ticket())


async def test_bars_that_are_not_there_are_named():
    early = datetime(2026, 1, 4, tzinfo=UTC)
    async with connected() as broker:
        with pytest.raises(NoData, match="no bars of '5 secs'"):
            await broker.bars(SPY, BarSpec(duration="1800 S", size="5 secs", end=early - timedelta(days=900)))
        with pytest.raises(NoData, match="no bars of '1 min'"):
            await broker.bars(SPY, BarSpec(duration="60 S", end=early - timedelta(days=900)))


async def test_what_is_listed_twice_or_not_at_all_is_told():
    async with connected() as broker:
        (row, *_) = (await broker.option_chain(Index("SPX"))).classes
        with pytest.raises(UnknownContract):
            await broker.qualify(OtherContract("ES", kind="FUT"))
        with pytest.raises(UnknownContract):
            await broker.qualify(Option("SPY", date(2026, 1, 6), Decimal("1.23"), Right.CALL))
        with pytest.raises(NoData, match="no options"):
            await broker.option_chain(Index("VIX"))
        index = await broker.qualify(Index("VIX"))

    assert row.multiplier == 100
    assert isinstance(index.contract, Index)


class Twice(SeededMarket):
    """A market that lists everything twice."""

    def find(self, pattern):
        return (*super().find(pattern), *super().find(pattern))


def test_a_contract_that_fits_two_is_ambiguous():
    with pytest.raises(AmbiguousContract, match="fits 2"):
        Directory(Twice(7)).find(SPY)


def test_a_listed_contract_of_another_kind_keeps_its_kind():
    future = SimContract(con_id=5, symbol="ES", sec_type="FUT")

    assert Directory(MARKET).name(future) == OtherContract("ES", kind="FUT")


def test_a_weekend_has_no_session():
    assert MarketSessions(MARKET).session(date(2026, 1, 4)) is None


class Closed(SeededMarket):
    """A market whose exchange never opens."""

    def sessions(self, start, end):
        return ()


def test_a_market_without_a_session_has_no_backtest():
    with pytest.raises(ConfigurationError, match="no trading day"):
        backtest(Scalp(), Closed(7), RunnerConfig())


def test_after_the_last_session_nothing_is_settled():
    async def connect_and_leave():
        async with VenueBroker(Closed(7), clock=virtual_clock()) as broker:
            return broker.is_connected

    assert run_virtual(connect_and_leave(), travel=False)


def test_settings_are_told_by_dotted_key():
    @attrs.frozen
    class Thing:
        sizes: tuple[int, ...] = (1, 2)
        names: dict[str, int] = attrs.field(factory=lambda: {"b": 2, "a": 1})
        inner: BacktestSettings = attrs.field(factory=BacktestSettings)
        count: int = attrs.field(default=0, init=False)

    told = dict(settings_of(("thing", Thing()), ("plain", object())))

    assert (told["thing.sizes"], told["thing.names"]) == ("1, 2", "a=1, b=2")
    assert told["thing.inner.sessions"] == "1"
    assert "thing.count" not in told


def test_a_seeded_source_makes_equal_markets():
    one, two = (SeededData(seed=3).market(["SPY"]) for _ in range(2))

    assert one.session_date == two.session_date
