from datetime import UTC, datetime
from decimal import Decimal

import attrs
import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import (
    Bracket,
    ClientOrderId,
    Combo,
    ComboLeg,
    ConId,
    ExecId,
    Execution,
    MarginChange,
    OrderId,
    OrderPreview,
    OrderTicket,
    OrderType,
    OtherContract,
    PermId,
    Side,
    Stock,
    from_json,
    to_json,
)

NOON = datetime(2026, 1, 5, 17, tzinfo=UTC)
BUY_ONE = ComboLeg(con_id=ConId(11), side="BUY")
SELL_TWO = ComboLeg(con_id=ConId(12), side=Side.SELL, ratio=2)
PAIR = Combo("SPY", [BUY_ONE, SELL_TWO])


def ticket(contract=PAIR, **changes):
    return OrderTicket(contract=contract, side="BUY", quantity=1, **changes)


def test_a_combo_shows_its_legs():
    assert str(PAIR) == "SPY combo (+1 of 11, -2 of 12)"
    assert (PAIR.symbol, PAIR.exchange, PAIR.currency) == ("SPY", "SMART", "USD")
    assert Combo("SPY", (BUY_ONE, SELL_TWO), con_id=ConId(5)) == PAIR


@pytest.mark.parametrize("legs", [(), (BUY_ONE,), (BUY_ONE, BUY_ONE)])
def test_a_combo_has_two_contracts_or_more(legs):
    with pytest.raises(
        InvalidInput, match=r"Combo\.legs has the contracts .*; valid: two or more, each once"
    ):
        Combo("SPY", legs)


@pytest.mark.parametrize("price", ["-1.25", "0", "3.10"])
def test_a_combo_may_be_bought_for_less_than_nothing(price):
    asked = ticket(order_type=OrderType.LMT, limit_price=price)

    assert asked.limit_price == Decimal(price)
    assert from_json(to_json(asked), OrderTicket) == asked


@pytest.mark.parametrize("price", ["-1.25", "0"])
def test_anything_else_has_a_price_above_zero(price):
    with pytest.raises(InvalidInput, match=r"OrderTicket\.limit_price is .*a finite number above 0"):
        ticket(Stock("SPY"), order_type=OrderType.LMT, limit_price=price)


def test_a_combo_takes_no_stop_and_no_bracket():
    with pytest.raises(InvalidInput, match="MKT or LMT here, not STP LMT"):
        ticket(order_type=OrderType.STP_LMT, limit_price=1, stop_price=2)
    with pytest.raises(InvalidInput, match="a combo has no stop here"):
        Bracket(entry=ticket(), stop_loss=1)


def test_a_combo_may_fill_at_a_price_below_zero_and_a_stock_may_not():
    def fill(contract, price=-1.25):
        return Execution(
            exec_id=ExecId("1"),
            order_id=OrderId(1),
            perm_id=PermId(1),
            client_order_id=ClientOrderId("1"),
            account="DU1",
            contract=contract,
            side="BUY",
            quantity=1,
            price=price,
            at=NOON,
        )

    bag = OtherContract("SPY", kind="BAG")  # so a fill names it
    assert [fill(combo).price for combo in (PAIR, bag)] == [-1.25, -1.25]
    assert [fill(Stock("SPY"), price).price for price in (0, 0.01)] == [0, 0.01]  # 0: an option that ended
    assert [fill(combo).is_of_combo for combo in (PAIR, bag)] == [True, True]
    assert not attrs.evolve(fill(PAIR), price=1.25, contract=Stock("SPY")).is_of_combo
    with pytest.raises(InvalidInput, match=r"Execution\.price is -1\.25"):
        fill(OtherContract("ES", kind="FUT"))
    with pytest.raises(InvalidInput, match=r"Execution\.price is -1\.25"):
        fill(Stock("SPY"))


def test_a_preview_survives_json_with_what_was_not_told():
    preview = OrderPreview(
        ticket=ticket(), at=NOON, initial_margin=MarginChange(before="1000", change="250.5", after="1250.5")
    )

    back = from_json(to_json(preview), OrderPreview)

    assert back == preview
    assert (back.commission, back.maintenance_margin.change) == (None, None)
