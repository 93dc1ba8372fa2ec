import asyncio
import weakref
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from ibkeel.errors import NotConnected, RequestTimeout
from ibkeel.journal import CommissionSeen, Failure, FillSeen, Journal, OrderSettled
from ibkeel.model import (
    Execution,
    Health,
    Option,
    OrderReport,
    OrderState,
    OrderTicket,
    Position,
    Quote,
    Right,
    Side,
    Stock,
)
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.feed import Feed
from ibkeel.runner.memory import OwnOrder
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.tally import Tally
from ibkeel.runner.watch import Watch
from ibkeel.testing import FakeBroker
from ibkeel.virtual import DEFAULT_START, virtual_clock

CALL = Option("SPY", date(2026, 1, 16), 560, Right.CALL)
OLD = "ibk-20260105-r1-0001"


class Told:
    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)

    def alarms(self):
        return [event.message for event in self.events if type(event).__name__ == "AlarmRaised"]


@attrs.frozen
class Post:
    """A watch at a fake venue."""

    broker: FakeBroker
    desk: OrderDesk
    watch: Watch
    journal: Journal
    told: Told
    ready: list
    tally: Tally

    def records(self, kind):
        return [entry.record for entry in self.journal.events(kind)]


def posted(broker=None, changed=lambda: None, utc_offset=None):
    clock, tally, told, ready = virtual_clock(), Tally("t", ("SPY",)), Told(), [True]
    now = clock.now()
    broker = broker or FakeBroker(quotes=[Quote(contract=CALL, at=now, bid=4.0, ask=4.1)], clock=clock)
    journal = Journal.in_memory()
    recorder = Recorder(journal)
    desk = OrderDesk(broker, Feed(broker, recorder, tally, clock), recorder, tally, clock, told, "t")

    async def health():
        return attrs.evolve(await broker.health(), utc_offset=utc_offset) if ready[0] else Health(checks=())

    watch = Watch(broker, desk, recorder, tally, clock, told, health=health, changed=changed)
    lost = OwnOrder(
        contract=CALL, is_entry=True, state=OrderState.UNKNOWN, placed_at=datetime(2026, 1, 5, 14, tzinfo=UTC),
        is_restored=True,
    )  # fmt: skip
    desk.restore({OLD: lost})
    post = Post(broker, desk, watch, journal, told, ready, tally)
    weakref.finalize(post, journal.close)
    return post


async def readings(post, number):

    for _ in range(number):
        await post.watch.catch_up()
        await asyncio.sleep(20)


@pytest.mark.parametrize(
    ("state", "more", "is_unknown"),
    [
        (OrderState.SENT, {"is_placing": True}, False),  # the answer is awaited
        (OrderState.SENT, {}, True),
        (OrderState.UNKNOWN, {"is_placing": True}, True),
        (OrderState.UNKNOWN, {}, True),
        (OrderState.UNKNOWN, {"is_past": True}, False),
        (OrderState.WORKING, {}, False),
        (OrderState.CANCELLED, {}, False),
    ],
)
async def test_the_fate_of_an_order_is_unknown_when_no_answer_comes_any_more(state, more, is_unknown):
    post = posted()

    post.desk.restore(
        {OLD: OwnOrder(contract=CALL, is_entry=True, state=state, placed_at=DEFAULT_START, **more)}
    )

    assert post.desk.unknown_orders == is_unknown


async def test_an_order_from_before_midnight_at_the_gateway_may_have_filled():
    post = posted(
        utc_offset=timedelta(hours=9, minutes=45)
    )  # its midnight is at 14:15 UTC, in the morning of New York
    async with post.broker:
        await readings(post, 3)

    assert post.records(OrderSettled) == []
    assert post.desk.unknown_orders == 1
    assert post.told.alarms() == [f"nobody knows what became of {OLD}: look at the venue's own list"]


