import asyncio
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from ibkeel.errors import ConfigurationError, OrderRejected, RequestTimeout
from ibkeel.journal import Intent, Journal, Purpose
from ibkeel.model import Option, OrderState, OrderTicket, OtherContract, Position, Quote, Right, Stock
from ibkeel.orders import ExitCause
from ibkeel.runner import (
    EndOfDay,
    Flattened,
    FlattenRequest,
    FlattenRequests,
    Halt,
    Leftover,
    RiskConfig,
    Safety,
)
from ibkeel.runner.crew import crew_of
from ibkeel.runner.flatten import close_everything, flatten, leave_position
from ibkeel.runner.memory import OwnOrder
from ibkeel.telemetry import NullObserver
from ibkeel.testing import FakeBroker

NOW = datetime(2025, 3, 14, 14, tzinfo=UTC)
HELD_OPEN = datetime(2025, 3, 14, 13, 30, tzinfo=UTC)
HELD_CALL = Option("SPY", date(2025, 3, 21), 560, Right.CALL, trading_class="SPY")
HOLDS = {"end_of_day": EndOfDay.HOLD}


class StandingClock:
    """The machine's clock, as far as it was moved."""

    def __init__(self):
        self.at = NOW

    def now(self):
        return self.at


def requests_in(folder, **changes):
    return FlattenRequests(folder, **{"port": 4002, "client_id": 7, "clock": StandingClock(), **changes})


def request(name="one", **changes):
    usual = {"wait": 20.0, "everything": False, "asked_until": NOW + timedelta(minutes=1)}
    return FlattenRequest(name=name, **{**usual, **changes})


@pytest.fixture
def asked(tmp_path):
    """What another process does: leaves a request in a running bot's state directory."""
    machine = StandingClock()
    requests = requests_in(tmp_path, clock=machine)

    def begin(after=300.0, **changes):
        async def beside(_, runner):
            await asyncio.sleep(after)
            requests.ask(request(**changes))
            await asyncio.sleep(60)
            return requests.answered("one")

        return beside

    begin.safety = Safety.of(RiskConfig(), Halt(tmp_path / "halt"), requests=requests)
    begin.machine = machine
    return begin


def test_a_bot_that_is_asked_closes_what_it_holds_and_enters_no_more(held_day, asked, tmp_path):
    world = held_day(config=HOLDS, beside=asked(), safety=asked.safety)

    (left,) = [row for row in world.intents if row.purpose is Purpose.EXIT]
    assert world.found.is_flat
    assert [words.partition(" ")[2] for words in world.found.closed] == ["SPY 2025-03-21 560 C"]
    assert left.reason == "manual: ibkeel flatten"
    assert world.report.held == ()
    assert "ibkeel flatten" in (tmp_path / "halt").read_text()


async def left_by_a_long_run(count, prepare=lambda _: None, *, just_filled=()):
    """A run that holds the last of so many calls closes it: the broker, and what was sold."""
    clock = StandingClock()
    clock.monotonic = asyncio.get_running_loop().time
    calls = [*(attrs.evolve(HELD_CALL, strike=strike) for strike in range(100, 99 + count)), HELD_CALL]
    held = Position(account="DU1", contract=HELD_CALL, signed_quantity=1, average_price=4)
    past = {"is_entry": True, "state": OrderState.FILLED, "placed_at": NOW}
    async with FakeBroker(clock=clock, positions=(held,)) as broker:
        with Journal.in_memory() as journal:
            crew = crew_of(broker, journal, run="r1", symbols=(), clock=clock, observer=NullObserver())
            crew.desk.restore({f"n{n}": OwnOrder(contract=each, **past) for n, each in enumerate(calls)})
            for name in just_filled:
                crew.desk.filled(name)
            prepare(broker)
            await flatten(broker, crew.desk, session=NOW.date(), wait=0, reason="the close")
            return broker, [entry.record.order.contract for entry in journal.events(Intent)]


