from datetime import UTC, date, datetime
from types import SimpleNamespace

import attrs
import pytest

from ibkeel.sim.services.contracts import ordered
from ibkeel.sim.values import SimContract
from ibkeel.sim.world import Rejection

LISTED = {
    number: SimContract(con_id=number, symbol="SPY", sec_type="OPT", strike=500.0 + number, multiplier=100)
    for number in (1, 2)
}
LISTED[3] = attrs.evolve(LISTED[1], con_id=3, expiry=date(2026, 1, 2))
NOON = datetime(2026, 1, 5, 17, tzinfo=UTC)
WORLD = SimpleNamespace(market=SimpleNamespace(by_con_id=LISTED.get), now=lambda: NOON)


def leg(con_id, action="BUY", ratio=1):
    return {"con_id": con_id, "action": action, "ratio": ratio, "exchange": "SMART"}


def named(*legs, **values):
    order = {"sec_type": "BAG", "symbol": "SPY", "exchange": "SMART", "currency": "USD"}
    return ordered(WORLD, {**order, "order_combo_legs": list(legs), **values})


def test_a_bag_is_known_by_its_legs():
    contract, legs = named(leg(1), leg(2, "sell", 2), symbol="", exchange="", currency="")

    assert (contract.sec_type, contract.con_id, contract.symbol) == ("BAG", 0, "SPY")
    assert (contract.exchange, contract.currency) == ("SMART", "USD")
    assert [(row.contract.con_id, row.action, row.ratio) for row in legs] == [(1, "BUY", 1), (2, "SELL", 2)]


def test_any_other_contract_has_no_legs():
    contract, legs = ordered(WORLD, {"sec_type": "OPT", "con_id": 1})

    assert (contract.con_id, legs) == (1, ())


@pytest.mark.parametrize(
    ("legs", "code"),
    [
        ([], 321),
        ([leg(1)], 321),
        ([leg(1), leg(9)], 200),
        ([leg(1), leg(None)], 200),
        ([leg(1), leg(3)], 200),
        ([leg(1), leg(2, "HOLD")], 321),
        ([leg(1), leg(2, "BUY", 0)], 321),
        ([leg(1), leg(2, "BUY", None)], 321),
    ],
)
def test_a_combo_that_cannot_be_is_rejected(legs, code):
    with pytest.raises(Rejection) as caught:
        named(*legs)

    assert caught.value.code == code
