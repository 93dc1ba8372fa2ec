from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import attrs
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import (
    Combo,
    ComboLeg,
    DataType,
    Option,
    OrderReport,
    OrderState,
    OrderTicket,
    Quote,
    Right,
    Side,
)
from ibkeel.orders import (
    PENNY,
    GateKind,
    Interlock,
    OrderFacts,
    OrderLimits,
    SentOrder,
    check_order,
)

NOW = datetime(2024, 3, 4, 17, tzinfo=UTC)
CALL = Option("SPY", date(2024, 3, 8), 500, Right.CALL)
TICKET = OrderTicket(contract=CALL, side="BUY", quantity=2, order_type="LMT", limit_price="2.10")
QUOTE = Quote(contract=CALL, at=NOW, bid=2.0, ask=2.1)
GOOD = OrderFacts(now=NOW, ticket=TICKET, quote=QUOTE, ticks=PENNY)
PAPER = Interlock(mode="PAPER", account="DU1234567", port=4002)


def kinds(facts, limits=None):
    return [refusal.kind for refusal in check_order(facts, limits or OrderLimits())]


def works(number, side="BUY", state="working"):
    return OrderReport(
        order_id=number, perm_id=number, client_id=7, client_order_id="x", contract=CALL, side=Side(side),
        quantity=1, order_type="LMT", state=OrderState(state), at=NOW,
    )  # fmt: skip


def test_an_order_against_which_nothing_speaks_may_leave():
    assert check_order(GOOD) == ()
    assert check_order(attrs.evolve(GOOD, interlock=PAPER)) == ()


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"halted": "by hand"}, GateKind.HALTED),
        ({"is_read_only": True}, GateKind.READ_ONLY),
        ({"session_refusal": "the servers are out of reach"}, GateKind.SESSION),
        ({"sick": "data path: it timed out"}, GateKind.HEALTH),
        ({"preview_refusal": "no funds"}, GateKind.BUYING_POWER),
        ({"market_open": False}, GateKind.MARKET),
        ({"quote": None}, GateKind.QUOTE_AGE),
        ({"quote": attrs.evolve(QUOTE, at=NOW - timedelta(seconds=15.1))}, GateKind.QUOTE_AGE),
        ({"quote": attrs.evolve(QUOTE, at=NOW + timedelta(seconds=15.1))}, GateKind.QUOTE_AGE),
        ({"quote": attrs.evolve(QUOTE, data_type=DataType.DELAYED)}, GateKind.QUOTE_TYPE),
        ({"quote": attrs.evolve(QUOTE, bid=None)}, GateKind.SPREAD),
        ({"quote": attrs.evolve(QUOTE, bid=2.2)}, GateKind.SPREAD),
        ({"quote": attrs.evolve(QUOTE, bid=0.5)}, GateKind.SPREAD),
        ({"ticket": attrs.evolve(TICKET, limit_price="2.105")}, GateKind.TICK),
        ({"ticket": attrs.evolve(TICKET, limit_price="2.32")}, GateKind.COLLAR),
        ({"ticket": attrs.evolve(TICKET, side="SELL", limit_price="1.79")}, GateKind.COLLAR),
        ({"ticket": attrs.evolve(TICKET, quantity=1001)}, GateKind.QUANTITY),
        ({"open_orders": [works(n) for n in range(20)]}, GateKind.OPEN_ORDERS),
        ({"submitted": 20}, GateKind.EFFICIENCY),
        ({"sent": [SentOrder(at=NOW - timedelta(seconds=9.9), ticket=TICKET)]}, GateKind.DUPLICATE),
    ],
)
def test_each_gate_is_named_with_value_and_limit(changes, kind):
    (refusal,) = check_order(attrs.evolve(GOOD, **changes))

    assert refusal.kind is kind
    assert refusal.value
    assert refusal.limit
    assert str(refusal) == f"{kind.value}: {refusal.value}; needed: {refusal.limit}"


