import asyncio
from datetime import timedelta

import attrs
import pytest

from ibkeel.errors import OrderRejected
from ibkeel.journal import Journal, Purpose
from ibkeel.model import ExitPolicy, OrderTicket, Quote
from ibkeel.runner import EndOfDay, Session
from ibkeel.runner.memory import remember

FALLING = [560.0 + 20 - n for n in range(24)]
RISING = [540.0 + n for n in range(24)]


@pytest.fixture
def hours(request):
    # The bars are made where the day is made.
    conftest = request.config.pluginmanager.get_plugin(str(request.path.with_name("conftest.py")))
    return conftest.hourly


@pytest.fixture
def expiring(request):
    conftest = request.config.pluginmanager.get_plugin(str(request.path.with_name("conftest.py")))
    return attrs.evolve(conftest.HELD_CALL, expiry=conftest.HELD_DAY)


def exits(world):
    return [row for row in world.intents if row.purpose is Purpose.EXIT]


def test_a_trail_that_breaks_ends_the_position_within_a_cycle(held_day, hours):
    world = held_day(exits=ExitPolicy(trail_period=20), hours=hours(FALLING))

    (left,) = exits(world)
    entered = world.intents[0]
    assert left.reason.startswith("trail: hourly_close is 557")
    assert timedelta(seconds=60) <= left.at - entered.at < timedelta(seconds=90)
    assert world.report.held == ()


def test_a_trail_over_many_hours_asks_for_as_many(held_day):
    world = held_day(exits=ExitPolicy(trail_period=50))

    asked = {row.message for row in world.report.errors}
    assert asked
    assert all(" in 3 W before " in message for message in asked)


def test_a_trail_that_holds_leaves_it_to_the_end_of_the_session(held_day, hours):
    world = held_day(exits=ExitPolicy(trail_period=20), hours=hours(RISING))

    assert [row.reason.partition(":")[0] for row in exits(world)] == ["end_of_day"]


def test_without_hourly_bars_nothing_trails_and_the_failure_is_told(held_day):
    world = held_day(exits=ExitPolicy(trail_period=20))

    assert [row.reason.partition(":")[0] for row in exits(world)] == ["end_of_day"]
    assert {row.kind for row in world.report.errors} == {"NoData"}


@pytest.mark.parametrize(
    ("slow", "at_most"),
    [
        (("account",), 61),
        (("positions", "all_open_orders"), 181),
    ],  # lists are read before each step of an exit
)
def test_an_exit_does_not_wait_for_the_balances_nor_for_one_list_after_the_other(held_day, slow, at_most):
    def prepare(broker):
        place = broker.place

        async def place_and_slow_down(order, **asked):
            for kind in slow:
                broker.delay(kind, 20.0)
            return await place(order, **asked)

        broker.place = place_and_slow_down

    world = held_day(exits=ExitPolicy(min_dte=8), prepare=prepare)

    (left,) = exits(world)
    assert left.at - world.intents[0].at < timedelta(seconds=at_most)


def test_an_expiry_that_is_too_near_ends_the_position(held_day):
    world = held_day(exits=ExitPolicy(min_dte=8))

    (left,) = exits(world)
    assert left.reason == "expiry: dte is 7; held while at least 8"


def test_an_expiry_ends_the_position_though_the_hourly_bars_cannot_be_had(held_day):
    world = held_day(exits=ExitPolicy(trail_period=20, min_dte=8))

    (left,) = exits(world)
    assert left.reason == "expiry: dte is 7; held while at least 8"
    assert "NoData" in {row.kind for row in world.report.errors}


@pytest.mark.parametrize(
    ("own", "configured"), [(None, EndOfDay.HOLD), (False, EndOfDay.FLATTEN), (False, EndOfDay.HOLD)]
)
def test_what_expires_today_is_not_held_over_the_night(held_day, expiring, own, configured):
    """It would be exercised: in the morning there would be a hundred shares of each, which no order of ours covers."""
    world = held_day(
        option=expiring,
        exits=ExitPolicy(ends_with_session=own),
        config={"end_of_day": configured, "min_dte": 0},
    )

    assert [row.reason.partition(":")[0] for row in exits(world)] == ["end_of_day"]
    assert world.report.held == ()


@pytest.mark.parametrize(
    ("policy", "deaf_for", "is_sent"), [(8, 0.0, True), (None, 0.0, True), (None, 60.0, False)]
)
def test_a_run_that_is_stopped_amid_an_exit_sends_it_first(held_day, policy, deaf_for, is_sent):
    """Its stop is cancelled by then; and a gateway that is gone is not waited for."""
    said, placed = [], []

    def prepare(broker):
        place, cancel, run = broker.place, broker.cancel, asyncio.current_task()

        async def cancel_and_stop(order_id):
            report = await cancel(order_id)
            asyncio.get_running_loop().call_later(0.1, run.cancel)
            await asyncio.sleep(0.3 + deaf_for)
            return report

        async def place_and_tell(order, **asked):
            placed.append(order)
            return await place(order, **asked)

        broker.cancel, broker.place = cancel_and_stop, place_and_tell

    with pytest.raises(asyncio.CancelledError):
        held_day(exits=ExitPolicy(min_dte=policy), prepare=prepare, announce=said.append)

    assert len(placed) == 1 + is_sent
    assert any("WITHOUT A STOP" in line for line in said) is not is_sent


