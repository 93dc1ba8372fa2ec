import pytest

from ibkeel.errors import InvalidInput
from ibkeel.guards import Ask, gateway_rules
from ibkeel.resilience import Admission, Lane, Request


def history(*, subject="SPY@SMART", feed="TRADES", identity="", kind=Ask.HISTORY, is_bulky=False):
    return Request(
        kind=kind, lane=Lane.HISTORY, subject=subject, feed=feed, identity=identity, is_bulky=is_bulky
    )


def granted(requests, **settings):
    """How many of them go at once."""
    admission = Admission(gateway_rules(**settings))
    return sum(not admission.ask(request, 0.0).is_waiting for request in requests)


def test_every_rule_has_a_source_and_a_name_of_its_own():
    rules = gateway_rules()

    assert all(rule.source.startswith("TWS API") for rule in rules)
    assert len({rule.name for rule in rules}) == len(rules)


@pytest.mark.parametrize(("lines", "at_once"), [(100, 50), (200, 100)])
def test_half_the_lines_is_the_number_of_messages_a_second(lines, at_once):
    requests = [Request(kind="any", lane=Lane.CLOSING)] * 150

    assert granted(requests, lines=lines) == at_once


@pytest.mark.parametrize(
    ("lane", "at_once"), [(Lane.CLOSING, 50), (Lane.OPENING, 49), (Lane.PROBE, 44), (Lane.HISTORY, 44)]
)
def test_slots_are_kept_for_orders(lane, at_once):
    assert granted([Request(kind="any", lane=lane)] * 60) == at_once


@pytest.mark.parametrize(
    ("requests", "at_once"),
    [
        ([history(identity="same")] * 2, 1),
        ([history(identity=f"{n}") for n in range(7)], 5),
        ([history(identity=f"{n}", feed="BID_ASK") for n in range(7)], 2),
        ([history(feed=feed) for feed in ("TRADES", "MIDPOINT") for _ in range(6)], 10),
        ([history(kind=Ask.REAL_TIME_BARS)] * 6, 5),
        ([history(kind=Ask.HEAD_TIMESTAMP, identity="same")] * 2, 1),
    ],
    ids=["identical", "one contract", "twice", "two feeds", "real-time bars", "head timestamps"],
)
def test_the_historical_limits(requests, at_once):
    assert granted(requests) == at_once


def test_sixty_in_ten_minutes():
    admission = Admission(gateway_rules())
    tickets = []
    for number in range(70):
        tickets.append(admission.ask(history(subject=f"S{number}"), number))
        admission.release(tickets[-1], number)

    assert sum(ticket.is_waiting for ticket in tickets) == 10


def test_long_bars_keep_the_limits_unless_told_otherwise():
    long_ones = [history(is_bulky=True, identity="same")] * 7

    assert granted(long_ones) == 1
    assert granted(long_ones, pace_long_bars=False) == 7


def test_fifty_histories_are_open_at_most_however_long_their_bars():
    requests = [history(subject=f"S{number}", is_bulky=True) for number in range(60)]

    assert granted(requests, pace_long_bars=False, lines=200) == 50


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        (Ask.SCANNER, 10),
        (Ask.DEPTH, 3),
        (Ask.ACCOUNT_SUMMARY, 2),
        (Ask.TICK_BY_TICK, 5),
        (Ask.MARKET_DATA, 100),
    ],
)
def test_what_may_be_open_at_the_same_time(kind, most):
    admission = Admission(gateway_rules())
    tickets = [admission.ask(Request(kind=kind, subject=f"S{number}"), number) for number in range(120)]
    admission.advance(200.0)

    assert sum(not ticket.is_waiting for ticket in tickets) == most


def test_tick_by_tick_once_in_fifteen_seconds_for_an_instrument():
    admission = Admission(gateway_rules())
    admission.ask(Request(kind=Ask.TICK_BY_TICK, subject="SPY"), 0.0)

    again = admission.ask(Request(kind=Ask.TICK_BY_TICK, subject="SPY"), 0.0)

    assert again.is_waiting
    assert admission.next_at() == 15.0


def test_symbols_are_searched_once_a_second():
    assert granted([Request(kind=Ask.MATCHING_SYMBOLS)] * 2) == 1


def test_fewer_lines_than_any_account_has_are_refused():
    with pytest.raises(InvalidInput, match="at least 100"):
        gateway_rules(lines=99)
