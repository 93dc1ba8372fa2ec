"""The desk alone: what it believes of its orders, and what it lets leave."""

import asyncio
from datetime import date, timedelta

import attrs
import pytest

from ibkeel.errors import GatesShut
from ibkeel.journal import Intent, Journal, OrderSettled
from ibkeel.model import (
    Bracket,
    Direction,
    Execution,
    Option,
    OrderState,
    OrderTicket,
    Position,
    Quote,
    Right,
    Side,
    Signal,
)
from ibkeel.orders import ExitCause, OrderLimits
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.doorkeeper import Doorkeeper
from ibkeel.runner.feed import Feed
from ibkeel.runner.memory import OwnOrder
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.tally import Tally
from ibkeel.telemetry import NullObserver
from ibkeel.testing import FakeBroker
from ibkeel.virtual import DEFAULT_START, virtual_clock

DAY = date(2026, 1, 5)
CALL = Option("SPY", date(2026, 1, 16), 560, Right.CALL)
REST = OrderTicket(contract=CALL, side="BUY", quantity=2, order_type="LMT", limit_price=3)
SELL = OrderTicket(contract=CALL, side="SELL", quantity=2, order_type="LMT", limit_price=5, is_closing=True)
UP = Signal(direction=Direction.UP, confidence=0.5)
NO_LIMITS = OrderLimits(
    max_quantity=None, max_notional=None, max_quote_age=None, live_only=False, max_spread=None, collar=None, efficiency=None, duplicate_within=None, open_orders=None
)  # fmt: skip
OLD = "ibk-20260105-r1-0001"
WORKS, PART, FILLED = OrderState.WORKING, OrderState.PARTIALLY_FILLED, OrderState.FILLED
GONE, NO, LOST, SENT = OrderState.CANCELLED, OrderState.REJECTED, OrderState.UNKNOWN, OrderState.SENT


@attrs.frozen
class Post:
    """A desk at a fake venue."""

    clock: object
    broker: FakeBroker
    desk: OrderDesk
    keeper: Doorkeeper
    journal: Journal
    recorder: Recorder
    tally: Tally

    async def enter(self, **more):
        return await self.desk.enter("SPY", Bracket(entry=REST, stop_loss=2), UP, DAY, "it goes up", **more)


@pytest.fixture
def posted():
    journals = []

    def make(limits=NO_LIMITS):
        clock, tally, journal = virtual_clock(), Tally("t", ("SPY",)), Journal.in_memory()
        journals.append(journal)
        broker = FakeBroker(quotes=[Quote(contract=CALL, at=clock.now(), bid=4.0, ask=4.05)], clock=clock)
        keeper, recorder = Doorkeeper(clock, limits=limits), Recorder(journal)
        feed = Feed(broker, recorder, tally, clock)
        desk = OrderDesk(broker, feed, recorder, tally, clock, NullObserver(), "t", keeper)
        return Post(clock, broker, desk, keeper, journal, recorder, tally)

    yield make
    for journal in journals:
        journal.close()


def known(state=SENT, **fields):
    given = {"is_entry": True, "placed_at": DEFAULT_START, "side": Side.BUY} | fields
    return OwnOrder(contract=CALL, state=state, **given)


def of(report, state, **fields):
    return attrs.evolve(report, client_order_id=OLD, state=state, **fields)


async def reported(post):
    """An order of our client id as the venue tells of it."""
    placed = await post.broker.place(attrs.evolve(REST, client_order_id="another"))
    [report] = [row for row in await post.broker.open_orders() if row.order_id == placed.order_id]
    return report


@pytest.mark.parametrize(
    ("was", "said", "is_event", "now", "is_stirred"),
    [
        (SENT, WORKS, False, WORKS, True),
        (WORKS, WORKS, True, WORKS, False),
        (WORKS, PART, False, PART, True),
        (WORKS, GONE, False, GONE, True),
        # What ended unfilled may live again by what is said just now; a list may be older than the end.
        (GONE, WORKS, False, GONE, False),
        (GONE, WORKS, True, WORKS, True),
        (GONE, FILLED, True, FILLED, True),
        # Filled and rejected are for ever.
        (FILLED, WORKS, True, FILLED, False),
        (FILLED, GONE, True, FILLED, False),
        (NO, WORKS, True, NO, False),
    ],
)
async def test_what_is_believed_of_an_order_after_the_venue_spoke(
    posted, was, said, is_event, now, is_stirred
):
    post = posted()
    async with post.broker:
        report = await reported(post)
        post.desk.restore({OLD: known(was)})
        post.desk.stirred.clear()

        post.desk.saw(of(report, said), is_event=is_event)

        assert (post.desk.state_of(OLD), post.desk.stirred.is_set()) == (now, is_stirred)