@pytest.mark.parametrize(
    "changes",
    [
        {"quote": attrs.evolve(QUOTE, at=NOW - timedelta(seconds=15))},
        {"ticket": attrs.evolve(TICKET, limit_price="2.31")},
        {"ticket": attrs.evolve(TICKET, side="SELL", limit_price="1.80")},
        {"ticket": attrs.evolve(TICKET, quantity=1000)},
        {"open_orders": [works(n) for n in range(19)]},
        {"open_orders": [works(n, "SELL") for n in range(30)]},
        {"open_orders": [works(n, state="cancelled") for n in range(30)]},
        {"submitted": 19},
        {"submitted": 39, "filled": 1},
        {"sent": [SentOrder(at=NOW - timedelta(seconds=10), ticket=TICKET)]},
        {"sent": [SentOrder(at=NOW, ticket=attrs.evolve(TICKET, quantity=3))]},
    ],
)
def test_what_is_just_within_a_limit_may_leave(changes):
    assert check_order(attrs.evolve(GOOD, **changes)) == ()


def test_an_order_of_another_name_is_the_same_order():
    before = SentOrder(at=NOW, ticket=attrs.evolve(TICKET, client_order_id="ibk-1"))
    facts = attrs.evolve(GOOD, ticket=attrs.evolve(TICKET, client_order_id="ibk-2"), sent=[before])

    assert kinds(facts) == [GateKind.DUPLICATE]


def test_orders_of_the_last_minute_count_against_the_rate():
    sent = [
        SentOrder(at=NOW - timedelta(seconds=20 + n), ticket=attrs.evolve(TICKET, quantity=n))
        for n in range(1, 61)
    ]
    limits = OrderLimits(orders_per_minute=39)

    assert kinds(attrs.evolve(GOOD, sent=sent), limits) == [GateKind.ORDER_RATE]
    assert kinds(attrs.evolve(GOOD, sent=sent[1:]), limits) == []


@pytest.mark.parametrize(("limit", "refused"), [("420", []), ("419.99", [GateKind.NOTIONAL])])
def test_the_money_of_an_order_has_a_limit(limit, refused):
    assert kinds(GOOD, OrderLimits(max_notional=Decimal(limit))) == refused


@pytest.mark.parametrize(
    ("price", "refused"),
    [("2.11", []), ("-2.11", []), ("3.11", [GateKind.TICK]), ("-3.11", [GateKind.TICK]), ("0", [])],
)
def test_a_combo_keeps_to_its_steps_for_a_debit_as_for_a_credit_and_may_cost_nothing(price, refused):
    combo = Combo("SPY", [ComboLeg(con_id=1, side="BUY"), ComboLeg(con_id=2, side="SELL")])
    ticket = attrs.evolve(TICKET, contract=combo, limit_price=Decimal(price))
    limits = OrderLimits(max_notional=1000, max_quote_age=None, max_spread=None)

    assert kinds(attrs.evolve(GOOD, quote=None, ticket=ticket), limits) == refused


@pytest.mark.parametrize("price", ["2.10", "-2.10"])
def test_a_combo_moves_the_money_of_its_options(price):
    combo = Combo("SPY", [ComboLeg(con_id=1, side="BUY"), ComboLeg(con_id=2, side="SELL")])
    facts = attrs.evolve(
        GOOD, quote=None, ticket=attrs.evolve(TICKET, contract=combo, limit_price=Decimal(price))
    )
    unquoted = {"max_quote_age": None, "max_spread": None}

    assert kinds(facts, OrderLimits(max_notional=420, **unquoted)) == []
    assert kinds(facts, OrderLimits(max_notional="419.99", **unquoted)) == [GateKind.NOTIONAL]


def test_a_market_order_is_worth_what_the_other_side_asks():
    ticket = OrderTicket(contract=CALL, side="BUY", quantity=2)

    assert kinds(attrs.evolve(GOOD, ticket=ticket), OrderLimits(max_notional=100)) == [GateKind.NOTIONAL]
    unpriced = attrs.evolve(GOOD, ticket=ticket, quote=None)
    assert kinds(unpriced, OrderLimits(max_notional=1e6)) == [GateKind.QUOTE_AGE, GateKind.NOTIONAL]


