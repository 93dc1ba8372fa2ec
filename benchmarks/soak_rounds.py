"""What the soak asks for each minute: by the adapter, and by the bare client library."""

import asyncio
import math
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from benchmarks.lockstep import HOST, PORT
from ibkeel.errors import ConnectionFailure, RequestFailed
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.ibkr.client import library
from ibkeel.model import BarSpec, Quote, Right, Stock
from ibkeel.options import ExpiryChoice, SelectionRule, nearest_strikes, select
from ibkeel.telemetry import Observer
from ibkeel.virtual import virtual_clock

__all__ = ["SYMBOLS", "Adapter", "Bare", "Rounds"]

SYMBOLS: Final = ("SPY", "QQQ", "AAPL", "MSFT", "NVDA")
_SPEC: Final = BarSpec(duration="1 D", size="15 mins")
_RULE: Final = SelectionRule(expiry=ExpiryChoice.NEAREST, min_dte=2, strike_count=2)
_NEW_YORK: Final = ZoneInfo("America/New_York")
_QUOTE_SECONDS: Final = 13.0
_ONE_SIDED_SECONDS: Final = 2.0
_PATIENCE: Final = 50.0


class Rounds(Protocol):
    """Somebody who asks for what a round wants."""

    async def begin(self) -> None:
        """Connect."""

    async def end(self) -> None:
        """Disconnect."""

    async def serve(self, symbol: str) -> bool:
        """One round of one symbol; false when a part of it did not come."""
        ...

    @property
    def lines(self) -> int:
        """Market data lines that are out."""
        ...


def _is_open(now: datetime) -> bool:
    """Whether options have quotes; the soak's day is a full session."""
    local = now.astimezone(_NEW_YORK)
    return 9 * 60 + 30 <= local.hour * 60 + local.minute < 16 * 60


class Adapter:
    """By `IBKRBroker`."""

    def __init__(self, observer: Observer | None = None) -> None:
        self._clock = virtual_clock()
        config = IBKRConfig(host=HOST, port=PORT)
        self.broker = IBKRBroker(config, clock=self._clock, observer=observer, jitter=lambda: 0.0)

    @property
    def lines(self) -> int:
        return len(self.broker.open_lines)

    async def begin(self) -> None:
        await self.broker.connect()

    async def end(self) -> None:
        await self.broker.disconnect()

    async def serve(self, symbol: str) -> bool:
        stock = Stock(symbol)
        try:
            quote = await self.broker.quote(stock)
            bars = await self.broker.bars(stock, _SPEC)
            chain = await self.broker.option_chain(stock)
            now = self._clock.now()
            today = now.astimezone(_NEW_YORK).date()
            spot = quote.mid or quote.last or bars[-1].close
            options = select(chain, spot=spot, today=today, right=Right.CALL, rule=_RULE)
            if not _is_open(now):
                return bool(options)
            answers = await self.broker.quotes(options)
        except (RequestFailed, ConnectionFailure):
            return False
        return any(isinstance(answer, Quote) for answer in answers.values())


class Bare:
    """By the client library alone, as a careful program does it.

    It connects again when it finds itself cut off, once a round, and gives a round up after 50 s.
    """

    def __init__(self) -> None:
        self._clock = virtual_clock()
        self._ib: Any = library.IB()
        self._connecting = asyncio.Lock()
        self._stocks: dict[str, Any] = {}

    @property
    def lines(self) -> int:
        return len(self._ib.wrapper.ticker2ReqId["mktData"])

    async def begin(self) -> None:
        await self._ib.connectAsync(HOST, PORT, clientId=1)

    async def end(self) -> None:
        self._ib.disconnect()

    async def serve(self, symbol: str) -> bool:
        try:
            # The library's own requests have no end when the Gateway says nothing.
            async with asyncio.timeout(_PATIENCE):
                return await self._serve(symbol)
        except (ConnectionError, TimeoutError, OSError):
            return False

    async def _serve(self, symbol: str) -> bool:
        async with self._connecting:
            if not self._ib.isConnected():
                await self._ib.connectAsync(HOST, PORT, clientId=1)
        stock = await self._stock(symbol)
        quote = None if stock is None else await self._quote(stock)
        if stock is None or quote is None:
            return False
        bars = await self._ib.reqHistoricalDataAsync(
            stock, "", _SPEC.duration, _SPEC.size, _SPEC.kind.value, _SPEC.rth, formatDate=2
        )
        rows = await self._ib.reqSecDefOptParamsAsync(symbol, "", "STK", stock.conId)
        if not bars or not rows:
            return False
        now = self._clock.now()
        options = self._select(symbol, rows, quote, now)
        if not _is_open(now):
            return bool(options)
        await self._ib.qualifyContractsAsync(*options)
        found = await asyncio.gather(*(self._quote(option) for option in options if option.conId))
        return any(price is not None for price in found)

    async def _stock(self, symbol: str) -> Any:
        if symbol not in self._stocks:
            found = await self._ib.qualifyContractsAsync(library.Stock(symbol, "SMART", "USD"))
            if not found:
                return None
            self._stocks[symbol] = found[0]
        return self._stocks[symbol]

    def _select(self, symbol: str, rows: Any, spot: float, now: datetime) -> list[Any]:
        smart = [row for row in rows if row.exchange == "SMART"] or rows
        row = max(smart, key=lambda each: len(each.expirations))
        today = now.astimezone(_NEW_YORK)
        expiries = [text for text in sorted(row.expirations) if text > f"{today:%Y%m%d}"]
        strikes = nearest_strikes((Decimal(str(each)) for each in row.strikes), Decimal(str(spot)), 2)
        return [
            library.Option(symbol, expiries[1], float(strike), "C", "SMART", tradingClass=row.tradingClass)
            for strike in strikes
        ]

    async def _quote(self, contract: Any) -> float | None:
        ticker = self._ib.reqMktData(contract)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            while loop.time() < began + _QUOTE_SECONDS and self._ib.isConnected():
                if not math.isnan(ticker.bid) and not math.isnan(ticker.ask):
                    return float(ticker.bid + ticker.ask) / 2
                if loop.time() > began + _ONE_SIDED_SECONDS and not math.isnan(ticker.last):
                    return float(ticker.last)
                await asyncio.sleep(0.1)
        finally:
            if self._ib.isConnected():
                self._ib.cancelMktData(contract)
        return None