@pytest.mark.parametrize("offset", [None, timedelta(hours=-5), timedelta(hours=9)])
async def test_two_readings_that_lack_an_order_settle_it_and_say_so(offset):
    post = posted(utc_offset=offset)
    async with post.broker:
        await readings(post, 2)

    [settled] = post.records(OrderSettled)
    assert (settled.client_order_id, settled.state, settled.symbol) == (OLD, OrderState.CANCELLED, "SPY")
    assert post.desk.unknown_orders == 0
    assert post.told.alarms() == []


@pytest.mark.parametrize(("code", "ends"), [(201, True), (110, False), (None, False)])
async def test_a_late_rejection_ends_the_entries_by_its_code_whatever_its_words(code, ends):
    post = posted()
    async with post.broker:
        quoted = OrderTicket(contract=CALL, side=Side.BUY, quantity=1, order_type="LMT", limit_price=1)
        await post.broker.place(attrs.evolve(quoted, client_order_id=OLD))
        [works] = await post.broker.open_orders()

    post.desk.saw(attrs.evolve(works, state=OrderState.REJECTED, reason="error 201: no funds", code=code))

    assert post.desk.funds_rejected is ends


async def test_an_order_from_before_the_clock_was_set_back_is_settled_too():
    post = posted()
    ahead = OwnOrder(
        contract=CALL, is_entry=True, state=OrderState.UNKNOWN, placed_at=virtual_clock().now() + timedelta(hours=1),
        is_restored=True,
    )  # fmt: skip
    post.desk.restore({OLD: ahead})
    async with post.broker:
        await readings(post, 3)

    assert post.desk.unknown_orders == 0
    assert post.told.alarms() == []


async def test_without_proof_it_stays_unknown_and_a_person_is_told_once():
    post = posted()
    post.ready[0] = False
    async with post.broker:
        await readings(post, 5)

    assert post.records(OrderSettled) == []
    assert post.desk.unknown_orders == 1
    [alarm] = post.told.alarms()
    assert OLD in alarm
    assert len(post.records(Failure)) == 1


async def test_an_order_that_a_list_names_is_not_gone():
    post = posted()
    async with post.broker:
        await post.broker.place(
            OrderTicket(
                contract=CALL, side="BUY", quantity=1, order_type="LMT", limit_price=1, client_order_id=OLD
            )
        )
        await readings(post, 3)

    assert post.records(OrderSettled) == []
    assert post.desk.unknown_orders == 0


async def doubled(post):
    """Two orders of one name: no broker of ours sends one twice, but the venue may list it so all the same."""
    ticket = OrderTicket(
        contract=CALL, side="BUY", quantity=1, order_type="LMT", limit_price=1, client_order_id=OLD
    )
    first = await post.broker.place(ticket)
    await post.broker.place(attrs.evolve(ticket, client_order_id="double"))
    [one, double] = await post.broker.open_orders()
    post.broker.set_foreign_orders([attrs.evolve(double, client_order_id=OLD)])
    return first, one


async def test_of_two_orders_of_one_name_the_second_is_cancelled_and_told():
    post = posted()
    async with post.broker:
        first, _ = await doubled(post)
        await post.watch.catch_up()
        left = [row.order_id for row in await post.broker.open_orders()]

    assert left == [first.order_id]
    assert "more than one order" in post.told.alarms()[0]


@pytest.mark.parametrize("is_cut_short", [False, True])
async def test_a_double_whose_cancel_did_not_get_through_is_cancelled_in_the_next_cycle(is_cut_short):
    post = posted()
    async with post.broker:
        first, one = await doubled(post)
        if is_cut_short:
            post.broker.delay("cancel", 60)
        else:
            post.broker.fail("cancel", RequestTimeout("no answer"), times=1)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await post.watch.catch_up()
        assert post.desk.unknown_orders == 0
        post.broker.delay("cancel", 0)
        await post.watch.reconcile([one])
        left = [row.order_id for row in await post.broker.open_orders()]

    assert left == [first.order_id]
    assert not post.watch.is_behind


