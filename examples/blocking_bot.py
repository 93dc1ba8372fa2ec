"""A synchronous bot with worker threads, on `ibkeel sim serve --port 4902`: no await, no loop in here."""

from concurrent.futures import ThreadPoolExecutor

from ibkeel import BarSpec, OrderTicket, Side, Stock
from ibkeel.errors import RequestFailed
from ibkeel.ibkr import BlockingBroker, IBKRConfig
from ibkeel.model import Execution

SYMBOLS = ("SPY", "QQQ", "NOSUCH")


def closes(broker: BlockingBroker, symbol: str) -> str:
    """One line about a symbol; what cannot be had is said, never guessed."""
    try:
        bars = broker.bars(Stock(symbol), BarSpec(duration="3600 S", size="5 mins"))
    except RequestFailed as error:
        return f"{symbol}: {type(error).__name__}"
    return f"{symbol}: {len(bars)} bars, last close {bars.close[-1]:.2f}"


config = IBKRConfig(host="127.0.0.1", port=4902, client_id=2, orders="PAPER")
with BlockingBroker(config) as broker, ThreadPoolExecutor(3) as threads:
    for line in threads.map(lambda symbol: closes(broker, symbol), SYMBOLS):
        print(line)
    with broker.stream_quotes(Stock("SPY")) as quotes:
        for quote, _ in zip(quotes, range(3), strict=False):
            print(f"SPY {quote.bid} x {quote.ask}")
    with broker.order_events() as events:
        broker.place(OrderTicket(contract=Stock("SPY"), side=Side.BUY, quantity=1))
        fill = next(event for event in events if isinstance(event, Execution))
        print(f"bought {fill.quantity:g} at {fill.price}")
    print(f"health: {broker.health().grade}")
