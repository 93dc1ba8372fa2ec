"""The small parts: stages, hours, stamps."""

from datetime import date

import pytest

from ibkeel.sim.values import SimOrder
from ibkeel.sim.venue.hours import TradingHours
from ibkeel.sim.venue.ledger import Stamps
from ibkeel.sim.venue.orders import DONE, MOVES, Stage, WorkingOrder


def working(option, **fields):
    order = SimOrder(client_id=1, order_id=1, contract=option, action="BUY", quantity=5, order_type="MKT")
    return WorkingOrder(order=order, base_quantity=5, **fields)


def test_every_stage_is_listed_and_the_last_ones_lead_nowhere():
    assert set(MOVES) == set(Stage)
    assert [stage for stage, targets in MOVES.items() if not targets] == list(DONE)


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("target", Stage)
def test_a_move_that_is_not_listed_is_refused(option, stage, target):
    order = working(option, stage=stage)

    if target in MOVES[stage]:
        order.move(target)
        assert order.stage is target
    else:
        with pytest.raises(RuntimeError, match="cannot go from"):
            order.move(target)


@pytest.mark.parametrize("price", [426.54, 3.24, 2.34])
def test_parts_at_one_price_have_that_price_as_their_average(option, price):
    order = working(option, stage=Stage.WORKING)
    averages = []

    for _ in range(5):
        order.fill(1, price)
        averages.append(order.order.average_fill_price)

    assert averages == [price] * 5


def test_a_weekend_lies_between_two_windows(make_bench, option, at):
    hours = TradingHours(make_bench().market)

    window = hours.window(option, extended=False, at=at(16, day=date(2024, 3, 1)))

    assert (window.opens_at, window.closes_at) == (at(9, 30), at(16))


def test_a_window_is_closed_at_its_end(make_bench, option, at):
    hours = TradingHours(make_bench().market)

    window = hours.window(option, extended=False, at=at(15, 59))

    assert window.is_open(at(9, 30))
    assert not window.is_open(at(16))


def test_extended_hours_are_for_stocks(make_bench, stock, option, at):
    hours = TradingHours(make_bench().market)

    early = hours.window(stock, extended=True, at=at(5))
    regular = hours.window(option, extended=True, at=at(5))

    assert (early.opens_at, early.closes_at) == (at(4), at(20))
    assert regular.opens_at == at(9, 30)


def test_asking_about_an_earlier_instant_does_not_find_the_later_window(make_bench, option, at):
    hours = TradingHours(make_bench().market)
    hours.window(option, extended=False, at=at(10))

    earlier = hours.window(option, extended=False, at=at(10, day=date(2024, 3, 1)))

    assert earlier.opens_at == at(9, 30, day=date(2024, 3, 1))


def test_a_market_whose_sessions_have_ended_has_no_window(make_bench, option, at):
    market = make_bench().market
    market.sessions = lambda start, end: ()

    assert TradingHours(market).window(option, extended=False, at=at(10)) is None


def test_an_order_waits_for_ever_when_no_session_follows(make_bench, at, said_of):
    bench = make_bench()
    bench.market.sessions = lambda start, end: ()

    events = bench.send("BUY", 1)

    assert said_of(events) == ["echo:PreSubmitted", "status:PreSubmitted"]
    assert bench.venue.next_event(at(10)) is None


def test_execution_ids_look_like_ibs_and_differ(at):
    stamps = Stamps(0)

    first, second = stamps.exec_id(at(10)), stamps.exec_id(at(10))

    assert first != second
    assert [len(group) for group in first.split(".")] == [8, 8, 2, 2]
