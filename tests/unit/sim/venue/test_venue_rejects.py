"""What the venue refuses, with which code, and what is left alone."""

import attrs
import pytest

from ibkeel.sim.venue.rejects import REFUSALS, Refusal


def codes(events):
    return [event.code for event in events]


def test_every_refusal_has_a_row_with_a_source():
    assert set(REFUSALS) == set(Refusal)
    assert all(row.source and row.text and row.code for row in REFUSALS.values())


def test_only_what_was_captured_is_marked_verified():
    assert [r for r, row in REFUSALS.items() if row.source.startswith("live")] == [Refusal.BAD_ORDER_TYPE]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"order_type": "MOO"}, 321),
        ({"action": "SSHORT"}, 321),
        ({"tif": "AUC"}, 321),
        ({"tif": "OPG", "order_type": "STP LMT", "stop_price": 4.0}, 321),
        ({"order_type": "MOC"}, 387),
        ({"order_type": "LOC"}, 387),
        ({"account": "DU7654321"}, 321),
        ({"quantity": float("nan")}, 321),
        ({"quantity": float("inf")}, 321),
        ({"quantity": 0}, 434),
        ({"quantity": -1}, 201),
        ({"quantity": 1.5}, 201),
        ({"limit_price": None}, 321),
        ({"limit_price": float("nan")}, 321),
        ({"limit_price": float("-inf")}, 321),
        ({"limit_price": -1.0}, 321),
        ({"limit_price": 4.505}, 110),
        ({"order_type": "STP"}, 321),
        ({"order_type": "STP LMT", "stop_price": 4.001}, 110),
        ({"order_type": "MKT", "limit_price": float("inf")}, 321),
        ({"parent_id": 99}, 135),
    ],
)
def test_a_malformed_order_is_refused(bench, at, fields, code):
    order = {"action": "BUY", "quantity": 1, "order_type": "LMT", "limit_price": 4.5} | fields

    events = bench.send(**order)

    assert codes(events) == [code]
    assert bench.venue.open_orders() == []


def test_the_text_for_an_unknown_type_is_the_captured_one(bench):
    (error,) = bench.send("BUY", 1, "MOO")

    assert error.text == "Error validating request.-'bF' : cause - Invalid order type was entered"


@pytest.mark.parametrize("kind", ["MIT", "LIT", "REL", "MIDPRICE", "PEG MID", "PEG BEST", "VOL", "MTL"])
def test_a_type_that_only_a_gateway_has_is_refused_as_such(bench, kind):
    (error,) = bench.send("BUY", 1, kind)

    assert (error.code, error.text) == (
        201,
        f"Order rejected - reason:The simulated Gateway does not serve orders of type {kind}.",
    )


def test_an_unknown_contract_is_refused(bench, option):
    events = bench.send("BUY", 1, contract=attrs.evolve(option, con_id=999))

    assert codes(events) == [200]


def test_an_index_cannot_be_traded(bench, index):
    assert codes(bench.send("BUY", 1, contract=index)) == [201]


def test_an_expired_contract_cannot_be_traded(bench, expired):
    assert codes(bench.send("BUY", 1, contract=expired)) == [201]


def test_prices_on_the_tick_survive_binary_fractions(bench):
    for cents in range(1, 300, 7):
        events = bench.send("BUY", 1, "LMT", limit_price=cents * 0.01, tif="IOC")
        assert 110 not in [getattr(event, "code", None) for event in events]


@pytest.mark.parametrize("order_id", [4, 5])
def test_an_order_id_must_be_above_every_earlier_one(bench, at, order_id):
    bench.send("BUY", 1, "LMT", limit_price=4.5, order_id=5)
    bench.venue.cancel(7, 5, at(10, 1))

    assert codes(bench.send("BUY", 1, order_id=order_id)) == [103]


def test_order_ids_of_clients_are_apart(bench):
    bench.send("BUY", 1, "LMT", limit_price=4.5, order_id=5)

    events = bench.send("BUY", 1, "LMT", limit_price=4.5, order_id=1, client_id=8)

    assert [e.code for e in events if hasattr(e, "code")] == []