async def test_fills_of_an_order_of_an_earlier_run_are_journaled_once():
    post = posted()
    async with post.broker:
        await post.broker.place(OrderTicket(contract=CALL, side="BUY", quantity=1, client_order_id=OLD))
        await readings(post, 2)

    [fill] = post.records(FillSeen)
    assert isinstance(fill.execution, Execution)
    assert fill.execution.side is Side.BUY


def filled(**changes):
    usual = {"order_id": 1, "perm_id": 1, "client_order_id": OLD, "account": "DU0000001", "contract": CALL}
    at = virtual_clock().now()
    execution = Execution(**usual, exec_id="e.01", side=Side.BUY, quantity=1, price=4.05, at=at)
    return attrs.evolve(execution, **changes)


async def test_a_corrected_fill_is_journaled_and_counts_once():
    post = posted()

    for name in ("1f.2a.01.01", "1f.2a.01.02", "1f.2a.02.01"):
        post.watch.saw(filled(exec_id=name))

    assert (len(post.records(FillSeen)), post.tally.fills) == (3, 2)


async def test_what_a_fill_cost_is_journaled_once_when_it_is_told_after_the_fill():
    post = posted()
    priced = filled(commission=0.65, realized_pnl=-3.5)

    for event in (filled(), filled(), priced, priced, filled()):
        post.watch.saw(event)

    [fill], [cost] = post.records(FillSeen), post.records(CommissionSeen)
    assert fill.execution.commission is None
    assert (cost.exec_id, cost.client_order_id, cost.symbol) == ("e.01", OLD, "SPY")
    assert (cost.commission, cost.realized_pnl) == (0.65, -3.5)


async def test_what_a_fill_cost_needs_no_record_of_its_own_where_the_fill_says_it():
    post = posted()

    for _ in range(2):
        post.watch.saw(filled(commission=0.65))

    assert [row.execution.commission for row in post.records(FillSeen)] == [0.65]
    assert post.records(CommissionSeen) == []


async def test_what_a_fill_of_an_earlier_run_cost_is_journaled_where_that_run_did_not_hear_it():
    post = posted()
    post.watch.restore({"e.01": False, "e.02": True}, is_behind=False)

    for name in ("e.01", "e.02"):
        post.watch.saw(filled(exec_id=name, commission=0.65))

    assert [row.exec_id for row in post.records(CommissionSeen)] == ["e.01"]
    assert post.records(FillSeen) == []


def report_of(state):
    return OrderReport(
        order_id=3, perm_id=4, client_id=0, client_order_id=OLD, contract=CALL, side=Side.BUY, quantity=1,
        order_type="LMT", state=state, at=virtual_clock().now(),
    )  # fmt: skip


async def test_an_order_taken_for_gone_lives_again_by_an_event_and_not_by_a_list():
    post = posted()
    post.desk.settle(OLD, OrderState.CANCELLED)

    post.desk.saw(report_of(OrderState.WORKING))
    listed = post.desk.state_of(OLD)
    post.desk.saw(report_of(OrderState.WORKING), is_event=True)

    assert (listed, post.desk.state_of(OLD)) == (OrderState.CANCELLED, OrderState.WORKING)


async def test_an_order_that_has_filled_stays_so():
    post = posted()
    post.desk.saw(report_of(OrderState.FILLED))

    post.desk.saw(report_of(OrderState.WORKING), is_event=True)

    assert post.desk.state_of(OLD) is OrderState.FILLED
    assert post.desk.filled_at == virtual_clock().monotonic()