async def test_of_what_a_run_has_traded_in_months_only_what_is_there_is_asked_about():
    broker, sold = await left_by_a_long_run(300)

    assert sold == [HELD_CALL]
    assert len(broker.calls) < 20


async def test_where_nobody_says_what_is_there_everything_is_asked_about():
    def prepare(broker):
        open_orders, refusals = broker.open_orders, [True]

        async def refused_once():
            if refusals:
                refusals.pop()
                raise RequestTimeout("no answer")
            return await open_orders()

        broker.open_orders = refused_once

    broker, sold = await left_by_a_long_run(20, prepare)

    assert sold == [HELD_CALL]
    assert len(broker.calls) > 40


@pytest.mark.parametrize("others", [2, 6])
async def test_what_was_just_bought_does_not_wait_for_what_has_gone(others):
    began = asyncio.get_running_loop().time()

    _, sold = await left_by_a_long_run(others + 1, just_filled=[f"n{others}"])

    assert sold == [HELD_CALL]
    assert asyncio.get_running_loop().time() - began < 3  # the turn of client 0 lasts one second


@pytest.mark.parametrize(("failures", "is_sold"), [(2, True), (3, False)])
async def test_what_is_held_is_read_three_times_before_an_exit_is_given_up(failures, is_sold):
    clock = StandingClock()
    clock.monotonic = asyncio.get_running_loop().time
    quote = Quote(contract=HELD_CALL, at=NOW, bid=4.0, ask=4.05)
    held = Position(account="DU1", contract=HELD_CALL, signed_quantity=1, average_price=4)
    async with FakeBroker(clock=clock, positions=(held,), quotes=(quote,)) as broker:
        with Journal.in_memory() as journal:
            crew = crew_of(broker, journal, run="r1", symbols=(), clock=clock, observer=NullObserver())
            read, answers = broker.positions, [True] + [False] * failures

            async def positions():
                if not (answers.pop(0) if answers else True):
                    raise RequestTimeout("no answer")
                return await read()

            broker.positions = positions
            leaving = leave_position(broker, crew.desk, HELD_CALL, NOW.date(), "now", ExitCause.MANUAL)
            if is_sold:
                await leaving
            else:
                with pytest.raises(RequestTimeout):
                    await leaving

            sold = [entry.record.order.contract for entry in journal.events(Intent)]
    assert (sold, answers) == ([HELD_CALL] if is_sold else [], [])


@pytest.mark.parametrize(("quantity", "sold"), [(0.5, []), (3.5, [3])])
async def test_a_part_of_a_share_is_left_and_named(quantity, sold):
    clock = StandingClock()
    clock.monotonic = asyncio.get_running_loop().time
    spy = Stock("SPY")
    quote = Quote(contract=spy, at=NOW, bid=560.0, ask=560.02)
    held = Position(account="DU1", contract=spy, signed_quantity=quantity, average_price=500)
    async with FakeBroker(clock=clock, positions=(held,), quotes=(quote,)) as broker:
        with Journal.in_memory() as journal:
            crew = crew_of(broker, journal, run="r1", symbols=(), clock=clock, observer=NullObserver())
            (left,) = await flatten(
                broker, crew.desk, session=NOW.date(), wait=0, reason="now", contracts=[spy]
            )
            orders = [entry.record.order.quantity for entry in journal.events(Intent)]

    assert (orders, left.signed_quantity) == (sold, 0.5)
    assert "0.5 SPY is less than one" in left.reason
    assert "close it in TWS" in left.reason


