"""Exercise of options, and limits far beyond the market."""

import json

import attrs
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.sim.values import Execution


def exercised(bench, contract, quantity, at):
    return bench.venue.exercise(contract, quantity, client_id=7, order_id=99, at=at)


def test_an_exercise_moves_the_option_and_the_shares_without_commission(bench, option, stock, at):
    bench.show(contract=stock, last=505.0)
    bench.send("BUY", 3)

    events = exercised(bench, option, 2, at(11))

    executions = [event for event in events if isinstance(event, Execution)]
    assert [(each.side, each.quantity, each.price) for each in executions] == [
        ("SLD", 2, 0.0),
        ("BOT", 200, 500.0),
    ]
    assert [each.commission for each in events[1::2]] == [0.0, 0.0]
    assert [(each.contract, each.quantity) for each in bench.venue.positions()] == [
        (option, 1.0),
        (stock, 200.0),
    ]
    assert {(each.client_id, each.order_id) for each in executions} == {(7, 99)}


@pytest.mark.parametrize(
    ("right", "last", "cash"), [("C", 505.0, 5.0), ("C", 495.0, 0.0), ("P", 495.0, 5.0), ("C", None, 0.0)]
)
def test_an_option_on_an_index_is_settled_in_cash(
    make_bench, option, index, at, right, last, cash, monkeypatch
):
    bench = make_bench()
    on_index = attrs.evolve(option, under_con_id=index.con_id, right=right)
    bench.show(bid=4.9, ask=5.1, bid_size=50, ask_size=50)
    bench.show(contract=index, last=last)
    monkeypatch.setattr(bench.market, "_contracts", (on_index, index))
    bench.send("BUY", 1, contract=on_index)

    [execution, _] = exercised(bench, on_index, 1, at(11))

    assert (execution.contract, execution.price) == (on_index, cash)
    assert bench.venue.positions() == []


def test_an_option_without_an_underlying_is_worth_nothing(make_bench, option, at):
    bench = make_bench()
    bench.show(bid=4.9, ask=5.1, bid_size=50, ask_size=50)
    orphan = attrs.evolve(option, under_con_id=0)
    bench.send("BUY", 1, contract=orphan)

    [execution, _] = exercised(bench, orphan, 1, at(11))

    assert execution.price == 0.0


@pytest.mark.parametrize("quantity", [0, 2])
def test_no_more_can_be_exercised_than_is_held(bench, option, at, quantity):
    bench.send("BUY", 1)

    with pytest.raises(InvalidInput, match="1 are held"):
        exercised(bench, option, quantity, at(11))


@pytest.mark.parametrize(
    ("side", "order_type", "limit", "refused"),
    [
        ("BUY", "LMT", 5.62, True),
        ("BUY", "LMT", 5.61, False),
        ("SELL", "LMT", 4.40, True),
        ("SELL", "LMT", 4.41, False),
        ("BUY", "MKT", None, False),
    ],
)
def test_a_limit_far_beyond_the_market_is_refused_with_advice(make_bench, side, order_type, limit, refused):
    bench = make_bench(price_precaution=0.1)
    bench.show(bid=4.9, ask=5.1, bid_size=50, ask_size=50)

    first = bench.send(side, 1, order_type, limit_price=limit)[0]

    advised = getattr(first, "advanced_reject", "")
    assert bool(advised) is refused
    if refused:
        [advice] = json.loads(advised)["rejects"]
        assert (first.code, advice["text"]) == (201, first.text)
        insisting = bench.send(
            side, 1, order_type, limit_price=limit, echo={"advanced_error_override": advice["override"]}
        )
        assert not hasattr(insisting[0], "code")


def test_without_a_quote_no_limit_is_beyond_it(make_bench):
    bench = make_bench(price_precaution=0.1)

    assert not hasattr(bench.send("BUY", 1, "LMT", limit_price=99.0)[0], "code")