async def test_a_list_that_says_nothing_new_is_no_news():
    news = []
    post = posted(changed=lambda: news.append("news"))
    async with post.broker:
        ticket = OrderTicket(
            contract=CALL,
            side=Side.BUY,
            quantity=1,
            order_type="LMT",
            limit_price="1.00",
            client_order_id="a-1",
        )
        placed = await post.broker.place(ticket)
        own = OwnOrder(contract=CALL, is_entry=True, state=OrderState.SENT, placed_at=virtual_clock().now())
        post.desk.restore({placed.client_order_id: own})
        post.desk.settle(OLD, OrderState.CANCELLED)
        rows = await post.broker.open_orders()
        await post.watch.reconcile(rows)
        first = len(news)
        await post.watch.reconcile(rows)

    assert (first, len(news)) == (1, 1)


def holding(contract, quantity):
    return Position(account="DU1", contract=contract, signed_quantity=quantity, average_price=5.0)


async def test_shares_that_no_order_of_ours_bought_are_told_once_for_each_quantity():
    post = posted()
    for quantity in (100, 100, -300):
        post.watch.held([holding(Stock("SPY"), quantity), holding(CALL, 4), holding(Stock("QQQ"), 7)])

    assert [words[:29] for words in post.told.alarms()] == [
        "the account holds +100 SPY, w",
        "the account holds -300 SPY, w",
    ]
    assert len(post.records(Failure)) == 2


async def test_shares_that_were_gone_are_told_of_again():
    post = posted()
    shares = [holding(Stock("SPY"), 100)]

    for positions in (shares, [], shares, shares):
        post.watch.held(positions)

    assert len(post.told.alarms()) == 2


def test_a_run_tells_of_an_exercise_in_its_next_cycle_and_another_run_of_the_day_does_not_tell_it_again(
    held_day,
):
    told, again, more = Told(), Told(), Told()
    shares = {"positions": (holding(Stock("SPY"), 100),)}

    held_day(broker=shares, observer=told)
    held_day(broker=shares, observer=again)
    held_day(broker={"positions": (holding(Stock("SPY"), 200),)}, observer=more)

    assert [words[:26] for words in told.alarms()] == ["the account holds +100 SPY"]
    assert again.alarms() == []
    assert [words[:26] for words in more.alarms()] == ["the account holds +200 SPY"]


def test_the_next_day_tells_of_shares_that_are_still_there(held_day):
    told = Told()
    shares = {"positions": (holding(Stock("SPY"), 100),)}

    held_day(broker=shares, days=2)
    held_day(broker=shares, observer=told, start=datetime(2025, 3, 15, 13, 30, tzinfo=UTC), days=2)

    assert [words[:26] for words in told.alarms()] == ["the account holds +100 SPY"]


@pytest.mark.parametrize(("days", "tells"), [(10, ["the account holds +100 SPY"]), (60, [])])
def test_what_an_option_became_is_told_though_its_symbol_was_taken_out_meanwhile(held_day, days, tells):
    """It expires a week after its entry; long after that the shares are somebody else's matter."""
    told = Told()
    shares = {"positions": (holding(Stock("SPY"), 100),)}
    back = datetime(2025, 3, 14, 13, 30, tzinfo=UTC) + timedelta(days=days)

    held_day(config={"end_of_day": "hold"})
    held_day(broker=shares, observer=told, start=back, config={"symbols": ("QQQ",)})

    assert [words[:26] for words in told.alarms() if words.startswith("the account")] == tells


def test_a_reading_that_failed_is_no_sign_that_shares_are_gone(held_day):
    told = Told()
    shares = {"positions": (holding(Stock("SPY"), 100),)}

    async def beside(fake, _):
        await asyncio.sleep(400)
        fake.fail("positions", RequestTimeout("no answer"), times=3)

    held_day(broker=shares, observer=told, beside=beside)

    assert len(told.alarms()) == 1


async def test_a_night_without_a_session_does_not_fill_the_journal():
    class Away(FakeBroker):
        async def order_events(self):
            raise NotConnected("no session")
            yield

    post = posted(Away(clock=virtual_clock()))
    task = asyncio.create_task(post.watch.run())
    await asyncio.sleep(3600)
    task.cancel()

    assert 6 <= len(post.records(Failure)) <= 7