async def test_what_no_exit_here_can_close_keeps_the_stop_that_another_program_gave_it():
    clock = StandingClock()
    clock.monotonic = asyncio.get_running_loop().time
    future = OtherContract("ES", kind="FUT", con_id=5)
    held = Position(account="DU1", contract=future, signed_quantity=1, average_price=6000)
    # By its number the same contract, of a kind that can be ordered here.
    stop = OrderTicket(
        contract=Stock("ES", con_id=5),
        side="SELL",
        quantity=1,
        order_type="STP",
        stop_price=5900,
        is_closing=True,
    )
    quote = Quote(contract=stop.contract, at=NOW, bid=6000.0, ask=6000.25)
    async with FakeBroker(clock=clock, positions=(held,), quotes=(quote,)) as broker:
        await broker.place(stop)
        with Journal.in_memory() as journal:
            crew = crew_of(broker, journal, run="r1", symbols=(), clock=clock, observer=NullObserver())
            found = await close_everything(broker, crew.desk, session=NOW.date(), wait=0, everything=True)
        (kept,) = await broker.open_orders()

    assert kept.stop_price == 5900
    (left,) = found.left
    assert "ES (FUT); only stocks, options and combos" in left.reason


async def test_client_0_keeps_a_stop_where_an_order_by_hand_without_a_number_leaves_no_room_for_an_exit():
    clock = StandingClock()
    clock.monotonic = asyncio.get_running_loop().time
    quote = Quote(contract=HELD_CALL, at=NOW, bid=4.0, ask=4.05)
    held = Position(account="DU1", contract=HELD_CALL, signed_quantity=1, average_price=4)
    stop = OrderTicket(
        contract=HELD_CALL, side="SELL", quantity=1, order_type="STP", stop_price=3, is_closing=True
    )
    async with FakeBroker(clock=clock, positions=(held,), quotes=(quote,)) as broker:
        await broker.place(stop)
        [works] = await broker.open_orders()
        broker.set_foreign_orders([attrs.evolve(works, order_id=0, perm_id=7, client_order_id="")])
        with Journal.in_memory() as journal:
            crew = crew_of(broker, journal, run="r1", symbols=(), clock=clock, observer=NullObserver())
            found = await close_everything(broker, crew.desk, session=NOW.date(), wait=0, everything=True)
        kept = await broker.open_orders()

    assert [row.stop_price for row in kept] == [3]
    (left,) = found.left
    assert "another exit could pass zero" in left.reason


def test_what_is_left_is_named_and_gets_its_stop_back(held_day, asked):
    def prepare(broker):
        place = broker.place

        async def refused(order, **asked):
            if isinstance(order, OrderTicket) and order.stop_price is None:
                raise OrderRejected("no such right today", code=201)
            return await place(order, **asked)

        broker.place = refused

    world = held_day(config=HOLDS, beside=asked(), safety=asked.safety, prepare=prepare)

    (left,) = world.found.left
    assert not world.found.is_flat
    assert "no such right today" in left.reason
    assert [row.purpose for row in world.intents][-1] is Purpose.PROTECTION


def test_a_position_of_others_is_left_alone_unless_everything_is_wanted(held_day, asked):
    def prepare(broker):
        loop = asyncio.get_running_loop()
        order = OrderTicket(contract=Stock("SPY"), side="BUY", quantity=10)
        broker.hand = loop.create_task(broker.place(order))

    ours = held_day(config=HOLDS, beside=asked(), safety=asked.safety, prepare=prepare)
    assert ours.found.untouched == ("+10 SPY",)
    assert ours.found.is_flat


def test_everything_is_everything(held_day, asked):
    def prepare(broker):
        order = OrderTicket(contract=Stock("SPY"), side="BUY", quantity=10)
        broker.hand = asyncio.get_running_loop().create_task(broker.place(order))

    world = held_day(config=HOLDS, beside=asked(everything=True), safety=asked.safety, prepare=prepare)

    assert min(world.found.closed) == "+10 SPY"
    assert world.found.untouched == ()
    assert world.report.held == ()


