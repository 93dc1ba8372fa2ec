"""The account's list shows what an entry opened only seconds after its fill: the session's end waits for it."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from ibkeel.errors import NotConnected, RequestTimeout
from ibkeel.journal import Failure, Intent, Journal
from ibkeel.model import Option, OrderState, OrderTicket, Position, Quote
from ibkeel.orders import GapKind
from ibkeel.runner import RunnerConfig, Session
from ibkeel.runner.closing import Closing
from ibkeel.runner.crew import crew_of
from ibkeel.runner.memory import OwnOrder
from ibkeel.telemetry import NullObserver
from ibkeel.testing import FakeBroker
from ibkeel.virtual import run_virtual, virtual_clock

FLATTEN_AT = 3600 - 308.0


def lags(fake, seconds):
    """From now on the venue lists what a purchase opened so much later."""
    listed = fake.positions

    async def positions(account=None):
        now, rows = virtual_clock().now(), await listed(account)
        fills = await FakeBroker.executions(fake)
        fresh = [
            row.contract for row in fills if row.side == "BUY" and (now - row.at).total_seconds() < seconds
        ]
        return tuple(row for row in rows if row.contract not in fresh)

    fake.positions = positions


@pytest.mark.parametrize("lag", [0.0, 8.0])
@pytest.mark.parametrize("since", [1.0, 6.0])
def test_what_filled_right_before_the_session_ends_is_closed_with_it(held_day, lag, since):
    async def beside(fake, _):
        await asyncio.sleep(3590)
        return await FakeBroker.positions(fake), await fake.open_orders()

    day = held_day(
        config={
            "interval": FLATTEN_AT - since,
            "entries_stop_before_close": 0.0,
            "flatten_before_close": 3600 - FLATTEN_AT,
        },
        prepare=lambda fake: lags(fake, lag),
        beside=beside,
    )

    assert [row.purpose for row in day.intents] == ["entry", "exit"]
    assert day.found == ((), ())
    assert day.report.held == ()


@pytest.mark.parametrize("left", [7, 9, 14, 20])
@pytest.mark.parametrize("kind", ["positions", "place", "cancel"])
def test_a_gateway_that_comes_back_seconds_before_the_close_is_used(held_day, left, kind):
    def prepare(fake):
        loop = asyncio.get_running_loop()
        loop.call_later(2990, fake.fail, kind, NotConnected("no session; nothing was sent"))
        loop.call_later(3600 - left, fake.heal, kind)

    async def beside(fake, _):
        await asyncio.sleep(3599.9)
        return await FakeBroker.positions(fake)

    day = held_day(prepare=prepare, beside=beside)

    assert day.found == ()
    assert day.report.held == ()


@pytest.mark.parametrize(("end_of_day", "count"), [("flatten", 1), ("hold", 0)])
def test_what_stays_open_at_the_close_is_a_failure_unless_it_is_to_be_held(held_day, end_of_day, count):
    def prepare(fake):
        asyncio.get_running_loop().call_later(2990, fake.fail, "place", RequestTimeout("no answer"))

    day = held_day(config={"end_of_day": end_of_day}, prepare=prepare)

    with Journal.open(day.journal, read_only=True) as journal:
        told = [entry.record for entry in journal.events(Failure) if entry.record.kind == "StillHeld"]
    [held] = day.report.held
    assert [(row.symbol, row.message) for row in told[-1:]] == [("SPY", held.reason)] * count


def test_right_before_the_close_no_exit_is_begun_that_could_come_after_it(held_day):
    def prepare(fake):
        loop = asyncio.get_running_loop()
        loop.call_later(2990, fake.fail, "positions", NotConnected("no session"))
        loop.call_later(3598, fake.heal, "positions")

    day = held_day(prepare=prepare)

    assert [row.purpose for row in day.intents] == ["entry"]
    assert [row.is_leaving for row in day.report.held] == [False]


def answered(place, *, but):
    async def answered_place(order, **more):
        if order.contract == but:
            raise RequestTimeout("no answer")
        return await place(order, **more)

    return answered_place


BEGAN = datetime(2025, 3, 14, 19, 58, tzinfo=UTC)
WORKS, AILS = (
    Option("SPY", date(2025, 3, 21), strike, "C", trading_class="SPY", con_id=strike) for strike in (560, 565)
)


def closed(contracts, *, seconds, ordered=(), number=0, ails=None, mute=None, prepare=lambda *_: None):
    """The end of a session in which nobody buys: what is left, and the exits, with their seconds before the close."""

    async def main():
        held = [
            Position(account="DU1", contract=each, signed_quantity=1, average_price=4) for each in contracts
        ]
        quotes = [Quote(contract=each, at=BEGAN, ask=0.05, last=0.05) for each in {*contracts, *ordered}]
        clock = virtual_clock()
        async with FakeBroker(clock=clock, positions=held, quotes=quotes) as broker:
            broker._book.client_id = number
            broker.place = answered(broker.place, but=ails)
            if mute is not None:
                loop = asyncio.get_running_loop()
                loop.call_later(mute, broker.fail, "positions", RequestTimeout("no answer"))
                loop.call_later(mute + 1.5, broker.heal, "positions")
            with Journal.in_memory() as journal:
                crew = crew_of(broker, journal, run="r1", symbols=(), clock=clock, observer=NullObserver())
                entry = {"is_entry": True, "state": OrderState.FILLED, "placed_at": BEGAN}
                crew.desk.restore(
                    {str(each.strike): OwnOrder(contract=each, **entry) for each in ordered or contracts}
                )
                prepare(broker, crew.desk)
                config = RunnerConfig(exit_wait=5.0)
                closing = Closing(broker, crew.desk, crew.watch, config, crew.recorder, clock, print, bool)
                closes_at = BEGAN + timedelta(seconds=seconds)
                session = Session(day=BEGAN.date(), opens_at=BEGAN - timedelta(hours=1), closes_at=closes_at)
                left = await closing.close(session)
                intents = [entry.record for entry in journal.events(Intent)]
        return {row.contract: row for row in left}, [
            ((closes_at - row.at).total_seconds(), row.order.contract) for row in intents
        ]

    return run_virtual(main(), start=BEGAN)


@pytest.mark.parametrize("trading_class", ["SPY", ""], ids=["as listed", "left open"])
def test_right_before_the_close_an_exit_that_works_is_left_alone_whatever_ails_another(trading_class):
    ordered = [attrs.evolve(each, trading_class=trading_class) for each in (WORKS, AILS)]

    left, sent = closed((WORKS, AILS), seconds=62, ordered=ordered, ails=AILS)

    assert left[WORKS].is_leaving
    assert "did not fill" in left[WORKS].reason
    assert "no answer" in left[AILS].reason
    of_one = [before for before, contract in sent if contract == WORKS]
    assert len(of_one) > 1  # as long as there is time, an exit that does not fill gives way to another
    assert min(of_one) > 15
    assert min(before for before, contract in sent if contract == AILS) < 15


@pytest.mark.parametrize("number", range(8))
def test_no_exit_leaves_after_the_close_because_other_bots_go_first(number):
    left, sent = closed((WORKS, AILS), seconds=4.5, number=number)

    assert all(before > 0 for before, _ in sent)
    late = [(contract, row.reason) for contract, row in left.items() if "after the close" in row.reason]
    assert len(late) == 2 - len(sent)
    for contract, reason in late:
        assert f"an exit of {contract} would" in reason
        assert "close it when it trades again; when that was found, no stop worked for it" in reason
    assert {contract for contract, row in left.items() if row.is_leaving} == {
        contract for _, contract in sent
    }


@pytest.mark.parametrize("number", range(8))
def test_every_bot_has_its_turn_twenty_seconds_before_the_close(number):
    _, sent = closed((WORKS,), seconds=20, number=number)

    assert [contract for _, contract in sent] == [WORKS]


def test_no_exit_leaves_after_the_close_because_positions_were_read_anew():
    left, sent = closed((WORKS,), seconds=4, number=1, mute=2.5)

    assert sent == []
    assert "none was sent" in left[WORKS].reason


def test_in_the_last_three_seconds_no_attempt_to_close_begins():
    _, sent = closed((AILS,), seconds=62, ails=AILS)

    assert 3 <= min(before for before, _ in sent) < 10


def test_when_nothing_is_left_nothing_more_is_asked_however_long_the_session_lasts():
    def asked(seconds):
        brokers = []
        closed((), seconds=seconds, ordered=(WORKS,), prepare=lambda broker, _: brokers.append(broker))
        return brokers[0].calls

    assert asked(300) == asked(60)


def test_of_many_contracts_the_one_bought_last_is_closed_though_no_list_has_it_yet():
    many = [attrs.evolve(WORKS, strike=strike, con_id=strike) for strike in range(600, 608)]

    def prepare(broker, desk):
        broker.positions = listed_from(broker, 8.0)
        desk.filled(str(WORKS.strike))

    _, sent = closed((WORKS,), seconds=300, ordered=(*many, WORKS), prepare=prepare)

    assert WORKS in [contract for _, contract in sent]


def listed_from(broker, seconds):
    positions = broker.positions

    async def late(account=None):
        is_late = virtual_clock().now() < BEGAN + timedelta(seconds=seconds)
        return () if is_late else await positions(account)

    return late


def test_a_stop_that_is_on_its_way_when_all_is_closed_does_not_outlive_the_session():
    found = []

    def prepare(broker, desk):
        broker.delay("place", 4.0)
        found.append(broker)
        ticket = OrderTicket(contract=WORKS, side="SELL", quantity=1, order_type="STP", stop_price=3)
        stop = desk.protect(
            lambda name: attrs.evolve(ticket, client_order_id=name), GapKind.NAKED, BEGAN.date(), "no stop"
        )
        found.append(asyncio.ensure_future(stop))

    closed((), seconds=300, ordered=(WORKS,), prepare=prepare)

    assert [row.state for row in found[0]._book.ended()] == [OrderState.CANCELLED]


def test_a_session_does_not_end_before_the_fate_of_orders_could_be_read():
    reads = []

    def prepare(broker, _):
        executions = broker.executions

        async def told():
            reads.append(virtual_clock().now())
            return await executions()

        broker.executions = told
        broker.fail("executions", RequestTimeout("no answer"))
        asyncio.get_running_loop().call_later(20, broker.heal, "executions")

    closed((), seconds=300, ordered=(WORKS,), prepare=prepare)

    assert reads[-1] > BEGAN + timedelta(seconds=20)


def test_of_what_was_held_as_much_is_said_to_be_left_as_is_there_at_the_close(held_day):
    def prepare(fake):
        listed = fake.positions

        async def positions(account=None):
            rows = await listed(account)
            is_over = virtual_clock().now() >= BEGAN.replace(hour=14, minute=29)
            return tuple(attrs.evolve(row, signed_quantity=1) for row in rows) if is_over else rows

        fake.positions = positions

    day = held_day(config={"end_of_day": "hold"}, prepare=prepare)

    assert [row.signed_quantity for row in day.report.held] == [1]
