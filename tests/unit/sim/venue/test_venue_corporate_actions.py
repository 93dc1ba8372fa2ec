"""What happens to positions without an order: splits, dividends, and the end of options."""

from datetime import date

import pytest

from ibkeel.sim.values import Execution
from ibkeel.sim.venue import Dividend, Split, Venue, VenueSettings

LAST_DAY = date(2024, 3, 15)


@pytest.fixture
def shares(bench, stock, at):
    """A venue with 100 shares bought at 500.01, and what is to become of them."""
    bench.show(contract=stock, bid=499.99, ask=500.01, bid_size=300, ask_size=300, last=500.0)

    def held(*actions, side="BUY"):
        venue = Venue(bench.market, actions=actions)
        venue.submit(bench.order(side, 100, contract=stock, order_id=1), at(10))
        return venue

    return held


def test_a_split_multiplies_the_shares_and_divides_their_cost(shares, stock, at):
    venue = shares(Split(con_id=stock.con_id, at=at(11), ratio=4.0))
    [before] = venue.positions()

    due = venue.next_event(at(10))
    venue.advance(at(11))

    [after] = venue.positions()
    assert due == at(11)
    assert (after.quantity, after.average_cost) == (400.0, pytest.approx(before.average_cost / 4))
    assert venue.next_event(at(11)) is None


@pytest.mark.parametrize(("side", "sign"), [("BUY", 1), ("SELL", -1)])
def test_a_dividend_is_paid_to_who_is_long_and_by_who_is_short(shares, stock, at, side, sign):
    venue = shares(Dividend(con_id=stock.con_id, at=at(11), per_share=1.25), side=side)
    cash = venue.valuation(at(10)).cash

    venue.advance(at(12))
    venue.advance(at(13))

    assert venue.valuation(at(13)).cash == pytest.approx(cash + sign * 125.0)


def test_who_holds_nothing_gets_nothing(bench, stock, at):
    venue = Venue(bench.market, actions=[Dividend(con_id=stock.con_id, at=at(11), per_share=1.0)])

    venue.advance(at(12))

    assert venue.valuation(at(12)).cash == 100_000.0


# The end of options.


def ended(bench, stock, at, last, side, *, settles=True):
    """A venue that has traded one 500 call and seen its last session end, and what it said."""
    bench.show(contract=stock, bid=499.99, ask=500.01, bid_size=300, ask_size=300, last=500.0)
    bench.show(at(15, 59, day=LAST_DAY), contract=stock, last=last)
    venue = Venue(bench.market, settings=VenueSettings(settles_expiries=settles))
    venue.submit(bench.order(side, 1, order_id=1), at(10))
    due = venue.next_event(at(10))
    return venue, venue.advance(at(16, day=LAST_DAY)), due


@pytest.mark.parametrize(
    ("side", "last", "held"),
    [("BUY", 510.0, [100.0]), ("SELL", 510.0, [-100.0]), ("BUY", 490.0, []), ("SELL", 490.0, [])],
)
def test_an_option_is_exercised_assigned_or_dropped_at_the_close(bench, stock, at, side, last, held):
    venue, events, due = ended(bench, stock, at, last, side)

    assert due == at(16, day=LAST_DAY)
    assert [position.quantity for position in venue.positions()] == held
    fills = [event for event in events if isinstance(event, Execution)]
    assert {(fill.client_id, fill.order_id) for fill in fills} == {(0, 0)}
    assert [fill.price for fill in fills] == ([0.0, 500.0] if held else [0.0])
    assert venue.advance(at(17, day=LAST_DAY)) == []


def test_without_the_setting_options_stay_until_they_are_settled(bench, stock, at):
    venue, events, due = ended(bench, stock, at, 510.0, "BUY", settles=False)

    assert (events, due) == ([], None)
    assert len(venue.positions()) == 1
    assert len(venue.settle(at(17, day=LAST_DAY))) == 1