async def test_what_is_not_said_to_be_news_is_as_old_as_a_list(posted):
    post = posted()
    async with post.broker:
        report = await reported(post)
        post.desk.restore({OLD: known(GONE)})

        post.desk.saw(of(report, WORKS))
        post.desk.saw(attrs.evolve(report, client_order_id="theirs"))

        assert post.desk.state_of(OLD) is GONE
        assert [name for name, _ in post.desk.alive] == []


async def test_an_order_of_a_day_that_is_over_lives_again_by_what_the_venue_says_and_not_by_our_own_belief(
    posted,
):
    post = posted()
    async with post.broker:
        report = await reported(post)
        post.desk.restore({OLD: known(LOST, is_past=True)})
        post.desk.stirred.clear()

        post.desk.saw(of(report, LOST), is_event=True)
        believed = post.desk.knows_nothing_of(CALL), post.desk.stirred.is_set()
        post.desk.saw(of(report, LOST, filled=1.0), is_event=True)

        assert believed == (False, False)
        assert (post.desk.knows_nothing_of(CALL), post.desk.stirred.is_set()) == (True, True)


@pytest.mark.parametrize(("code", "is_remembered"), [(201, True), (202, False), (None, False)])
async def test_the_venues_word_on_lack_of_funds_is_remembered_though_it_had_taken_the_order(
    posted, code, is_remembered
):
    post = posted()
    async with post.broker:
        report = await reported(post)
        post.desk.restore({OLD: known(WORKS)})
        before = post.desk.funds_rejected

        post.desk.saw(of(report, NO, code=code), is_event=True)

        assert (before, post.desk.funds_rejected) == (False, is_remembered)


async def test_news_is_untold_until_the_journal_has_it_and_only_of_ours(posted):
    post = posted()
    async with post.broker:
        report = await reported(post)
        post.desk.restore({OLD: known(WORKS)})
        news, theirs = of(report, WORKS), attrs.evolve(report, client_order_id="theirs")
        stale, before = of(report, GONE), post.desk.is_untold(news)

        post.desk.told(news)
        post.desk.told(theirs)

        assert before
        assert not post.desk.is_untold(stale)
        assert not post.desk.is_untold(news)
        assert not post.desk.is_untold(theirs)


async def test_what_was_proved_of_an_order_is_known_and_told(posted):
    post = posted()
    async with post.broker:
        report = await reported(post)
        post.desk.restore({OLD: known(LOST)})

        post.desk.settle(OLD, GONE)

        assert post.desk.state_of(OLD) is GONE
        assert not post.desk.is_untold(of(report, GONE))


@pytest.mark.parametrize(
    ("state", "is_placing", "count"),
    [(LOST, False, 1), (LOST, True, 1), (SENT, False, 1), (SENT, True, 0), (WORKS, False, 0)],
)
async def test_the_fate_of_an_order_is_unknown_once_its_placing_ended_without_an_answer(
    posted, state, is_placing, count
):
    post = posted()
    post.desk.restore({OLD: known(state, is_placing=is_placing)})

    assert post.desk.unknown_orders == count


async def test_a_position_on_the_other_side_is_not_of_an_order_that_was_closed_again(posted):
    post = posted()
    shut = known(FILLED, is_entry=False, side=Side.SELL, filled=1.0)
    post.desk.restore({OLD: known(FILLED, filled=1.0), f"{OLD}-1": shut})
    held = Position(contract=CALL, signed_quantity=1, average_price=4, account="DU1")

    owned = [post.desk.may_own(attrs.evolve(held, signed_quantity=each)) for each in (1, -1)]

    assert owned == [False, True]


async def test_a_fill_is_of_ours_by_its_name(posted):
    post = posted()
    post.desk.restore({OLD: known(FILLED)})
    fill = Execution(
        exec_id="1.1", order_id=1, perm_id=1, client_order_id=OLD, account="DU1", contract=CALL, side="BUY",
        quantity=2, price=3, at=DEFAULT_START,
    )  # fmt: skip

    owned = [post.desk.owns(row) for row in (fill, attrs.evolve(fill, client_order_id="theirs"))]

    assert owned == [True, False]


async def test_the_age_of_an_order_that_is_taken_over_counts_from_when_it_was_placed(posted):
    post = posted()
    post.desk.restore({OLD: known(placed_at=post.clock.now() - timedelta(seconds=90))})

    assert post.clock.monotonic() - post.desk.placed_at(OLD) == pytest.approx(90)


@pytest.mark.parametrize(("seconds", "may"), [(0.0, True), (14.9, True), (15.0, False)])
async def test_the_accounts_list_may_lack_what_an_entry_opened_for_a_quarter_of_a_minute(
    posted, seconds, may
):
    post = posted()
    post.desk.restore({OLD: known(WORKS), f"{OLD}-1": known(WORKS, is_entry=False)})

    post.desk.filled(f"{OLD}-1")
    by_exit = post.desk.may_hold_more()
    post.desk.filled(OLD)
    await asyncio.sleep(seconds)

    other = attrs.evolve(CALL, strike=570)
    assert not by_exit
    assert [post.desk.may_hold_more(each) for each in (None, CALL, other)] == [may, may, False]