def test_a_filled_order_cannot_be_modified(bench):
    bench.send("BUY", 1)

    assert codes(bench.send("BUY", 2, order_id=1)) == [104]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"action": "SELL"}, 105),
        ({"oca_group": "other"}, 105),
        ({"parent_id": 3}, 105),
        ({"limit_price": 4.505}, 110),
        ({"order_type": "MOO"}, 321),
        ({"quantity": 10_000}, 201),
    ],
)
def test_a_refused_modification_leaves_the_order_live(bench, at, fields, code):
    bench.send("BUY", 1, "LMT", limit_price=4.5)
    before = bench.venue.open_orders()
    terms = {"action": "BUY", "quantity": 2, "order_type": "LMT", "limit_price": 4.6, "order_id": 1}

    events = bench.send(**(terms | fields), at=at(10, 1))

    assert codes(events) == [code]
    assert bench.venue.open_orders() == before


def test_another_contract_is_no_modification(stock_bench, stock):
    stock_bench.send("BUY", 1, "LMT", limit_price=4.5)

    assert codes(stock_bench.send("BUY", 1, contract=stock, order_id=1)) == [105]


def test_a_quantity_must_stay_above_what_has_filled(bench):
    bench.send("BUY", 60)

    (error,) = bench.send("BUY", 50, order_id=1)

    assert error.code == 201
    assert "50" in error.text


@pytest.mark.parametrize(("older", "unknown", "done"), [(False, 10147, 10148), (True, 135, 161)])
def test_a_cancel_that_cannot_be_done_says_why(make_bench, at, older, unknown, done):
    bench = make_bench(older_cancel_codes=older)
    bench.show(bid=4.9, ask=5.1, bid_size=50, ask_size=50)
    bench.send("BUY", 1)

    assert codes(bench.venue.cancel(7, 99, at(10, 1))) == [unknown]
    assert codes(bench.venue.cancel(7, 1, at(10, 1))) == [done]


def test_a_late_cancel_names_the_state(bench, at):
    bench.send("BUY", 1)

    (error,) = bench.venue.cancel(7, 1, at(10, 1))

    assert error.text == "OrderId 1 that needs to be cancelled cannot be cancelled, state: Filled."


def test_the_twenty_first_active_order_of_a_side_is_refused(bench):
    for _ in range(20):
        bench.send("BUY", 1, "LMT", limit_price=0.05)

    assert codes(bench.send("BUY", 1, "LMT", limit_price=0.05)) == [201]
    assert 201 not in [getattr(e, "code", 0) for e in bench.send("SELL", 1, "LMT", limit_price=9.0)]


def test_an_entry_beyond_the_funds_is_refused(make_bench):
    bench = make_bench(cash=1000.0)
    bench.show(bid=4.9, ask=5.1, bid_size=50, ask_size=50)

    (error,) = bench.send("BUY", 2)

    assert error.code == 201
    assert "MUST EXCEED THE INITIAL MARGIN" in error.text


def test_an_exit_passes_however_little_is_left(make_bench, at, said_of):
    bench = make_bench(cash=520.0)
    bench.show(bid=4.9, ask=5.1, bid_size=50, ask_size=50)
    bench.show(at(11), bid=0.05, ask=0.1, bid_size=50, ask_size=50)
    bench.send("BUY", 1)

    events = bench.send("SELL", 1, at=at(11))

    assert "status:Filled" in said_of(events)


def test_without_any_price_funds_are_not_checked(make_bench, said_of):
    bench = make_bench(cash=0.0)

    assert said_of(bench.send("BUY", 1)) == ["echo:PreSubmitted", "status:PreSubmitted"]


def test_without_a_limit_any_number_of_orders_may_work(make_bench):
    bench = make_bench(active_orders_limit=None)
    bench.show(bid=4.9, ask=5.1, bid_size=50, ask_size=50, last=5.0)

    for _ in range(30):
        bench.send("BUY", 1, "LMT", limit_price=1.0)

    assert len(bench.venue.open_orders()) == 30