def test_an_expiry_that_is_far_enough_does_not(held_day):
    world = held_day(exits=ExitPolicy(min_dte=7))

    assert [row.reason.partition(":")[0] for row in exits(world)] == ["end_of_day"]


@pytest.mark.parametrize(
    ("own", "configured", "is_closed"),
    [(None, "flatten", True), (None, "hold", False), (True, "hold", True), (False, "flatten", False)],
)
def test_a_strategys_own_word_on_the_end_of_the_session_wins(held_day, own, configured, is_closed):
    world = held_day(exits=ExitPolicy(ends_with_session=own), config={"end_of_day": EndOfDay(configured)})

    assert bool(exits(world)) is is_closed
    assert (world.report.held == ()) is is_closed


@pytest.mark.parametrize(
    ("own", "configured", "tif"),
    [(None, "flatten", "DAY"), (None, "hold", "GTC"), (True, "hold", "DAY"), (False, "flatten", "GTC")],
)
def test_the_orders_that_protect_what_is_held_over_night_outlive_the_day(held_day, own, configured, tif):
    """The one that entered it does not: nobody would look after it."""
    world = held_day(
        exits=ExitPolicy(ends_with_session=own, take_profit_fraction=5.0),
        config={"end_of_day": EndOfDay(configured)},
    )

    bracket = world.intents[0].order
    assert bracket.entry.tif == "DAY"
    assert [child.tif for child in bracket.children()] == [tif, tif]


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_stop_that_would_end_with_the_day_is_made_to_outlive_it(held_day, is_cancelled):
    """As one that another version left, or a person; one that is missing is sent anew as it should be."""

    async def beside(broker, _):
        await asyncio.sleep(300)
        (stop,) = await broker.open_orders()
        if is_cancelled:
            await broker.cancel(stop.order_id)
        else:
            ticket = OrderTicket(
                contract=stop.contract,
                side=stop.side,
                quantity=1,
                order_type="STP",
                stop_price=stop.stop_price,
            )
            await broker.modify(stop.order_id, attrs.evolve(ticket, quantity=int(stop.quantity)))
        before = [row.tif for row in await broker.open_orders()]
        await asyncio.sleep(120)
        return before, [row.tif for row in await broker.open_orders()]

    world = held_day(config={"end_of_day": EndOfDay.HOLD}, beside=beside)

    assert world.found == ([] if is_cancelled else ["DAY"], ["GTC"])


@pytest.mark.parametrize(
    ("own", "configured", "why"),
    [(None, EndOfDay.HOLD, "end_of_day is hold"), (False, EndOfDay.FLATTEN, "its strategy holds it")],
)
def test_what_is_held_over_night_without_a_stop_is_said_so(held_day, own, configured, why):
    def prepare(broker):
        async def nothing():
            return ()

        asyncio.get_running_loop().call_later(3588, setattr, broker, "all_open_orders", nothing)

    world = held_day(
        exits=ExitPolicy(ends_with_session=own),
        config={"end_of_day": configured, "flatten_before_close": 10.0},
        prepare=prepare,
    )

    (held,) = world.report.held
    assert held.reason == f"{why}; when that was found, no stop worked for it"


def test_what_its_stop_closed_in_the_last_minutes_is_not_said_to_be_held(held_day, request):
    made = request.config.pluginmanager.get_plugin(str(request.path.with_name("conftest.py")))
    quotes = [
        Quote(contract=made.HELD_CALL, at=at, bid=bid, ask=bid + 0.05, last=bid, volume=500.0)
        for second in range(0, 3600, 5)
        for at in [made.HELD_OPEN + timedelta(seconds=second)]
        for bid in [4.0 if second < 3400 else 1.0]
    ]

    world = held_day(config={"end_of_day": EndOfDay.HOLD}, quotes=quotes)

    assert (world.report.fills, world.report.held) == (2, ())


def test_what_is_held_over_night_is_known_the_next_day(held_day):
    world = held_day(config={"end_of_day": EndOfDay.HOLD})
    (held,) = world.report.held
    with Journal.open(world.journal, read_only=True) as journal:
        opens = world.intents[0].at + timedelta(days=3)
        later = remember(
            journal, Session(day=opens.date(), opens_at=opens, closes_at=opens + timedelta(hours=6))
        )
        expired = opens + timedelta(days=30)
        after = remember(
            journal, Session(day=expired.date(), opens_at=expired, closes_at=expired + timedelta(hours=6))
        )

    assert {row.contract for row in later.orders.values()} == {held.contract}
    assert [row.stop_price for row in later.orders.values() if row.stop_price]
    assert held.contract in later.signals
    assert after.orders == {}


def test_an_exit_that_the_venue_refuses_is_noted_and_tried_again_in_the_next_cycle(held_day):
    async def refuse_one(fake, _):
        while not await fake.positions():
            await asyncio.sleep(1)
        fake.fail("place", OrderRejected("no", code=201), times=1)

    world = held_day(exits=ExitPolicy(min_dte=8), beside=refuse_one)

    first, second = exits(world)
    assert second.at - first.at < timedelta(seconds=61)
    assert first.reason == second.reason == "expiry: dte is 7; held while at least 8"
    assert {row.kind for row in world.report.errors} == {"OrderRejected"}
    assert world.report.fills == 2
