from datetime import UTC, date, datetime

import pytest

from ibkeel.errors import InvalidInput
from ibkeel.model import Bracket, Direction, Option, OrderTicket, Right, Side, Signal
from ibkeel.orders import EntryIntent, ExitCause, ExitIntent, client_order_id

NOW = datetime(2024, 3, 4, 17, tzinfo=UTC)
NAME = client_order_id(date(2024, 3, 4), "a1", 1)
CALL = Option("SPY", date(2024, 3, 8), 500, Right.CALL)


def ticket(side=Side.BUY, name=NAME):
    return OrderTicket(contract=CALL, side=side, quantity=1, client_order_id=name)


def test_equal_arguments_give_equal_names():
    assert NAME == client_order_id(date(2024, 3, 4), "a1", 1) == "ibk-20240304-a1-0001"


@pytest.mark.parametrize(("run", "sequence"), [("", 1), ("a b", 1), ("ä", 1), ("a1", 0), ("x" * 40, 1)])
def test_a_name_that_would_not_travel_is_refused(run, sequence):
    with pytest.raises(InvalidInput):
        client_order_id(date(2024, 3, 4), run, sequence)


def test_an_entry_carries_its_protection():
    signal = Signal(direction=Direction.UP, confidence=0.5)
    bracket = Bracket(entry=ticket(), stop_loss=1)

    intent = EntryIntent(client_order_id=NAME, symbol="SPY", at=NOW, signal=signal, bracket=bracket)

    assert intent.order is bracket


def test_an_exit_carries_its_cause_and_is_no_entry():
    intent = ExitIntent(
        client_order_id=NAME, symbol="SPY", at=NOW, ticket=ticket(Side.SELL), cause="end_of_day"
    )

    assert intent.cause is ExitCause.END_OF_DAY
    assert intent.order.side is Side.SELL
    assert not isinstance(intent, EntryIntent)


def test_an_order_of_another_name_is_refused():
    with pytest.raises(InvalidInput, match="other"):
        ExitIntent(client_order_id=NAME, symbol="SPY", at=NOW, ticket=ticket(name="other"), cause="manual")
