"""A broker that hands over what it made beforehand: bars, quotes, an account without positions."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from ibkeel.clock import Clock
from ibkeel.model import (
    AccountValues,
    Bars,
    BarSpec,
    Contract,
    ContractDetails,
    Grade,
    Health,
    HealthCheck,
    OrderReport,
    Position,
    Quote,
    Stock,
    TradingHours,
)

__all__ = ["StubBroker", "closes", "names"]

BARS = 60
"""Of one request: an hour of one-minute bars."""


def names(count: int) -> tuple[str, ...]:
    """So many tickers."""
    return tuple(f"S{number:04d}" for number in range(count))


def closes(count: int = BARS, seed: int = 1) -> np.ndarray[Any, np.dtype[np.float64]]:
    """One-minute closes of a climb that is too hot to buy: the rules say nothing, as in most cycles."""
    return 100.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(1e-4, 3e-5, count)))


class StubBroker:
    """The part of a `Broker` that a runner asks while it has nothing to trade.

    Each request for bars is answered with an hour that ends one minute after the last one's, each request
    for a quote with another quote. All of them are made beforehand: what is measured is the runner, not this.

    Args:
        symbols: Tickers.
        clock: Stamps the health.
        opens_at: When the session opens.
        hours: How long it lasts.
        spec: The bars that will be asked for.
        cycles: How often.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        clock: Clock,
        opens_at: datetime,
        hours: float,
        *,
        spec: BarSpec,
        cycles: int,
    ) -> None:
        self._clock, self.client_id = clock, 1
        self.hours = (TradingHours(opens_at=opens_at, closes_at=opens_at + timedelta(hours=hours)),)
        self._account = AccountValues(
            account="DU0000001",
            at=opens_at,
            net_liquidation=Decimal(100_000),
            available_funds=Decimal(100_000),
        )
        prices = closes(BARS + cycles)
        starts = np.datetime64(opens_at.replace(tzinfo=None), "s") - np.timedelta64(3600, "s")
        minutes = starts + 60 * np.arange(BARS + cycles).astype("timedelta64[s]")
        volume = np.full(BARS, 1000.0)
        self._bars: dict[str, Iterator[Bars]] = {}
        self._quotes: dict[str, Iterator[Quote]] = {}
        for contract in map(Stock, symbols):
            windows, quotes = [], []
            for cycle in range(cycles):
                rows = slice(cycle, cycle + BARS)
                close = prices[rows]
                windows.append(
                    Bars(
                        contract=contract,
                        spec=spec,
                        at=minutes[rows],
                        open=close,
                        high=close * 1.0001,
                        low=close * 0.9999,
                        close=close,
                        volume=volume,
                    )
                )
                price, at = float(close[-1]), opens_at + timedelta(minutes=cycle)
                quotes.append(Quote(contract=contract, at=at, bid=price - 0.01, ask=price + 0.01, last=price))
            self._bars[contract.symbol], self._quotes[contract.symbol] = iter(windows), iter(quotes)

    async def quote(self, contract: Contract) -> Quote:
        return next(self._quotes[contract.symbol])

    async def bars(self, contract: Contract, spec: BarSpec) -> Bars:
        return next(self._bars[contract.symbol])

    async def qualify(self, contract: Contract) -> ContractDetails:
        return ContractDetails(contract=contract, min_tick=Decimal("0.01"), liquid_hours=self.hours)

    async def health(self) -> Health:
        check = HealthCheck(name="stub", grade=Grade.OK, evidence="stands still", at=self._clock.now())
        return Health(checks=(check,), round_trip=0.0)

    async def account(self, account: str | None = None) -> AccountValues:
        return self._account

    async def positions(self, account: str | None = None) -> tuple[Position, ...]:
        return ()

    async def open_orders(self) -> tuple[OrderReport, ...]:
        return ()

    async def all_open_orders(self) -> tuple[OrderReport, ...]:
        return ()

    async def executions(self) -> tuple[Any, ...]:
        return ()

    async def completed_orders(self) -> tuple[OrderReport, ...]:
        return ()

    async def order_events(self) -> AsyncGenerator[Any, None]:
        await asyncio.Event().wait()
        yield

    async def quotes(self, contracts: Sequence[Contract]) -> Mapping[Contract, Quote]:
        return {contract: await self.quote(contract) for contract in contracts}
