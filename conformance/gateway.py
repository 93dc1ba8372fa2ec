"""A Gateway of one version on loopback, for clients in other processes."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

from ibkeel.sim import GatewaySettings, Latency, Limits, SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.venue import Venue, VenueSettings

__all__ = ["ACCOUNT", "served"]

ACCOUNT = "DU1234567"
BRISK = Latency(account=0.01, definitions=0.01, first_tick=0.05, history=0.02, orders=0.01)
START = datetime(2026, 1, 5, 16, tzinfo=UTC)  # eleven in New York
MARKET = SeededMarket(seed=7, session_date=date(2026, 1, 5))


class ShiftedClock:
    """Runs like the machine's clock, but began at eleven on a trading day."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def monotonic(self) -> float:
        return time.perf_counter() - self._began

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic())


@asynccontextmanager
async def served(version: int) -> AsyncIterator[tuple[SimulatedGateway, int]]:
    """A Gateway that speaks at most `version`, and its port.

    Nothing is limited but market data lines and open histories: the common round is much quicker than a
    bot, and several clients may play it at once.
    """
    settings = GatewaySettings(
        highest_version=version,
        latency=BRISK,
        messages_per_second=1000,
        limits=Limits.none(),
    )
    venue = Venue(MARKET, account=ACCOUNT, settings=VenueSettings(price_precaution=0.2))
    gateway = SimulatedGateway(
        market=MARKET, clock=ShiftedClock(), venue=venue, account=ACCOUNT, settings=settings
    )
    async with gateway.listening() as port:
        yield gateway, port
