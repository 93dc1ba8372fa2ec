"""A bot as many are written: a loop on the bare client library, with a `try` around each round."""

import asyncio
import math
from typing import Any

from bad_days.diary import Seen
from ibkeel.ibkr.client import library

__all__ = ["Naive"]


class Naive:
    """Connects again when the library says that it is cut off; sends an order again that nobody confirms.

    Args:
        port: The Gateway's.
    """

    name = "naive"
    alarms: tuple[tuple[float, str], ...] = ()

    def __init__(self, port: int) -> None:
        self.port = port
        self.ib: Any = library.IB()
        self.spy: Any = library.Stock("SPY", "SMART", "USD")
        self.ticker: Any = None
        self.ticks: list[float] = []
        self.confirmed: set[str] = set()
        self.unknown: set[str] = set()
        self.ids: list[int] = []

    async def begin(self) -> None:
        await self.ib.connectAsync("127.0.0.1", self.port, clientId=1)
        await self.ib.qualifyContractsAsync(self.spy)
        await self.ib.accountSummaryAsync()
        self.ticker = self.ib.reqMktData(self.spy)
        self.ticker.updateEvent += self._ticked  # for the onlooker: the bot itself looks at no age
        await asyncio.sleep(2)  # until the first price is there

    async def round(self) -> Seen:
        try:
            if not self.ib.isConnected():
                await self.ib.connectAsync("127.0.0.1", self.port, clientId=1)
            price, age = self.ticker.marketPrice(), self._age()
            bars = await self._bars()
        except Exception as error:  # noqa: BLE001 - as it is written everywhere
            return Seen(error=type(error).__name__)
        return Seen(price=None if math.isnan(price) else price, age=age, bars=len(bars))

    def _age(self) -> float:
        """The onlooker's knowledge, not the bot's."""
        return asyncio.get_running_loop().time() - self.ticks[-1] if self.ticks else math.inf

    async def _bars(self) -> Any:
        return await self.ib.reqHistoricalDataAsync(self.spy, "", "3600 S", "1 min", "TRADES", useRTH=True)

    async def order(self, name: str) -> bool:
        """True once it is confirmed; what is not is sent again in the next minute."""
        try:
            trade = self.ib.placeOrder(self.spy, library.LimitOrder("BUY", 1, 100.0, orderRef=name))
            self.ids.append(trade.order.orderId)
            for _ in range(10):
                await asyncio.sleep(1)
                if trade.orderStatus.status in {"PreSubmitted", "Submitted", "Filled"}:
                    self.confirmed.add(name)
                    return True
        except ConnectionError:
            return False
        return False

    async def end(self) -> None:
        self.ib.disconnect()

    def _ticked(self, _: Any) -> None:
        self.ticks.append(asyncio.get_running_loop().time())
