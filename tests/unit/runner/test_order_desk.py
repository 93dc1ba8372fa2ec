"""The desk alone: what it counts, tells, takes over and forgets."""

import weakref
from datetime import date, timedelta

import attrs
import pytest

from ibkeel.errors import GatesShut, NotConnected, OrderRefused, OrderRejected
from ibkeel.journal import Intent, Journal, OrderSettled
from ibkeel.model import (
    Bracket,
    Direction,
    Option,
    OrderState,
    OrderTicket,
    Position,
    Quote,
    Right,
    Side,
    Signal,
)
from ibkeel.orders import ExitCause, GateKind, OrderLimits
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.doorkeeper import Doorkeeper, Standing
from ibkeel.runner.feed import Feed
from ibkeel.runner.memory import OwnOrder
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.tally import Tally
from ibkeel.testing import FakeBroker
from ibkeel.virtual import DEFAULT_START, virtual_clock

DAY = date(2026, 1, 5)
CALL = Option("SPY", date(2026, 1, 16), 560, Right.CALL)
REST = OrderTicket(contract=CALL, side="BUY", quantity=2, order_type="LMT", limit_price=3)
UP = Signal(direction=Direction.UP, confidence=0.5)
ONLY_EFFICIENCY = OrderLimits(
    max_quantity=None, max_notional=None, max_quote_age=None, live_only=False, max_spread=None, collar=None, efficiency=2, duplicate_within=None
)  # fmt: skip
OLD = "ibk-20260105-r1-0001"


@attrs.frozen
class Post:
    """A desk at a fake venue."""

    broker: FakeBroker
    desk: OrderDesk
    keeper: Doorkeeper
    journal: Journal
    told: list

    async def enter(self, **more):
        bracket = Bracket(entry=REST, stop_loss=2)
        return await self.desk.enter("SPY", bracket, UP, DAY, "it goes up", **more)

    def records(self, kind):
        return [row.record for row in self.journal.events(kind)]


def posted():
    clock, tally, told = virtual_clock(), Tally("t", ("SPY",)), []
    broker = FakeBroker(quotes=[Quote(contract=CALL, at=clock.now(), bid=4.0, ask=4.05)], clock=clock)
    journal, keeper = Journal.in_memory(), Doorkeeper(clock, limits=ONLY_EFFICIENCY)
    recorder = Recorder(journal)
    feed = Feed(broker, recorder, tally, clock)
    desk = OrderDesk(broker, feed, recorder, tally, clock, Told(told), "t", keeper)
    made = Post(broker, desk, keeper, journal, told)
    weakref.finalize(made, journal.close)
    return made


@attrs.frozen
class Told:
    """Keeps what it is told."""

    events: list

    def on_event(self, event):
        self.events.append(event)


def known(state=OrderState.SENT, **fields):
    given = {"is_entry": True, "placed_at": DEFAULT_START, "side": Side.BUY} | fields
    return OwnOrder(contract=CALL, state=state, **given)


async def test_who_reads_along_is_told_of_an_entry_and_its_signal_and_the_journal_why():
    post = posted()
    async with post.broker:
        placed = await post.enter(signal_id="signal-1")

        [intended, left] = post.told
        assert (intended.signal_id, left.was_sent, left.quantity) == ("signal-1", True, 2)
        assert left.client_order_id == placed.client_order_id
        # Run, client id and time of day: two bots may share a run's name.
        assert "-tc0t" in placed.client_order_id
        assert [row.reason for row in post.records(Intent)] == ["it goes up"]
        assert not post.desk.is_placing


async def test_who_reads_along_is_told_of_no_signal_where_none_is_named():
    post = posted()
    async with post.broker:
        await post.enter()
        await post.desk.leave(
            lambda name: attrs.evolve(REST, side="SELL", limit_price=5, client_order_id=name),
            ExitCause.SIGNAL,
            DAY,
            "high enough",
        )

        assert [event.signal_id for event in post.told[::2]] == ["", ""]


async def test_what_never_left_is_settled_in_the_journal_with_why():
    post = posted()
    async with post.broker:
        post.broker.fail("place", OrderRefused("no"))
        with pytest.raises(OrderRefused):
            await post.enter()

        rows = post.records(OrderSettled)
        assert [row.client_order_id[-2:] for row in rows] == ["01", "-1"]
        assert {row.reason for row in rows} == {"it never left: OrderRefused: no"}


async def test_a_rejection_for_lack_of_funds_is_remembered_until_the_next_session_whatever_else_fails():
    post = posted()
    async with post.broker:
        for error in (OrderRejected("no funds", code=201), NotConnected("gone")):
            post.broker.fail("place", error, times=1)
            with pytest.raises(type(error)):
                await post.enter()
        before = post.desk.funds_rejected
        post.desk.begin_session()

        assert (before, post.desk.funds_rejected) == (True, False)


