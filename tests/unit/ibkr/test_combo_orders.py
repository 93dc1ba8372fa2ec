from decimal import Decimal

import pytest

from ibkeel.ibkr.client import library
from ibkeel.ibkr.order_book import OrderBook
from ibkeel.ibkr.translate import contract_of, to_ib_contract, to_ib_order
from ibkeel.model import ClientOrderId, Combo, ComboLeg, ConId, OrderId, OrderTicket, OtherContract, Side
from ibkeel.telemetry import NullObserver, OrderFilled
from ibkeel.virtual import DEFAULT_START

PAIR = Combo(
    "SPY",
    [
        ComboLeg(con_id=ConId(11), side=Side.BUY),
        ComboLeg(con_id=ConId(12), side=Side.SELL, ratio=2, exchange="CBOE"),
    ],
    con_id=ConId(7),
)
ONE = OrderId(1)


class Still:
    """A clock that stands still."""

    def monotonic(self):
        return 0.0

    def now(self):
        return DEFAULT_START


@pytest.fixture
def book():
    return OrderBook(Still(), NullObserver(), 7)


def echoed(price, **changes):
    order = library.Order(
        orderId=1, clientId=7, action="BUY", totalQuantity=4, orderType="LMT", lmtPrice=price, permId=99
    )
    for name, value in changes.items():
        setattr(order, name, value)
    return order


def test_a_combo_is_a_bag_on_the_wire_and_survives_the_way_there_and_back():
    made = to_ib_contract(PAIR)

    assert (made.secType, made.symbol, made.exchange, made.currency, made.conId) == (
        "BAG", "SPY", "SMART", "USD", 7,
    )  # fmt: skip
    assert [(leg.conId, leg.ratio, leg.action, leg.exchange) for leg in made.comboLegs] == [
        (11, 1, "BUY", "SMART"),
        (12, 2, "SELL", "CBOE"),
    ]
    assert contract_of(made) == PAIR
    assert contract_of(made).con_id == 7


def test_a_bag_without_its_legs_can_only_be_held():
    assert isinstance(contract_of(library.Contract(secType="BAG", symbol="SPY")), OtherContract)


@pytest.mark.parametrize("price", ["-1.25", "0", "2.5"])
def test_an_order_for_a_combo_keeps_its_price_on_the_wire(price):
    ticket = OrderTicket(contract=PAIR, side="BUY", quantity=4, order_type="LMT", limit_price=price)

    made = to_ib_order(ticket, order_id=1, account="DU1", client_order_id="mine")

    assert made.lmtPrice == float(price)


@pytest.mark.parametrize("price", [-1.25, 0.0, 2.5])
def test_the_book_reports_the_limit_and_the_fill_of_a_combo_as_they_are(book, price):
    book.sent(
        ONE,
        OrderTicket(contract=PAIR, side="BUY", quantity=4, order_type="LMT", limit_price=1),
        ClientOrderId("a"),
    )

    book.on_open_order(1, to_ib_contract(PAIR), echoed(price), library.OrderState(status="Submitted"))
    book.on_status(1, "Filled", 4.0, 0.0, price, 99, 0, 0.0, 7, "", 0.0)

    report = book.report(ONE)
    assert (report.limit_price, report.average_fill_price) == (Decimal(str(price)), price)


def test_an_order_for_a_combo_that_is_found_again_has_its_legs(book):
    stop = echoed(-1.25, orderType="STP LMT", auxPrice=-1.5)
    book.on_open_order(1, to_ib_contract(PAIR), stop, library.OrderState(status="Submitted"))
    book.on_status(1, "Submitted", 0.0, 4.0, 0.0, 99, 0, 0.0, 7, "", 0.0)

    report = book.report(ONE)
    prices = (report.limit_price, report.stop_price, report.average_fill_price)
    assert (report.contract, prices) == (PAIR, (Decimal("-1.25"), Decimal("-1.5"), None))


class Told:
    """Keeps what it is told."""

    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)


@pytest.mark.parametrize("does_whole_come_first", [True, False])
def test_the_legs_of_a_known_combo_are_no_fills_of_its_order_whichever_is_told_first(does_whole_come_first):
    told = Told()
    book = OrderBook(Still(), told, 7)
    ticket = OrderTicket(contract=PAIR, side="BUY", quantity=4, order_type="LMT", limit_price=1)
    book.sent(ONE, ticket, ClientOrderId("a"))
    leg = library.Contract(secType="OPT", symbol="SPY", conId=11, right="C", strike=560.0)
    leg.lastTradeDateOrContractMonth = "20260116"
    fills = [("0001.01.01", to_ib_contract(PAIR), 1.0), ("0001.02.01", leg, 3.0)]

    for exec_id, contract, price in fills if does_whole_come_first else reversed(fills):
        of_ours = {"orderId": 1, "clientId": 7, "permId": 99, "side": "BOT", "time": DEFAULT_START}
        book.on_execution(-1, contract, library.Execution(execId=exec_id, shares=1, price=price, **of_ours))
        book.on_commission(library.CommissionReport(execId=exec_id, commission=0.65))

    report = book.report(ONE)
    assert (report.filled, report.average_fill_price) == (1.0, 1.0)
    by_fill = {(row.exec_id, row.is_leg) for row in told.events if isinstance(row, OrderFilled)}
    assert by_fill == {("0001.01.01", False), ("0001.02.01", True)}
