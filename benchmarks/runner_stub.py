"""A broker that hands over what it made beforehand: bars, quotes, an account without positions."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
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


def names(count: int) -> tuple[str, ...]:
    """So many tickers."""
    return tuple(f"S{number:04d}" for number in range(count))


def closes(seed: int = 1) -> np.ndarray[Any, np.dtype[np.float64]]:
    """An hour of one-minute closes that moves too little for a signal of the seed's rules to be rare or sure."""
    return 100.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 2e-4, BARS)))


class StubBroker:
    """The part of a `Broker` that a runner asks while it has nothing to trade.

    Bars are made once and handed over: what is measured is the runner, not this.
    """

    def __init__(self, symbols: Sequence[str], clock: Clock, opens_at: datetime, hours: float) -> None:
        self._clock = clock
        self._hours = (TradingHours(opens_at=opens_at, closes_at=opens_at + timedelta(hours=hours)),)
        self._account = AccountValues(
            account="DU0000001",
            at=opens_at,
            net_liquidation=Decimal(100_000),
            available_funds=Decimal(100_000),
        )
        column = closes()
        # A flat end: neither average above the other by much, so that most cycles end in no signal.
        self._columns = {
            "at": np.datetime64(opens_at.replace(tzinfo=None) - timedelta(hours=1), "s")
            + 60 * np.arange(BARS).astype("timedelta64[s]"),
            "open": column,
            "high": column * 1.0001,
            "low": column * 0.9999,
            "close": column,
            "volume": np.full(BARS, 1000.0),
        }
        self._bars: dict[Contract, Bars] = {}
        self._quotes = {
            Stock(symbol): Quote(contract=Stock(symbol), at=opens_at, bid=99.99, ask=100.01, last=100.0)
            for symbol in symbols
        }

    async def quote(self, contract: Contract) -> Quote:
        return self._quotes[contract]  # type: ignore[index]

    async def bars(self, contract: Contract, spec: BarSpec) -> Bars:
        if contract not in self._bars:
            self._bars[contract] = Bars(contract=contract, spec=spec, **self._columns)
        return self._bars[contract]

    async def qualify(self, contract: Contract) -> ContractDetails:
        return ContractDetails(contract=contract, min_tick=Decimal("0.01"), liquid_hours=self._hours)

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
