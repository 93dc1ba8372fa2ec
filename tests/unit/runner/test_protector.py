"""The verifier where a fake venue is enough: what it asks, what it leaves alone, and where a stop goes."""

import asyncio
import weakref
from datetime import date, timedelta
from decimal import Decimal

import attrs
import pytest

from ibkeel.errors import NotConnected, OrderRefused, RequestTimeout
from ibkeel.journal import Failure, Intent, Journal
from ibkeel.model import (
    ContractDetails,
    Direction,
    Option,
    OrderReport,
    OrderState,
    OrderTicket,
    Position,
    Quote,
    Right,
    Side,
    Signal,
    Stock,
    TimeInForce,
)
from ibkeel.orders import GateKind, OrderLimits, ProtectionPolicy, build_bracket
from ibkeel.runner.desk import OrderDesk
from ibkeel.runner.doorkeeper import Doorkeeper
from ibkeel.runner.feed import Feed
from ibkeel.runner.memory import OwnOrder
from ibkeel.runner.own_orders import is_explained, last_stop, stop_price_for
from ibkeel.runner.protector import ProtectionTimes, Protector
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.tally import Failures, Tally
from ibkeel.testing import FakeBroker
from ibkeel.virtual import virtual_clock

DAY = date(2026, 1, 5)
CALL = Option("SPY", date(2026, 1, 16), 560, Right.CALL)
PUT = Option("SPY", date(2026, 1, 16), 560, Right.PUT)
NEXT = OrderTicket(contract=PUT, side="BUY", quantity=1, order_type="LMT", limit_price=4.0)


class Told:
    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)

    def alarms(self):
        return [event.message for event in self.events if type(event).__name__ == "AlarmRaised"]

    def ends(self):
        return [event.name for event in self.events if type(event).__name__ == "AlarmEnded"]


@attrs.frozen
class Post:
    """A protector at a fake venue."""

    broker: FakeBroker
    desk: OrderDesk
    protector: Protector
    journal: Journal
    told: Told
    news: asyncio.Event

    async def enter(self, quantity=2, contract=CALL, **more):
        quote = await self.broker.quote(contract)
        bracket = build_bracket(quote=quote, quantity=quantity, **more)
        return await self.desk.enter("SPY", bracket, Signal(direction=Direction.UP, confidence=0.5), DAY, "")

    async def enter_and_lose_the_stop(self):
        """What is held is bare, and no other stop is taken."""
        placed = await self.enter()
        await self.broker.cancel(placed.children[0].order_id)
        self.broker.fail("place", OrderRefused("no"))

    async def stops(self):
        return [row for row in await self.broker.open_orders() if row.order_type == "STP"]

    def asked(self, kind):
        return [call.kind for call in self.broker.calls].count(kind)


class Undecided(FakeBroker):
    """A venue where a stop is being cancelled, and stays so."""

    async def all_open_orders(self):
        rows = await super().all_open_orders()
        return tuple(attrs.evolve(row, state=OrderState.CANCELLING) for row in rows)


class Wavering(FakeBroker):
    """A venue where a stop is now too small, now being cancelled."""

    def __init__(self, *, spell=10, **options):
        super().__init__(**options)
        self._spell, self._clock_of_spells = spell, virtual_clock()

    async def all_open_orders(self):
        rows = await super().all_open_orders()
        if self._clock_of_spells.monotonic() % (2 * self._spell) < self._spell:
            return tuple(attrs.evolve(row, quantity=1) for row in rows)
        return tuple(attrs.evolve(row, state=OrderState.CANCELLING) for row in rows)


class Sold(FakeBroker):
    """A venue where somebody else sold what is held, or a part of it; each list bears the time when it was asked."""

    left = 2.0

    async def all_open_orders(self):
        now = virtual_clock().now()
        return tuple(attrs.evolve(row, at=now) for row in await super().all_open_orders())

    async def positions(self, account=None):
        rows = await super().positions(account)
        return tuple(attrs.evolve(row, signed_quantity=self.left) for row in rows if self.left)


class Turning(Sold):
    """The same, whose lists show one order at a time, in turn."""

    asked = 0

    async def all_open_orders(self):
        self.asked, rows = self.asked + 1, await super().all_open_orders()
        return rows[self.asked % 2 :][:1]