@pytest.mark.parametrize(
    ("states", "is_shut"),
    [
        ([], True),
        ([OrderState.PARTIALLY_FILLED], True),
        ([OrderState.FILLED], False),
        ([OrderState.PARTIALLY_FILLED, OrderState.FILLED, OrderState.FILLED], False),
    ],
)
async def test_an_order_counts_for_the_venues_efficiency_ratio_when_all_of_it_filled(states, is_shut):
    post = posted()
    async with post.broker:
        await post.enter()  # two messages: the entry and its stop
        [entry, _] = await post.broker.open_orders()

        for state in states:
            post.desk.saw(attrs.evolve(entry, state=state))

        found = post.keeper.refusals(REST, None)
        assert [row.kind for row in found] == [GateKind.EFFICIENCY] * is_shut


async def test_a_change_and_a_cancel_count_for_it_as_messages():
    post = posted()
    async with post.broker:
        await post.enter()
        [entry, _] = await post.broker.open_orders()
        post.desk.saw(attrs.evolve(entry, state=OrderState.FILLED))
        before = post.keeper.refusals(REST, None)

        await post.desk.change(entry, attrs.evolve(REST, limit_price=3.5))
        await post.desk.cancel(entry)

        [now] = post.keeper.refusals(REST, None)
        assert (before, now.value) == ((), "2.5 messages for each order filled")


async def test_an_entry_does_not_leave_where_a_lookout_saw_a_sick_venue():
    post = posted()
    async with post.broker:
        with pytest.raises(GatesShut, match="farm is broken"):
            await post.enter(standing=Standing(sick="farm is broken"))

        assert await post.broker.open_orders() == ()


async def test_while_entries_are_halted_one_that_works_is_not_changed_but_its_stop_may_be():
    post = posted()
    async with post.broker:
        await post.enter()
        [entry, stop] = await post.broker.open_orders()
        post.keeper.halt.halt("enough", DEFAULT_START)

        with pytest.raises(GatesShut, match="SPY"):
            await post.desk.change(entry, attrs.evolve(REST, limit_price=3.5))
        ticket = OrderTicket(
            contract=CALL, side="SELL", quantity=2, order_type="STP", stop_price=1, is_closing=True
        )
        changed = await post.desk.change(stop, ticket)

        assert changed.stop_price == 1
        assert (await post.broker.open_orders())[0].limit_price == 3


@pytest.mark.parametrize(
    ("is_entry", "was_past", "days", "is_doubtful"),
    [
        (True, False, 0, True),
        (True, False, 1, False),  # what is held tells whether it filled
        (False, False, 1, True),
        (False, True, 1, False),  # of a day whose lists are gone
    ],
)
async def test_a_new_session_forgets_doubts_about_old_entries_and_raises_none_again(
    is_entry, was_past, days, is_doubtful
):
    post = posted()
    placed_at = DEFAULT_START - timedelta(days=days)
    post.desk.restore({OLD: known(is_entry=is_entry, is_past=was_past, placed_at=placed_at)})

    post.desk.begin_session()

    assert post.desk.knows_nothing_of(CALL) is is_doubtful


@pytest.mark.parametrize(("whose", "owned"), [(None, "ours"), (55, "another's")])
async def test_an_order_that_is_taken_over_is_that_of_its_client_and_of_no_namesake(whose, owned):
    post = posted()
    async with post.broker:
        await post.enter()
        [report, _] = await post.broker.open_orders()
        post.desk.restore({OLD: known(client_id=whose)})

        ours = attrs.evolve(report, client_order_id=OLD)
        rows = {"ours": ours, "another's": attrs.evolve(ours, client_id=55)}

        assert [name for name, row in rows.items() if post.desk.owns(row)] == [owned]
        changeable = [name for name, row in rows.items() if post.desk.can_change(row)]
        assert changeable == (["ours"] if owned == "ours" else [])


async def test_an_order_taken_over_under_a_clock_that_was_set_back_is_new_and_of_others_no_age_is_known():
    post = posted()
    post.desk.restore({OLD: known(placed_at=DEFAULT_START + timedelta(hours=1))})

    assert post.desk.placed_at(OLD) == virtual_clock().monotonic()
    assert post.desk.placed_at("theirs") is None


async def test_a_position_is_of_ours_as_long_as_not_all_of_it_is_known_to_be_closed():
    post = posted()
    closed = known(OrderState.FILLED, is_entry=False, side=Side.SELL, filled=2.0)
    post.desk.restore({OLD: known(OrderState.FILLED, filled=2.0)})
    held = Position(contract=CALL, signed_quantity=2, average_price=4, account="DU1")
    before = post.desk.may_own(held)

    post.desk.restore({f"{OLD}-1": closed})

    assert (before, post.desk.may_own(held)) == (True, False)
