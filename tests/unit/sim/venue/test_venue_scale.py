"""What an order costs the venue does not grow with the orders and positions that are there already."""

from collections import Counter
from datetime import date, timedelta

from ibkeel.sim.market import SeededMarket
from ibkeel.sim.values import ContractPattern, SimContract, SimOrder
from ibkeel.sim.venue import Venue, VenueSettings
from ibkeel.sim.venue.margin import cover_of
from ibkeel.sim.venue.settlement import Account, Holding

DAY = date(2024, 9, 5)


class Counted(SeededMarket):
    """Counts what it is asked."""

    def __init__(self):
        super().__init__(7, DAY)
        self.asked = Counter()

    def quote(self, contract, at):
        self.asked["quote"] += 1
        return super().quote(contract, at)

    def next_reach(self, contract, after, reach):
        self.asked["reach"] += 1
        return super().next_reach(contract, after, reach)

    def sessions(self, start, end):
        self.asked["sessions"] += 1
        return super().sessions(start, end)


def asked_by_ten_orders(there):
    """What the market is asked while ten orders come, one after another, to so many positions and orders."""
    market = Counted()
    (session,) = market.sessions(DAY, DAY)
    at = session.opens_at + timedelta(hours=2)
    pattern = ContractPattern(symbol="SPY", sec_type="OPT", right="C", expiry="20241220")
    calls = [each for each in market.find(pattern) if (market.quote(each, at).bid or 0.0) > 1.0]
    later, held = calls[:10], calls[10 : there + 10]
    venue = Venue(market, cash=1e9, settings=VenueSettings(settles_expiries=True))
    order = {"client_id": 1, "quantity": 1.0, "tif": "GTC"}
    for number, call in enumerate(held):
        buy = SimOrder(**order, order_id=2 * number, contract=call, action="BUY", order_type="MKT")
        sell = SimOrder(
            **order,
            order_id=2 * number + 1,
            contract=call,
            action="SELL",
            order_type="LMT",
            limit_price=9999.0,
        )
        venue.submit(buy, at)
        venue.submit(sell, at)
    venue.advance(at)
    venue.next_event(at)
    assert (len(venue.positions()), len(venue.open_orders())) == (there, there)

    market.asked.clear()
    for number, call in enumerate(later):
        at += timedelta(milliseconds=20)
        buy = SimOrder(
            **order, order_id=9000 + number, contract=call, action="BUY", order_type="LMT", limit_price=0.01
        )
        venue.submit(buy, at)
        venue.advance(at)
        assert venue.next_event(at) > at

    assert len(venue.open_orders()) == there + 10
    return market.asked


def test_an_order_asks_the_market_as_much_whatever_is_there():
    assert asked_by_ten_orders(36) == asked_by_ten_orders(6)


def test_a_trade_leaves_the_cover_of_other_underlyings_as_it_was():
    symbols = [f"S{number}" for number in range(50)]
    contracts = [
        SimContract(
            con_id=number,
            symbol=symbol,
            sec_type="OPT",
            right="C",
            strike=90.0,
            multiplier=100,
            expiry=DAY,
        )
        for number, symbol in enumerate(symbols)
    ]
    held = {each.con_id: Holding(contract=each, quantity=-1.0) for each in contracts}
    account, parts = Account(name="A", cash=0.0, holdings=held), {}
    assert len(cover_of(account, parts)[1]) == 50
    before = dict(parts)

    after = account.traded(contracts[7], 1.0, 2.0, 0.0).account

    assert len(cover_of(after, parts)[1]) == 49
    assert [symbol for symbol in symbols if parts[symbol] is not before[symbol]] == ["S7"]
