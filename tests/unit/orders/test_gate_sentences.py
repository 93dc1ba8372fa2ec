"""A refusal says what was seen and what is wanted, in words that a person can act on."""

from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import (
    DataType,
    MarginChange,
    Option,
    OrderPreview,
    OrderReport,
    OrderState,
    OrderTicket,
    Quote,
    Right,
    Side,
    Stock,
)
from ibkeel.orders import PENNY, Interlock, OrderFacts, OrderLimits, SentOrder, check_order

NOW = datetime(2024, 3, 4, 17, tzinfo=UTC)
CALL = Option("SPY", date(2024, 3, 8), 500, Right.CALL)
TICKET = OrderTicket(contract=CALL, side="BUY", quantity=2, order_type="LMT", limit_price="2.10")
SALE = attrs.evolve(TICKET, side=Side.SELL)
QUOTE = Quote(contract=CALL, at=NOW, bid=2.0, ask=2.1)
GOOD = OrderFacts(now=NOW, ticket=TICKET, quote=QUOTE, ticks=PENNY)
WORKING = OrderReport(
    order_id=1, perm_id=1, client_id=7, client_order_id="x", contract=CALL, side=Side.BUY,
    quantity=1, order_type="LMT", state=OrderState.WORKING, at=NOW,
)  # fmt: skip


def preview(*, margin=1000, equity=1000):
    """The venue's answer to a what-if."""
    return OrderPreview(
        ticket=TICKET,
        at=NOW,
        initial_margin=MarginChange(after=margin),
        equity_with_loan=MarginChange(after=equity),
    )


def said(limits=None, **changes):
    return [str(row) for row in check_order(attrs.evolve(GOOD, **changes), limits or OrderLimits())]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"halted": "by hand"}, "halted: by hand; needed: no halt"),
        ({"is_read_only": True}, "read_only: the Gateway's API is read-only; needed: that setting off"),
        ({"session_refusal": "cut off"}, "session: cut off; needed: a session that is ready"),
        (
            {"sick": "data path: it timed out"},
            "health: data path: it timed out; needed: nothing that is down",
        ),
        (
            {"preview_refusal": "no funds"},
            "buying_power: no funds; needed: a what-if that the venue answers with yes",
        ),
        (
            {"preview": preview(margin=None)},
            "buying_power: a what-if without figures; needed: margin and equity after the order",
        ),
        (
            {"preview": preview(equity=None)},
            "buying_power: a what-if without figures; needed: margin and equity after the order",
        ),
        (
            {"preview": preview(margin="1000.01")},
            "buying_power: initial margin 1000.01 after the order; needed: 1000.00 or less",
        ),
        (
            {
                "ticket": attrs.evolve(TICKET, limit_price="0.505"),
                "quote": attrs.evolve(QUOTE, bid=0.5, ask=0.51),
            },
            "tick: 0.505; needed: a multiple of 0.01",
        ),
        ({"market_open": False}, f"market: {CALL} does not trade now; needed: an open session"),
        ({"quote": None}, "quote_age: no quote; needed: 15 s or less"),
        (
            {"quote": attrs.evolve(QUOTE, at=NOW - timedelta(seconds=15.1))},
            "quote_age: 15.1 s; needed: 15 s or less",
        ),
        (
            {"quote": attrs.evolve(QUOTE, data_type=DataType.DELAYED)},
            "quote_type: delayed; needed: live",
        ),
        (
            {"quote": attrs.evolve(QUOTE, bid=None)},
            "spread: bid None, ask 2.1; needed: both, not crossed",
        ),
        (
            {"quote": attrs.evolve(QUOTE, bid=2.2)},
            "spread: bid 2.2, ask 2.1; needed: both, not crossed",
        ),
        (
            {"quote": attrs.evolve(QUOTE, bid=0.5, ask=2.0), "ticket": attrs.evolve(TICKET, limit_price=2)},
            "spread: 120.0% of the middle; needed: 100.0% or less",
        ),
        ({"ticket": attrs.evolve(TICKET, limit_price="2.105")}, "tick: 2.105; needed: a multiple of 0.01"),
        (
            {"ticket": attrs.evolve(TICKET, limit_price="2.32")},
            "collar: limit 2.32, the other side is at 2.1; needed: at most 2.31",
        ),
        (
            {"ticket": attrs.evolve(SALE, limit_price="1.79")},
            "collar: limit 1.79, the other side is at 2.0; needed: at least 1.80",
        ),
        (
            {
                "ticket": attrs.evolve(TICKET, side="SELL", limit_price="0.04"),
                "quote": attrs.evolve(QUOTE, bid=0.05, ask=0.06),
            },
            "collar: limit 0.04, the other side is at 0.05; needed: at least 0.045",
        ),
        ({"ticket": attrs.evolve(TICKET, quantity=1001)}, "quantity: 1001; needed: 1000 or fewer"),
        (
            {"open_orders": [attrs.evolve(WORKING, order_id=number) for number in range(20)]},
            "open_orders: 20 work for this contract and side; needed: fewer than 20",
        ),
        (
            {"submitted": 20},
            "efficiency: 21.0 messages for each order filled; needed: 20 or less",
        ),
        (
            {"submitted": 62, "filled": 2},
            "efficiency: 21.0 messages for each order filled; needed: 20 or less",
        ),
        (
            {"sent": [SentOrder(at=NOW - timedelta(seconds=9.9), ticket=TICKET)]},
            "duplicate: the same order left 9.9 s ago; needed: 10 s",
        ),
    ],
)
def test_a_refusal_names_what_was_seen_and_what_is_wanted(changes, sentence):
    assert said(**changes) == [sentence]