class Listening(Sold):
    """The same, where every change is kept."""

    changes = ()

    async def modify(self, order_id, order):
        self.changes = (*self.changes, order)
        return await super().modify(order_id, order)


class Retyped(FakeBroker):
    """A venue where a person made one stop a trailing one, and sold half of what it is for."""

    async def positions(self, account=None):
        rows = await super().positions(account)
        return tuple(attrs.evolve(row, signed_quantity=1.0) if row.contract == CALL else row for row in rows)

    async def all_open_orders(self):
        rows = await super().all_open_orders()
        return tuple(attrs.evolve(row, order_type="TRAIL") if row.contract == CALL else row for row in rows)


class Unhurried(FakeBroker):
    """A venue that takes three seconds to say what is held."""

    async def positions(self, account=None):
        await asyncio.sleep(3)
        return await super().positions(account)


class Refusing(FakeBroker):
    """A venue that refuses every stop, and says so in an event, too, which is news."""

    tell = staticmethod(lambda: None)

    async def place(self, order, **more):
        if isinstance(order, OrderTicket):  # an entry is a bracket
            asyncio.get_running_loop().call_soon(self.tell)
            self.fail("place", OrderRefused("no"), times=1)
        return await super().place(order, **more)


class Forgetful(FakeBroker):
    """A venue that takes the first stop, cancels it, and says neither."""

    lost = 1

    async def place(self, order, **more):
        placed = await super().place(order, **more)
        if isinstance(order, OrderTicket) and self.lost:
            self.lost -= 1
            await self.cancel(placed.order_id)
            raise RequestTimeout("no answer")
        return placed


class Doubtful(FakeBroker):
    """A venue that does not cancel a stop, and does not say whether it works."""

    said, cancels = "", 0

    async def all_open_orders(self):
        rows = await super().all_open_orders()
        return tuple(attrs.evolve(row, state=OrderState.UNKNOWN, reason=self.said) for row in rows)

    async def cancel(self, order_id):
        self.cancels += 1
        [row] = [row for row in await self.all_open_orders() if row.order_id == order_id]
        return attrs.evolve(row, reason="error 161: not now")


def posted(kind=FakeBroker, doorkeeper=None, *, how=None, **options):
    clock, tally, told, news = virtual_clock(), Tally("t", ("SPY",)), Told(), asyncio.Event()
    quotes = [Quote(contract=each, at=clock.now(), bid=4.0, ask=4.05) for each in (CALL, PUT)]
    broker = kind(quotes=quotes, clock=clock, **options)
    journal = Journal.in_memory()
    recorder = Recorder(journal)
    desk = OrderDesk(
        broker, Feed(broker, recorder, tally, clock), recorder, tally, clock, told, "t", doorkeeper
    )

    async def catch_up():
        for report in await broker.open_orders():
            desk.saw(report)
        for report in await broker.completed_orders():
            desk.saw(report)

    protector = Protector(
        broker,
        desk,
        Failures(recorder, tally, clock, told),
        clock,
        told,
        news=news,
        catch_up=catch_up,
        times=ProtectionTimes(deadline=30.0),
        **({"policy": ProtectionPolicy()} | (how or {})),
    )
    post = Post(broker, desk, protector, journal, told, news)
    weakref.finalize(post, journal.close)
    return post


