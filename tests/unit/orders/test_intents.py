from datetime import UTC, date, datetime

import pytest

from ibkeel.errors import InvalidInput, OrderRefused
from ibkeel.model import Bracket, Direction, Option, OrderReport, OrderState, OrderTicket, Right, Side, Signal
from ibkeel.orders import EntryIntent, ExitCause, ExitIntent, GapKind, StopIntent, check_name, client_order_id

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


def stop(ticket):
    return StopIntent(client_order_id=NAME, symbol="SPY", at=NOW, ticket=ticket, gap="naked")


def stop_ticket(name=NAME):
    return OrderTicket(
        contract=CALL, side=Side.SELL, quantity=1, order_type="STP", stop_price=1, client_order_id=name
    )


def test_a_stop_carries_what_was_wrong():
    intent = stop(stop_ticket())

    assert (intent.gap, intent.order) == (GapKind.NAKED, stop_ticket())


def test_a_stop_of_another_name_is_refused():
    with pytest.raises(InvalidInput, match="other"):
        stop(stop_ticket(name="other"))


def test_a_stop_without_a_stop_price_is_refused():
    with pytest.raises(InvalidInput, match="this order is MKT"):
        stop(ticket(Side.SELL))


def test_a_name_may_be_forty_characters_long_and_no_longer():
    longest = client_order_id(date(2024, 3, 4), "x" * 22, 1)

    assert len(longest) == 40
    with pytest.raises(InvalidInput, match="longer than 40"):
        client_order_id(date(2024, 3, 4), "x" * 23, 1)


def known(name, state):
    return OrderReport(
        order_id=7, perm_id=1, client_id=0, client_order_id=name, contract=CALL, side=Side.BUY, quantity=1,
        order_type="LMT", limit_price=None, stop_price=None, tif="DAY", state=state, remaining=1, at=NOW,
    )  # fmt: skip


@pytest.mark.parametrize("state", OrderState)
def test_a_name_is_free_for_another_order_once_its_own_has_ended(state):
    if state.is_final:
        check_name(ticket(), [known(NAME, state)])
        return
    with pytest.raises(
        OrderRefused, match=f"order 7, BUY 1 .* is named '{NAME}' and is {state.value};.*modify or cancel"
    ):
        check_name(ticket(), [known("other", state), known(NAME, state)])


def test_the_names_of_a_brackets_children_count():
    bracket = Bracket(entry=ticket(), stop_loss=1, take_profit=9)
    for name in (NAME, f"{NAME}-1", f"{NAME}-2"):
        with pytest.raises(OrderRefused, match=name):
            check_name(bracket, [known(name, OrderState.WORKING)])
    check_name(ticket(), [known(f"{NAME}-1", OrderState.WORKING)])
    check_name(bracket, [known(f"{NAME}-3", OrderState.WORKING)])


def test_an_order_without_a_name_of_its_own_is_nobodys_double():
    check_name(ticket(name=None), [known("", OrderState.WORKING)])