def test_an_entry_that_works_is_cancelled(held_day, asked):
    rows = [(second, 4.0 if second < 65 else 5.0) for second in range(0, 3600, 5)]
    quotes = [
        Quote(contract=HELD_CALL, at=HELD_OPEN + timedelta(seconds=at), bid=bid, ask=bid + 0.05, last=bid, volume=500.0)
        for at, bid in rows
    ]  # fmt: skip

    world = held_day(
        config={**HOLDS, "entry_lifetime": 3000.0, "reprice_every": None},
        quotes=quotes,
        broker={"delays": {"place": 10.0}},
        beside=asked(after=200.0),
        safety=asked.safety,
    )

    assert world.found.cancelled == (world.intents[0].client_order_id,)
    assert world.found.is_flat
    assert world.report.fills == 0


def test_a_bot_that_cannot_look_says_so(held_day, asked):
    def prepare(broker):
        loop = asyncio.get_running_loop()
        loop.call_later(290, broker.drop)

    world = held_day(config=HOLDS, beside=asked(), safety=asked.safety, prepare=prepare)

    assert world.found.failure.startswith("NotConnected")
    assert not world.found.is_flat


def test_a_request_is_taken_once_and_only_while_somebody_waits(tmp_path):
    requests = requests_in(tmp_path)

    requests.ask(request())
    first, second = requests.take(), requests.take()
    requests.ask(request())
    requests.withdraw("one")

    assert (first, second, requests.take()) == (request(), None, None)


@pytest.mark.parametrize("late", [timedelta(minutes=2), timedelta(hours=26), timedelta(days=3)])
def test_a_request_that_a_killed_command_left_is_never_taken(tmp_path, late):
    clock = StandingClock()
    requests = requests_in(tmp_path, clock=clock)
    requests.ask(request(everything=True))

    clock.at += late

    assert requests.take() is None
    assert list(tmp_path.iterdir()) == []


def test_two_who_ask_at_once_are_answered_both(tmp_path):
    requests = requests_in(tmp_path)
    for name in ("one", "two"):
        requests.ask(attrs.evolve(request(), name=name))

    taken = [requests.take(), requests.take()]
    for each in taken:
        requests.answer(each, Flattened(closed=(each.name,)))
    requests.withdraw("one")

    assert sorted(each.name for each in taken) == ["one", "two"]
    assert requests.answered("two") == Flattened(closed=("two",))
    assert requests.answered("one") is None


@pytest.mark.parametrize("other", [{"client_id": 8}, {"port": 4001}])
def test_of_two_bots_that_share_a_state_directory_the_one_that_is_meant_takes_it(tmp_path, other):
    asked = requests_in(tmp_path)
    asked.ask(request())

    neighbour = requests_in(tmp_path, **other).take()

    assert (neighbour, asked.take()) == (None, request())


def test_a_rehearsal_on_another_day_takes_requests_too(held_day, asked):
    """The bot lives in 2025; whoever asks, and the machine under both, does not."""
    later = timedelta(days=300)
    asked.machine.at += later

    world = held_day(
        config=HOLDS, beside=asked(asked_until=NOW + later + timedelta(minutes=1)), safety=asked.safety
    )

    assert world.found.is_flat


def test_an_answer_is_for_whoever_asked(tmp_path):
    requests = requests_in(tmp_path)
    done = Flattened(closed=("+1 SPY",), left=(Leftover(contract="QQQ", quantity=-2.0, reason="late"),))

    requests.answer(request(), done)

    assert requests.answered("one") == done
    assert requests.answered("two") is None
    [answer] = tmp_path.glob("flatten-answer-4002-7-*.json")
    assert answer.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": 1}', "\x00"])
def test_what_is_no_request_is_passed_over(tmp_path, text):
    (tmp_path / "flatten-request-4002-7-0.json").write_text(text)

    assert requests_in(tmp_path).take() is None


def test_a_folder_that_is_not_there_is_a_sentence_for_who_asks_and_nothing_for_the_bot(tmp_path):
    requests = requests_in(tmp_path / "nowhere")

    requests.answer(request(), Flattened())

    assert requests.take() is None
    with pytest.raises(ConfigurationError, match="cannot write"):
        requests.ask(request())
