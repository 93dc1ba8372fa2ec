"""S7: a stop-loss child was sent as a limit order below the market, and filled at once."""

from datetime import UTC, date, datetime

from ibkeel.model import Option, OrderType, Quote, Right, Side
from ibkeel.orders import build_bracket

QUOTE = Quote(
    contract=Option("SPY", date(2024, 3, 8), 500, Right.CALL),
    at=datetime(2024, 3, 4, 17, tzinfo=UTC),
    bid=1.98,
    ask=2.0,
)


def test_the_stop_child_of_a_bracket_is_a_stop_order():
    profit, stop = build_bracket(quote=QUOTE, quantity=1, take_profit_fraction=0.5).children()

    assert (stop.order_type, stop.side, stop.limit_price) == (OrderType.STP, Side.SELL, None)
    assert stop.stop_price < profit.limit_price
    assert profit.order_type is OrderType.LMT