@pytest.mark.parametrize(
    ("lock", "words"),
    [
        (attrs.evolve(PAPER, port=4001), "port 4001 of live trading"),
        (attrs.evolve(PAPER, account="U1234567", port=None), "PAPER with the live account"),
        (Interlock(mode="LIVE", account="U1234567"), "the second yes"),
        (Interlock(mode="LIVE", account="U1234567", live_account="U7654321"), "account U1***67"),
        (Interlock(mode="LIVE", account="U1234567", live_account="U1234567", port=7497), "port 7497"),
        (Interlock(mode="live", account="U1234567"), "mode 'live'"),
    ],
)
def test_nobody_knows_whose_money_it_is_when_port_account_and_mode_do_not_fit(lock, words):
    for ticket in (TICKET, attrs.evolve(TICKET, is_closing=True)):
        (refusal,) = check_order(attrs.evolve(GOOD, ticket=ticket, interlock=lock))

        assert refusal.kind is GateKind.INTERLOCK
        assert words in str(refusal)
        assert "1234567" not in str(refusal)


def test_two_yeses_and_a_port_that_fits_are_live():
    lock = Interlock(mode="LIVE", account="U1234567", live_account="U1234567", port=4001)

    assert check_order(attrs.evolve(GOOD, interlock=lock)) == ()


def test_a_dry_run_needs_no_yes():
    lock = Interlock(mode="DRY_RUN", account="U1234567", port=4002)

    assert check_order(attrs.evolve(GOOD, interlock=lock)) == ()


def test_every_reason_is_told_at_once():
    facts = attrs.evolve(GOOD, halted="by hand", is_read_only=True, quote=None, submitted=99)

    assert kinds(facts) == [
        GateKind.HALTED,
        GateKind.READ_ONLY,
        GateKind.QUOTE_AGE,
        GateKind.EFFICIENCY,
    ]


def test_what_closes_a_position_passes_every_gate_but_the_interlock():
    facts = OrderFacts(
        now=NOW,
        ticket=attrs.evolve(TICKET, is_closing=True, limit_price="9.999", quantity=5000),
        halted="by hand",
        is_read_only=True,
        session_refusal="out of reach",
        sick="everything",
        preview_refusal="no funds",
        market_open=False,
        open_orders=[works(n) for n in range(40)],
        submitted=999,
    )

    assert check_order(facts) == ()


def test_limits_can_be_switched_off():
    limits = OrderLimits(
        max_quantity=None, max_spread=None, collar=None, max_quote_age=None, live_only=False, open_orders=None,
        orders_per_minute=None, efficiency=None, duplicate_within=None, what_if=False,
    )  # fmt: skip
    facts = attrs.evolve(
        GOOD,
        ticket=attrs.evolve(TICKET, limit_price="9.95", quantity=5000),
        open_orders=[works(n) for n in range(40)],
        sent=[SentOrder(at=NOW, ticket=attrs.evolve(TICKET, limit_price="9.95", quantity=5000))] * 99,
        submitted=999,
        preview_refusal="no funds",
    )

    assert kinds(facts, limits) == []
    assert kinds(attrs.evolve(facts, quote=None), limits) == []


@pytest.mark.parametrize("name", ["max_quantity", "collar", "efficiency"])
@pytest.mark.parametrize("value", [-1, float("inf"), float("nan")])
def test_a_limit_is_a_number_from_zero(name, value):
    with pytest.raises(InvalidInput, match="valid: 0 or more"):
        OrderLimits(**{name: value})


def test_one_side_is_enough_where_the_spread_does_not_matter():
    limits = OrderLimits(max_spread=None)

    assert kinds(attrs.evolve(GOOD, quote=attrs.evolve(QUOTE, ask=None)), limits) == []


def test_a_contract_that_its_venue_has_halted_is_not_entered_and_is_left_all_the_same():
    halted = attrs.evolve(GOOD, quote=attrs.evolve(QUOTE, is_halted=True))
    leaves = attrs.evolve(TICKET, side="SELL", is_closing=True)

    [refusal] = check_order(halted)

    assert refusal.kind is GateKind.HALTED
    assert str(refusal).startswith("halted: the venue has halted SPY")
    assert str(refusal).endswith("; needed: no halt")
    assert kinds(attrs.evolve(halted, ticket=leaves)) == []