@pytest.mark.parametrize(
    ("lock", "sentence"),
    [
        (
            {"mode": "PAPER", "account": "DU1234567", "port": 4001},
            "port 4001 of live trading; needed: a port of the paper account DU***67",
        ),
        (
            {"mode": "LIVE", "account": "U1234567", "live_account": "U1234567", "port": 7497},
            "port 7497 of paper trading; needed: a port of the live account U1***67",
        ),
        (
            {"mode": "PAPER", "account": "U1234567"},
            "PAPER with the live account U1***67; needed: a paper account",
        ),
        (
            {"mode": "LIVE", "account": "U1234567"},
            "LIVE, said once; needed: live_account too, the second yes",
        ),
        (
            {"mode": "LIVE", "account": "U1234567", "live_account": "U7654321"},
            "account U1***67; needed: U7***21",
        ),
        ({"mode": "MAYBE", "account": "U1234567"}, "mode 'MAYBE'; needed: DRY_RUN, PAPER or LIVE"),
    ],
)
def test_the_interlock_says_which_two_do_not_fit(lock, sentence):
    assert said(interlock=Interlock(**lock)) == [f"interlock: {sentence}"]


@pytest.mark.parametrize(
    ("limits", "changes", "sentence"),
    [
        ({"max_notional": 419}, {}, "notional: 420.00; needed: 419 or less"),
        (
            {"max_notional": 400},
            {"ticket": attrs.evolve(TICKET, order_type="MKT", limit_price=None)},
            "notional: 420.00; needed: 400 or less",
        ),
        (
            {"max_notional": 400, "max_quote_age": None},
            {"ticket": attrs.evolve(TICKET, order_type="MKT", limit_price=None), "quote": None},
            "notional: no price; needed: 400 or less",
        ),
        (
            {"max_notional": 7},
            {
                "ticket": attrs.evolve(TICKET, contract=Stock("SPY"), limit_price=4),
                "quote": attrs.evolve(QUOTE, bid=3.99, ask=4.0),
            },
            "notional: 8.00; needed: 7 or less",
        ),
        (
            {"orders_per_minute": 2},
            {"sent": [SentOrder(at=NOW - timedelta(seconds=s), ticket=SALE) for s in (59.9, 20, 60)]},
            "order_rate: 2 in the last minute; needed: fewer than 2",
        ),
        (
            {"duplicate_within": 0.5},
            {"sent": [SentOrder(at=NOW, ticket=TICKET)]},
            "duplicate: the same order left 0.0 s ago; needed: 0.5 s",
        ),
    ],
)
def test_a_limit_that_was_set_is_named(limits, changes, sentence):
    assert said(OrderLimits(**limits), **changes) == [sentence]


@pytest.mark.parametrize(
    ("limits", "changes"),
    [
        ({"max_notional": 420}, {}),
        ({"max_spread": 0.5}, {"quote": attrs.evolve(QUOTE, bid=1.5, ask=2.5)}),  # exactly half
        ({"max_spread": 0.0}, {"quote": attrs.evolve(QUOTE, bid=2.1)}),  # locked, not crossed
        ({"max_spread": 0.0, "max_quote_age": 0, "collar": 0.0}, {"quote": attrs.evolve(QUOTE, bid=2.1)}),
        ({"max_spread": None}, {"quote": attrs.evolve(QUOTE, bid=None)}),
        ({"collar": None}, {"ticket": attrs.evolve(TICKET, limit_price="9.00")}),
        ({"max_spread": None}, {"quote": attrs.evolve(QUOTE, ask=None)}),
        ({"max_quote_age": None}, {"quote": None}),
        ({"live_only": False}, {"quote": attrs.evolve(QUOTE, data_type=DataType.FROZEN)}),
        ({}, {"ticks": None, "ticket": attrs.evolve(TICKET, limit_price="2.105")}),
        ({}, {"submitted": 19}),
        ({}, {"preview": preview()}),
        ({"what_if": False}, {"preview": preview(margin=2000), "preview_refusal": "no funds"}),
        ({}, {"submitted": 59, "filled": 2}),
        ({}, {"sent": [SentOrder(at=NOW - timedelta(seconds=10), ticket=TICKET)]}),
        ({}, {"sent": [SentOrder(at=NOW, ticket=SALE)]}),
        ({}, {"open_orders": [attrs.evolve(WORKING, side=Side.SELL)] * 30}),
        ({}, {"open_orders": [attrs.evolve(WORKING, state=OrderState.CANCELLED)] * 30}),
        ({}, {"open_orders": [attrs.evolve(WORKING, contract=Stock("SPY"))] * 30}),
    ],
)
def test_what_keeps_to_the_limit_passes(limits, changes):
    assert said(OrderLimits(**limits), **changes) == []


@pytest.mark.parametrize("value", [float("inf"), -0.01, float("nan")])
def test_a_limit_is_a_finite_number_from_zero(value):
    with pytest.raises(InvalidInput, match="0 or more"):
        OrderLimits(collar=value)