async def test_tallies_count_every_order_of_every_family_and_what_was_sent(posted):
    post = posted()
    async with post.broker:
        for _ in range(2):
            await post.enter()
        await post.desk.leave(
            lambda name: attrs.evolve(SELL, client_order_id=name), ExitCause.SIGNAL, DAY, "high enough"
        )

        report = post.tally.report()
        assert (report.orders, report.orders_sent, report.symbols["SPY"].intents) == (5, 5, 3)
        assert list(report.latencies) == ["place"]
        told = [row.record for row in post.journal.events(Intent)]
        assert [row.reason for row in told] == ["it goes up", "it goes up", "signal: high enough"]
        assert [row.signal for row in told] == [UP, UP, None]


async def test_an_entry_does_not_leave_from_the_moment_on_that_it_was_given(posted):
    post = posted()
    async with post.broker:
        with pytest.raises(GatesShut, match="SPY"):
            await post.enter(ends_at=post.clock.now())

        assert await post.broker.open_orders() == ()


async def test_an_order_counts_beside_those_that_work(posted):
    post = posted(attrs.evolve(NO_LIMITS, open_orders=1))
    async with post.broker:
        works = await reported(post)
        with pytest.raises(GatesShut, match="1"):
            await post.enter(open_orders=[works])
        await post.enter()


async def test_a_halt_that_comes_while_the_broker_looks_up_a_contract_keeps_an_entry_back(posted):
    post = posted()

    class Slow(FakeBroker):
        """Halts before its last look."""

        async def place(self, order, *, may_leave=None):
            post.keeper.halt.halt("enough", DEFAULT_START)
            return await super().place(order, may_leave=may_leave)

    broker = Slow(quotes=[Quote(contract=CALL, at=post.clock.now(), bid=4.0, ask=4.05)], clock=post.clock)
    feed = Feed(broker, post.recorder, post.tally, post.clock)
    desk = OrderDesk(broker, feed, post.recorder, post.tally, post.clock, NullObserver(), "t", post.keeper)
    async with broker:
        with pytest.raises(GatesShut, match="enough"):
            await desk.enter("SPY", Bracket(entry=REST, stop_loss=2), UP, DAY, "it goes up")

        assert await broker.open_orders() == ()
        assert not desk.is_placing


async def test_while_the_broker_has_not_answered_an_order_is_being_placed(posted):
    post = posted()
    seen = []

    class Curious(FakeBroker):
        """Looks at the desk while it is asked."""

        async def place(self, order, *, may_leave=None):
            seen.append((desk.is_placing, desk.unknown_orders, desk.knows_nothing_of(CALL)))
            return await super().place(order, may_leave=may_leave)

    broker = Curious(quotes=[Quote(contract=CALL, at=post.clock.now(), bid=4.0, ask=4.05)], clock=post.clock)
    feed = Feed(broker, post.recorder, post.tally, post.clock)
    desk = OrderDesk(broker, feed, post.recorder, post.tally, post.clock, NullObserver(), "t", post.keeper)
    async with broker:
        await desk.enter("SPY", Bracket(entry=REST, stop_loss=2), UP, DAY, "it goes up")

    assert seen == [(True, 0, True)]
    assert (desk.is_placing, desk.unknown_orders) == (False, 0)


async def test_an_entry_that_is_given_up_while_its_record_is_written_never_left_and_the_journal_says_so(
    posted,
):
    post = posted()
    held, begun = asyncio.Event(), asyncio.Event()

    class Hesitant(Recorder):
        """Writes, and does not say so."""

        async def announce(self, intent):
            await super().announce(intent)
            begun.set()
            await held.wait()

    recorder = Hesitant(post.journal)
    feed = Feed(post.broker, recorder, post.tally, post.clock)
    desk = OrderDesk(post.broker, feed, recorder, post.tally, post.clock, NullObserver(), "t", post.keeper)
    async with post.broker:
        entering = asyncio.create_task(
            desk.enter("SPY", Bracket(entry=REST, stop_loss=2), UP, DAY, "it goes up")
        )
        await begun.wait()
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        await recorder.drain()

        assert await post.broker.open_orders() == ()
    rows = [row.record for row in post.journal.events(OrderSettled)]
    why = "it never left: SafetyRefused: it was given up while its record was written"
    assert {(row.reason, row.state) for row in rows} == {(why, GONE)}
    assert len(rows) == 2
    assert (desk.is_placing, desk.unknown_orders) == (False, 0)