async def run_for(post, seconds):
    task = asyncio.create_task(post.protector.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_while_nothing_was_sent_nothing_is_asked():
    post = posted()
    async with post.broker:
        await run_for(post, 600)

    assert (post.asked("positions"), post.asked("all_open_orders")) == (0, 0)


async def test_in_dry_run_nothing_is_asked_either():
    post = posted(dry_run=True)
    async with post.broker:
        await post.enter()
        await run_for(post, 600)

    assert post.asked("positions") == 0


async def test_a_missing_stop_is_sent_once_and_is_then_enough():
    post = posted()
    async with post.broker:
        placed = await post.enter()
        await post.broker.cancel(placed.children[0].order_id)
        await run_for(post, 120)
        stops = await post.stops()

    assert [(row.quantity, row.stop_price) for row in stops] == [(2, Decimal("3.25"))]
    assert post.told.alarms() == []


async def test_a_stop_that_is_sent_again_goes_where_the_last_one_was_and_only_closes():
    post = posted()
    async with post.broker:
        placed = await post.enter(stop_fraction=0.5)
        (before,) = await post.stops()
        await post.broker.cancel(placed.children[0].order_id)
        await run_for(post, 120)
        (after,) = await post.stops()
    sent = [call.subject for call in post.broker.calls if call.kind == "place"][-1]

    assert after.stop_price == before.stop_price == Decimal("2.03")
    assert (sent.is_closing, sent.tif, sent.side) == (True, "DAY", "SELL")


@pytest.mark.parametrize("row", [0, 1], ids=["take profit", "stop"])
async def test_an_order_that_is_cut_keeps_all_but_its_quantity(row):
    post = posted(Listening)
    async with post.broker:
        placed = await post.enter(take_profit_fraction=0.8, tif=TimeInForce.GTC)
        number = placed.children[row].order_id
        before = {each.order_id: each for each in await post.broker.open_orders()}[number]
        await post.protector.check()  # learns of the fill
        post.broker.left = 1.0
        await run_for(post, 120)
        after = {each.order_id: each for each in await post.broker.open_orders()}[number]

    assert (before.quantity, after.quantity) == (2, 1)
    same = attrs.evolve(after, quantity=before.quantity, remaining=before.remaining, at=before.at)
    assert same == before
    [asked] = [each for each in post.broker.changes if each.client_order_id == before.client_order_id]
    assert (asked.oca_group, asked.tif, asked.is_closing) == (before.oca_group, "GTC", True)
    assert before.oca_group


async def test_no_stop_is_added_right_after_a_fill_for_positions_may_lag():
    post = posted()
    async with post.broker:
        placed = await post.enter()
        await post.broker.cancel(placed.children[0].order_id)
        await post.protector.check()  # learns of the fill, and takes no step
        early = await post.stops()
        await asyncio.sleep(5)
        await post.protector.check()
        late = await post.stops()

    assert early == []
    assert len(late) == 1


async def test_a_stop_that_is_refused_is_tried_again_and_told_of_in_time():
    post = posted()
    async with post.broker:
        await post.enter_and_lose_the_stop()
        await run_for(post, 60)
        post.broker.heal("place")
        await run_for(post, 30)
        stops = await post.stops()

    assert len(stops) == 1
    assert post.told.ends() == [f"protection of {CALL}"]
    [alarm] = post.told.alarms()
    failures = [entry.record for entry in post.journal.events(Failure)]
    assert {row.service for row in failures} == {"protection"}
    assert ("SPY", alarm) in [(row.symbol, row.message) for row in failures]


async def test_a_venue_that_refuses_a_stop_is_asked_every_few_seconds_and_less_often_once_a_person_was_told():
    post = posted(Refusing)
    post.broker.tell = post.news.set
    async with post.broker:
        placed = await post.enter()
        await post.broker.cancel(placed.children[0].order_id)
        asked = []
        for seconds in (30, 600):
            before = post.asked("place")
            await run_for(post, seconds)
            asked.append(post.asked("place") - before)

    assert 3 <= asked[0] <= 6
    assert 15 <= asked[1] <= 26
    assert len(post.told.alarms()) >= 1


async def test_a_stop_that_we_cannot_change_keeps_no_other_position_from_its_own():
    post = posted(Retyped)
    async with post.broker:
        await post.enter()
        placed = await post.enter(contract=PUT)
        await post.protector.check()  # learns of the fills
        await asyncio.sleep(20)
        await post.broker.cancel(placed.children[0].order_id)
        await run_for(post, 120)
        stops = [row.contract for row in await post.stops()]

    assert stops == [CALL, PUT]
    [alarm] = post.told.alarms()
    assert alarm.startswith(f"oversized: 1 {CALL} held")
    assert "'TRAIL' is not a valid OrderType" in " ".join(
        entry.record.message for entry in post.journal.events(Failure)
    )


async def test_what_cannot_be_read_is_noted_and_asked_again():
    post = posted()
    async with post.broker:
        await post.enter()
        post.broker.fail("positions", RequestTimeout("no answer"), times=1)
        await run_for(post, 90)

    [failure] = [entry.record for entry in post.journal.events(Failure)]
    assert (failure.kind, failure.service, failure.symbol) == ("RequestTimeout", "protection", "")
    assert post.asked("positions") > 1


async def test_news_that_come_together_cost_one_look():
    post = posted()
    async with post.broker:
        await post.enter()
        task = asyncio.create_task(post.protector.run())
        await asyncio.sleep(30)
        before = post.asked("positions")
        for _ in range(8):
            post.news.set()
            await asyncio.sleep(0.1)
        await asyncio.sleep(5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert post.asked("positions") == before + 1


@pytest.mark.parametrize(("is_doubtful", "looks"), [(False, range(15, 19)), (True, range(100, 250))])
async def test_what_only_a_person_can_mend_is_looked_at_once_in_a_while_when_it_was_told(is_doubtful, looks):
    """Every few seconds until it is told, then every minute; not while lists may tell more of an order of ours."""
    post = posted(Undecided)
    async with post.broker:
        await post.enter()
        if is_doubtful:
            post.desk.restore({"lost": attrs.evolve(ours(), state=OrderState.UNKNOWN)})
        await asyncio.sleep(20)
        await run_for(post, 630)

    [alarm] = post.told.alarms()
    assert "nobody knows" in alarm
    assert post.asked("positions") in looks


async def test_it_rests_when_neither_a_fill_nor_a_mend_can_lag_behind_its_lists():
    looks = []
    post = posted(how={"seen": lambda *_: looks.append(virtual_clock().monotonic() - began)})
    async with post.broker:
        placed = await post.enter()
        began = virtual_clock().monotonic()
        await run_for(post, 100)
        after_a_fill = [*looks]
        await post.broker.cancel(placed.children[0].order_id)
        began = virtual_clock().monotonic()
        looks.clear()
        await run_for(post, 100)

    assert after_a_fill == pytest.approx([0, 5, 10, 15, 75], abs=0.1)
    assert looks == pytest.approx([0, 1, 6, 11, 16, 76], abs=0.1)  # two looks agree, and the later mends


async def test_each_look_tells_what_is_held_and_what_works():
    seen = []
    post = posted(how={"seen": lambda *both: seen.append(both)})
    async with post.broker:
        await post.enter()
        await post.protector.check()
        said = (await post.broker.positions(), await post.broker.all_open_orders())

    assert seen == [said]
    assert [len(rows) for rows in said] == [1, 1]


@pytest.mark.parametrize("error", [NotConnected("gone"), RequestTimeout("no answer")])
async def test_after_a_look_that_failed_the_next_one_is_soon(error):
    post = posted()
    async with post.broker:
        await post.enter()
        post.broker.fail("positions", error, times=1)
        await run_for(post, 8)

    assert post.asked("positions") == 2


async def test_the_deadline_counts_on_in_the_next_session_and_not_between_two():
    post = posted()
    async with post.broker:
        await post.enter_and_lose_the_stop()
        task = asyncio.create_task(post.protector.run())
        told = []
        for _ in range(2):
            await asyncio.sleep(8)
            post.broker.fail("positions", NotConnected("gone"))
            await asyncio.sleep(100)
            told += post.told.alarms()
            post.broker.heal("positions")
            post.news.set()
        await asyncio.sleep(16)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert told == []
    assert len(post.told.alarms()) == 1


async def test_the_deadline_counts_on_in_a_session_in_which_nothing_can_be_read():
    post = posted()
    async with post.broker:
        await post.enter_and_lose_the_stop()
        await run_for(post, 20)
        post.broker.fail("positions", RequestTimeout("no answer"))
        await run_for(post, 15)

    assert len(post.told.alarms()) == 1


async def test_of_what_was_mended_between_two_sessions_nobody_is_told():
    post = posted(Unhurried)
    async with post.broker:
        await post.enter_and_lose_the_stop()
        await run_for(post, 29)
        post.broker.heal("place")
        await post.broker.place(
            OrderTicket(contract=CALL, side="SELL", quantity=2, order_type="STP", stop_price=3)
        )
        await run_for(post, 60)

    assert post.told.alarms() == post.told.ends() == []


async def test_the_deadline_counts_on_in_a_protector_that_is_begun_again():
    post = posted()
    async with post.broker:
        await post.enter_and_lose_the_stop()
        await run_for(post, 16)
        await asyncio.sleep(100)
        early = post.told.alarms()
        await run_for(post, 16)

    assert early == []
    assert len(post.told.alarms()) == 1


@pytest.mark.parametrize(("spells", "left"), [((8, 9), 13), ((8, 8, 12), 3)])
async def test_the_deadline_is_so_many_seconds_with_a_session_from_the_beginning_of_the_look(spells, left):
    """What is over before a look has its answers is told with them."""
    post = posted(Unhurried)
    async with post.broker:
        await post.enter_and_lose_the_stop()
        for seconds in spells:
            await run_for(post, seconds)
            await asyncio.sleep(100)
        early, began = post.told.alarms(), virtual_clock().now()
        await run_for(post, 20)

    assert early == []
    [told] = [event for event in post.told.events if type(event).__name__ == "AlarmRaised"]
    assert (told.at - began).total_seconds() == pytest.approx(left, abs=0.01)


async def test_of_what_was_told_and_is_mended_while_there_is_no_session_a_person_hears_too():
    post = posted()
    async with post.broker:
        await post.enter_and_lose_the_stop()
        await run_for(post, 60)
        post.broker.heal("place")
        post.broker.fail("positions", NotConnected("no session"))
        await run_for(post, 10)
        await post.broker.place(
            OrderTicket(contract=CALL, side="SELL", quantity=2, order_type="STP", stop_price=3)
        )
        early = post.told.ends()
        post.broker.heal("positions")
        await run_for(post, 10)

    assert early == []
    assert len(post.told.alarms()) == len(post.told.ends()) == 1


async def test_a_position_that_goes_from_no_stop_to_too_small_a_one_and_back_has_one_deadline():
    post = posted(Wavering)
    async with post.broker:
        await post.enter()
        post.broker.fail("place", OrderRefused("no"))
        await run_for(post, 40)

    assert len(post.told.alarms()) == 1


async def test_a_position_that_loses_the_rest_of_its_stops_after_a_person_was_told_is_told_again():
    post = posted(Wavering, spell=45)
    async with post.broker:
        await post.enter()
        post.broker.fail("place", OrderRefused("no"))
        await run_for(post, 85)

    assert [message.partition(":")[0] for message in post.told.alarms()] == ["undersized", "naked"]


@pytest.mark.parametrize(("said", "asked"), [("error 161: not now", 1), ("status Inactive", 8)])
async def test_a_stop_of_unknown_fate_is_cancelled_again_only_when_more_was_said_of_it(said, asked):
    post = posted(Doubtful)
    post.broker.said = said
    async with post.broker:
        await post.enter()
        await asyncio.sleep(10)
        await run_for(post, 60)

    assert post.broker.cancels == pytest.approx(asked, abs=asked // 4)


async def test_an_order_of_somebody_else_is_never_cancelled():
    post = posted()
    async with post.broker:
        await post.enter()
        theirs = OrderReport(
            order_id=1, perm_id=5, client_id=9, client_order_id="", contract=CALL, side=Side.SELL, quantity=2,
            order_type="STP", state=OrderState.WORKING, at=virtual_clock().now(),
        )  # fmt: skip
        post.broker.set_foreign_orders([theirs])
        await run_for(post, 60)

    assert post.asked("cancel") == 1  # ours is the one too many
    assert "doubled" not in " ".join(post.told.alarms())


@pytest.mark.parametrize(
    ("quantity", "is_gone", "kind"), [(2, False, "doubled"), (5, True, "oversized")], ids=["cancel", "change"]
)
async def test_what_bears_the_number_of_an_order_of_ours_and_is_of_another_client_is_left_alone(
    quantity, is_gone, kind
):
    post = posted()
    async with post.broker:
        placed = await post.enter()
        [stop] = await post.stops()
        theirs = attrs.evolve(stop, client_id=9, client_order_id="", quantity=quantity, oca_group="")
        post.broker.set_foreign_orders([theirs])
        if is_gone:
            await post.broker.cancel(placed.children[0].order_id)
        await asyncio.sleep(20)
        await run_for(post, 60)

    assert (post.asked("cancel"), post.asked("modify")) == (is_gone, 0)
    [alarm] = post.told.alarms()
    assert alarm.startswith(f"{kind}: 2 {CALL} held, stops at work for {quantity if is_gone else 4}")


async def test_an_entry_of_ours_that_a_person_made_a_trailing_stop_is_not_taken_for_a_stop_too_many():
    post = posted(Retyped)
    async with post.broker:
        bracket = build_bracket(quote=await post.broker.quote(CALL), quantity=2)
        entry = attrs.evolve(bracket.entry, limit_price=Decimal("3.5"))  # below the market: it works
        signal = Signal(direction=Direction.UP, confidence=0.5)
        await post.desk.enter("SPY", attrs.evolve(bracket, entry=entry), signal, DAY, "")
        await asyncio.sleep(20)
        await run_for(post, 60)

    assert post.asked("all_open_orders") > 2
    assert post.asked("cancel") == 0


async def test_what_two_looks_do_not_show_alike_is_not_touched():
    post = posted(Turning)
    async with post.broker:
        for _ in range(2):
            await post.enter()
        post.broker.left = 0.0
        await asyncio.sleep(20)
        await run_for(post, 60)

    assert post.asked("cancel") == 0


async def test_a_stop_that_the_venue_never_answered_is_sent_again_once_its_lists_say_that_it_ended():
    post = posted(Forgetful)
    async with post.broker:
        placed = await post.enter()
        await post.broker.cancel(placed.children[0].order_id)
        await run_for(post, 60)
        stops = await post.stops()

    assert [row.quantity for row in stops] == [2]
    assert post.told.alarms() == []


async def test_a_stop_that_nobody_can_tell_anything_of_is_not_doubled():
    post = posted()
    async with post.broker:
        placed = await post.enter()
        await post.broker.cancel(placed.children[0].order_id)
        post.broker.fail("place", RequestTimeout("no answer"))
        await run_for(post, 300)

    assert post.asked("place") == 2
    [alarm] = post.told.alarms()
    assert alarm.startswith("naked")


@pytest.mark.parametrize("is_gone", [False, True], ids=["of the day", "gone"])
@pytest.mark.parametrize("tifs", [("DAY", "GTC"), ("GTC",), ("DAY",), ()], ids=str)
async def test_the_stop_of_what_is_held_over_night_outlives_the_day_whatever_does_for_the_others(
    tifs, is_gone
):
    policy = ProtectionPolicy(tifs=tifs)
    post = posted(how={"policy": policy, "ends": lambda contract: contract != CALL})
    async with post.broker:
        for contract in (CALL, PUT):
            placed = await post.enter(contract=contract)
            if is_gone:
                await post.broker.cancel(placed.children[0].order_id)
        await run_for(post, 120)
        stops = [(row.contract.right.name, row.quantity, row.tif) for row in await post.stops()]

    assert sorted(stops) == [("CALL", 2, "GTC"), ("PUT", 2, [*tifs, "DAY"][0])]
    assert post.asked("cancel") == (2 if is_gone else 0)
    assert not (is_gone and post.asked("modify"))  # it is right from the beginning
    assert post.told.alarms() == []


async def works(post):
    return [(row.order_type, row.quantity) for row in await post.broker.open_orders()]


@pytest.mark.parametrize(
    ("left", "after", "fate"),
    [(0.0, [], "was cancelled"), (1.0, [("LMT", 1), ("STP", 1)], "was cut from 2 to 1")],
)
async def test_a_take_profit_follows_what_is_held_and_a_person_hears_of_it_once(left, after, fate):
    post = posted(Sold)
    async with post.broker:
        await post.enter(take_profit_fraction=0.8)
        await post.protector.check()  # learns of the fill
        post.broker.left = left
        early = await works(post)
        await run_for(post, 120)
        late = await works(post)

    assert (early, late) == ([("LMT", 2), ("STP", 2)], after)
    [alarm] = post.told.alarms()
    assert alarm.startswith(f"oversized: {left:g} {CALL} held")
    assert alarm.endswith(f"(SELL 2) {fate}")


async def test_right_after_a_fill_no_take_profit_is_taken_for_too_much():
    post = posted(Sold)
    async with post.broker:
        await post.enter(take_profit_fraction=0.8)
        await run_for(post, 2)  # learns of the fill
        post.broker.left = 0.0
        await run_for(post, 12)
        early = await works(post)
        await run_for(post, 12)
        late = await works(post)

    assert (early, late) == ([("LMT", 2), ("STP", 2)], [])


async def test_a_take_profit_that_gives_way_to_a_stop_brings_no_alarm():
    post = posted()
    async with post.broker:
        placed = await post.enter(take_profit_fraction=0.8)
        await post.broker.cancel(placed.children[-1].order_id)
        await run_for(post, 60)
        after = await works(post)

    assert after == [("STP", 2)]
    assert post.told.alarms() == []


async def test_a_take_profit_that_cannot_be_cut_is_told_of_in_time():
    post = posted(Sold)
    async with post.broker:
        await post.enter(take_profit_fraction=0.8)
        post.broker.left = 1.0
        post.broker.fail("modify", OrderRefused("no"))
        await run_for(post, 60)

    [alarm] = post.told.alarms()
    assert "take profits for 2; it could not be mended" in alarm


async def test_a_stop_that_is_cut_counts_as_a_message_as_one_that_is_cancelled_does():
    limits = OrderLimits(efficiency=1.7, max_quote_age=None, max_spread=None, collar=None, what_if=False)
    doorkeeper = Doorkeeper(virtual_clock(), limits=limits)
    post = posted(Sold, doorkeeper)
    async with post.broker:
        await post.enter()  # two messages, one fill
        before = doorkeeper.refusals(NEXT, await post.broker.quote(PUT))
        post.broker.left = 1.0
        await run_for(post, 60)
        after = doorkeeper.refusals(NEXT, await post.broker.quote(PUT))

    assert post.asked("modify") == 1
    assert before == ()
    assert [refusal.kind for refusal in after] == [GateKind.EFFICIENCY]


async def test_a_position_that_no_entry_of_ours_opened_gets_no_stop_and_is_told_of():
    post = posted(Sold)
    async with post.broker:
        await post.enter()
        post.broker.left = -2.0
        await run_for(post, 200)
        stops = await post.stops()

    assert stops == []
    assert [
        row for row in post.told.alarms() if "naked" in row and "; no entry of ours opened it; it c" in row
    ]
    assert post.asked("place") == 1


async def test_each_thing_that_is_wrong_with_a_position_is_told_of():
    post = posted(Sold)
    async with post.broker:
        await post.enter()
        post.broker.left = -2.0
        post.broker.fail("cancel", OrderRefused("no"))
        await run_for(post, 60)

    assert {message.partition(":")[0] for message in post.told.alarms()} == {"naked", "wrong_side"}
    assert len(post.told.alarms()) == 2


def ours(*, side=None, stop_price=None, is_entry=False):
    return OwnOrder(
        contract=CALL,
        is_entry=is_entry,
        state=OrderState.WORKING,
        placed_at=virtual_clock().now(),
        side=side,
        stop_price=stop_price,
    )


@pytest.mark.parametrize(("fraction", "price"), [(None, "3.25"), (0.5, "2.03")])
async def test_where_there_never_was_a_stop_it_goes_where_the_average_price_says(fraction, price):
    post = posted()
    if fraction:
        post.protector.use(stop_fraction=fraction)
    async with post.broker:
        bare = OrderTicket(contract=CALL, side="BUY", quantity=2, order_type="LMT", limit_price="4.05")
        placed = await post.broker.place(bare)
        entry = attrs.evolve(ours(side=Side.BUY, is_entry=True), is_restored=True, has_filled=True)
        post.desk.restore({placed.client_order_id: entry})
        await run_for(post, 120)
        [stop] = await post.stops()

    assert (stop.quantity, stop.side, stop.stop_price) == (2, Side.SELL, Decimal(price))
    assert post.told.alarms() == []


async def test_the_last_stop_of_its_own_side_says_where_one_goes():
    stops = [ours(side=Side.SELL, stop_price=price) for price in (Decimal(3), Decimal(2), None)]

    assert last_stop([*stops, ours(side=Side.BUY, stop_price=Decimal(9))], Side.SELL) == 2
    assert last_stop(stops, Side.BUY) is None


@pytest.mark.parametrize(
    ("sides", "long", "short"),
    [
        ([], True, True),
        ([Side.BUY], True, False),
        ([Side.SELL], False, True),
        ([Side.BUY, Side.SELL], True, True),
        ([None], True, True),
    ],
)
async def test_a_position_is_explained_by_an_entry_of_its_side(sides, long, short):
    orders = [*(ours(side=side, is_entry=True) for side in sides), ours(side=Side.SELL)]

    assert (is_explained(orders, is_long=True), is_explained(orders, is_long=False)) == (long, short)


async def test_a_stop_that_replaces_another_is_journaled_as_protection():
    post = posted()
    async with post.broker:
        placed = await post.enter()
        await post.broker.cancel(placed.children[0].order_id)
        await run_for(post, 30)

    entry, stop = [entry.record for entry in post.journal.events(Intent)]
    assert (entry.purpose, stop.purpose) == ("entry", "protection")
    assert f"2 {CALL} held, stops at work for 0" in stop.reason


async def test_a_stop_that_is_sent_in_the_evening_bears_the_exchanges_day():
    post = posted()
    async with post.broker:
        placed = await post.enter()
        await asyncio.sleep(
            86_400 - virtual_clock().now().timestamp() % 86_400 + 3600
        )  # an hour after midnight, UTC
        await post.broker.cancel(placed.children[0].order_id)
        await run_for(post, 30)
        [stop] = await post.stops()

    yesterday = virtual_clock().now().date() - timedelta(days=1)
    assert f"{yesterday:%Y%m%d}" in stop.client_order_id


@pytest.mark.parametrize(
    ("contract", "tick", "average", "quantity", "price"),
    [
        (CALL, "0.01", 2.5, 1, "2.00"),
        (CALL, "0.05", 2.53, 1, "2.05"),
        (CALL, "0.01", 4.5, 1, "3.60"),
        (Stock("SPY"), "0.01", 4.567, 10, "3.66"),
        (CALL, "0.01", 4.0, -1, "4.80"),
    ],
)
async def test_a_stop_of_our_own_making_is_on_the_tick(contract, tick, average, quantity, price):
    now = virtual_clock().now()
    broker = FakeBroker(
        quotes=[Quote(contract=contract, at=now, bid=4.0, ask=4.05)],
        details=[ContractDetails(contract=contract, min_tick=Decimal(tick))],
        clock=virtual_clock(),
    )
    position = Position(account="DU1", contract=contract, signed_quantity=quantity, average_price=average)

    async with broker:
        assert await stop_price_for(broker, position, 0.2) == Decimal(price)


@pytest.mark.parametrize(("quantity", "average"), [(1, 4.44), (1, 470.0), (-1, 2.96), (-1, 3.0)])
async def test_a_stop_that_would_fire_at_once_is_refused(quantity, average):
    now = virtual_clock().now()
    broker = FakeBroker(quotes=[Quote(contract=CALL, at=now, bid=3.5, ask=3.6)], clock=virtual_clock())
    position = Position(account="DU1", contract=CALL, signed_quantity=quantity, average_price=average)

    async with broker:
        with pytest.raises(OrderRefused, match="set one by hand"):
            await stop_price_for(broker, position, 0.2)


async def test_a_stop_is_refused_where_nobody_quotes():
    now = virtual_clock().now()
    broker = FakeBroker(quotes=[Quote(contract=CALL, at=now, ask=3.6)], clock=virtual_clock())
    position = Position(account="DU1", contract=CALL, signed_quantity=1, average_price=3.0)

    async with broker:
        with pytest.raises(OrderRefused, match="bid None"):
            await stop_price_for(broker, position, 0.2)
