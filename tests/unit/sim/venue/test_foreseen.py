"""A market that tells when a price is reached fills as one that is looked at second by second."""

from datetime import date, timedelta

import pytest

from ibkeel.sim.market import SeededMarket
from ibkeel.sim.market.overlays import HaltedMarket
from ibkeel.sim.values import ContractPattern, Execution, Foreseen, SimOrder
from ibkeel.sim.venue import Venue, VenueSettings

DAY = date(2024, 9, 5)
SEEN = SeededMarket(7, DAY)
WATCHED = HaltedMarket(SEEN, ())  # the same, and it foresees nothing
(SESSION,) = SEEN.sessions(DAY, DAY)
(SPY,) = SEEN.find(ContractPattern(symbol="SPY", sec_type="STK"))
CALL, *_ = SEEN.find(
    ContractPattern(
        symbol="SPY", sec_type="OPT", expiry="20240906", right="C", strike=480.0, exchange="SMART"
    )
)
NOON = SESSION.opens_at + timedelta(hours=2, milliseconds=300)
SPAN = timedelta(minutes=30)  # longer than is looked ahead at once


def orders(*, trailing):
    """Stops and limits around the quotes of noon, in a family and alone, small ones and more than is shown."""
    shares = {SPY: (0.995, 0.999, 1.0, 1.001, 1.005), CALL: (0.7, 0.9, 1.0, 1.1, 1.3)}
    for number, contract in enumerate(shares):
        quote = SEEN.quote(contract, NOON)
        for step, share in enumerate(shares[contract]):
            for action in ("BUY", "SELL"):
                price, order_id = (
                    round(quote.bid * share, 2),
                    100 * number + 10 * step + (action == "BUY") * 5,
                )
                common = {
                    "client_id": 1,
                    "contract": contract,
                    "action": action,
                    "tif": "DAY",
                }
                yield SimOrder(
                    **common, order_id=order_id + 1, quantity=3.0, order_type="LMT", limit_price=price
                )
                yield SimOrder(
                    **common, order_id=order_id + 2, quantity=3.0, order_type="STP", stop_price=price
                )
                if trailing:
                    yield SimOrder(
                        **common, order_id=order_id + 4, quantity=5.0, order_type="TRAIL", stop_price=0.4
                    )


def played(market, chosen, settings):
    """Every event of a while, with its instant, and how often the venue was looked at."""
    venue = Venue(market, cash=1e9, seed=3, settings=settings)
    told = [(NOON, event) for order in chosen for event in venue.submit(order, NOON)]
    at, looks = NOON, 0
    while (at := venue.next_event(at)) is not None and at <= NOON + SPAN:
        looks += 1
        told += [(at, event) for event in venue.advance(at)]
    return told, looks


def test_the_seeded_market_foresees():
    assert isinstance(SEEN, Foreseen)
    assert not isinstance(WATCHED, Foreseen)


@pytest.mark.parametrize(
    ("queues", "trailing"),
    [(False, False), (True, False), (False, True)],
    ids=["at the touch", "behind others", "some trail"],
)
def test_whatever_rests_fills_at_the_same_instants_as_when_each_quote_is_looked_at(queues, trailing):
    settings = VenueSettings(queues_limits=queues, price_precaution=None, active_orders_limit=None)

    seen, looks = played(SEEN, orders(trailing=trailing), settings)
    watched, all_looks = played(WATCHED, orders(trailing=trailing), settings)

    assert seen == watched
    assert sum(isinstance(event, Execution) for _, event in seen) > 12
    assert (looks < all_looks) is not queues


def test_what_only_waits_is_looked_at_a_few_times_an_hour():
    far = SimOrder(
        client_id=1,
        order_id=1,
        contract=CALL,
        action="SELL",
        quantity=3.0,
        order_type="STP",
        stop_price=0.05,
        tif="DAY",
    )

    _, looks = played(SEEN, [far], VenueSettings())

    assert looks < 4
