import math
from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import DataType, Option, Quote, Right
from ibkeel.risk import EntryFacts, GateRule, LossVerdict, RefusalKind, check_entry

NOW = datetime(2024, 3, 4, 17, tzinfo=UTC)
CLOSE = NOW + timedelta(hours=4)
QUOTE = Quote(contract=Option("SPY", date(2024, 3, 8), 500, Right.CALL), at=NOW, bid=1.0, ask=1.1, volume=10)
FINE = EntryFacts(
    now=NOW,
    quote=QUOTE,
    available_funds=10_000,
    loss=LossVerdict(allowed=True, loss=0.0, reason=""),
    open_positions=0,
    closes_at=CLOSE,
)


def refused(rule=None, **facts):
    return [refusal.kind for refusal in check_entry(attrs.evolve(FINE, **facts), rule or GateRule()).refusals]


def quote(**fields):
    return attrs.evolve(QUOTE, **fields)


def test_an_entry_passes_when_everything_is_well():
    assert check_entry(FINE, GateRule()).allowed


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({"halted": "by hand"}, RefusalKind.HALTED),
        ({"session_open": False}, RefusalKind.SESSION_CLOSED),
        ({"closes_at": None}, RefusalKind.SESSION_CLOSED),
        ({"closes_at": NOW + timedelta(seconds=900)}, RefusalKind.NEAR_CLOSE),
        ({"closes_at": NOW - timedelta(seconds=1)}, RefusalKind.NEAR_CLOSE),
        ({"available_funds": None}, RefusalKind.FUNDS_UNREADABLE),
        ({"available_funds": math.nan}, RefusalKind.FUNDS_UNREADABLE),
        ({"available_funds": 499.99}, RefusalKind.FUNDS_LOW),
        ({"funds_rejected": True}, RefusalKind.FUNDS_REJECTED),
        ({"loss": None}, RefusalKind.DAILY_LOSS),
        ({"loss": LossVerdict(allowed=False, loss=0.2, reason="lost")}, RefusalKind.DAILY_LOSS),
        ({"open_positions": 5}, RefusalKind.TOO_MANY_POSITIONS),
        ({"unknown_orders": 1}, RefusalKind.ORDER_UNKNOWN),
        ({"last_entry_at": NOW - timedelta(seconds=1799)}, RefusalKind.COOLING_DOWN),
        ({"quote": None}, RefusalKind.NO_QUOTE),
        ({"quote": quote(bid=None)}, RefusalKind.ONE_SIDED),
        ({"quote": quote(ask=None)}, RefusalKind.ONE_SIDED),
        ({"quote": quote(bid=1.2)}, RefusalKind.CROSSED),
        ({"quote": quote(data_type=DataType.DELAYED)}, RefusalKind.NOT_LIVE),
        ({"quote": quote(at=NOW - timedelta(seconds=16))}, RefusalKind.STALE),
        ({"quote": quote(at=NOW + timedelta(seconds=16))}, RefusalKind.STALE),
    ],
)
def test_each_fact_that_speaks_against_an_entry_refuses_it(facts, kind):
    assert refused(**facts) == [kind]


@pytest.mark.parametrize(
    "facts",
    [
        {"available_funds": 500},
        {"open_positions": 4},
        {"last_entry_at": NOW - timedelta(seconds=1800)},
        {"quote": quote(at=NOW - timedelta(seconds=15))},
        {"quote": quote(bid=1.1)},
        {"closes_at": NOW + timedelta(seconds=901)},
    ],
)
def test_a_fact_on_the_allowed_side_of_its_limit_passes(facts):
    assert refused(**facts) == []


def test_all_reasons_are_told_at_once():
    kinds = refused(halted="by hand", available_funds=0, quote=None, open_positions=9)

    assert kinds == [
        RefusalKind.HALTED,
        RefusalKind.FUNDS_LOW,
        RefusalKind.TOO_MANY_POSITIONS,
        RefusalKind.NO_QUOTE,
    ]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"halted": "by hand"}, "entries are halted: by hand"),
        ({"session_open": False}, "the contract does not trade now"),
        ({"closes_at": None}, "nobody knows when the session ends"),
        ({"closes_at": NOW + timedelta(seconds=60)}, "60 s to the close; entries stop 900 s before it"),
        ({"available_funds": None}, "available funds are unreadable: None"),
        ({"available_funds": 499.99}, "available funds 499.99; needed: 500.00 or more"),
        ({"funds_rejected": True}, "the venue rejected an order with code 201, as for lack of funds"),
        ({"loss": None}, "the daily loss is unknown"),
        ({"loss": LossVerdict(allowed=False, loss=0.2, reason="lost 20%")}, "lost 20%"),
        ({"open_positions": 7}, "7 positions are open; at most 5"),
        ({"unknown_orders": 2}, "the fate of 2 orders is unknown"),
        (
            {"last_entry_at": NOW - timedelta(seconds=60)},
            "last entry in this symbol 60 s ago; the pause is 1800 s",
        ),
        ({"quote": None}, "the contract was not quoted"),
        ({"quote": quote(bid=None)}, "bid None, ask 1.1; needed: both"),
        ({"quote": quote(bid=1.2)}, "bid 1.2 is above ask 1.1"),
        ({"quote": quote(data_type=DataType.DELAYED)}, "the quote is delayed; needed: live"),
        (
            {"quote": quote(at=NOW - timedelta(seconds=16))},
            "the quote is 16.0 s old; needed: 15.0 s or less",
        ),
    ],
    ids=str,
)
def test_a_refusal_says_what_was_seen_and_what_is_wanted(facts, words):
    (refusal,) = check_entry(attrs.evolve(FINE, **facts), GateRule()).refusals

    assert refusal.detail == words


def test_delayed_quotes_pass_when_the_user_says_so():
    assert refused(GateRule(live_only=False), quote=quote(data_type=DataType.DELAYED)) == []


@pytest.mark.parametrize("field", ["min_funds", "max_quote_age", "max_open_positions", "cooldown"])
def test_a_negative_limit_is_refused(field):
    with pytest.raises(InvalidInput, match=field):
        GateRule(**{field: -1})


@pytest.mark.parametrize(
    "facts",
    [
        {"open_positions": math.nan},
        {"open_positions": -1},
        {"open_positions": None},
        {"unknown_orders": None},
        {"unknown_orders": ["an order"]},
        {"session_open": "closed"},
    ],
    ids=str,
)
def test_what_nobody_counted_is_no_fact(facts):
    with pytest.raises(InvalidInput, match=next(iter(facts))):
        attrs.evolve(FINE, **facts)
