"""An unmodified client library with `harden` around its object, and what tests ask of it."""

import asyncio
from contextlib import asynccontextmanager
from datetime import date
from types import MappingProxyType

from ibkeel.ibkr import harden
from ibkeel.ibkr.client import library
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import virtual_clock

PORT = 4002
MARKET = SeededMarket(7, date(2026, 1, 5))


@asynccontextmanager
async def connected(
    settings=None, *, account="DU1234567", further_accounts=MappingProxyType({}), **arguments
):
    """A hardened object with a session, ten minutes after the opening."""
    await asyncio.sleep(600)
    accounts = {"account": account, "further_accounts": further_accounts}
    gateway = SimulatedGateway(market=MARKET, clock=virtual_clock(), settings=settings, **accounts)
    ib = library.IB()
    hardened = harden(ib, clock=virtual_clock(), **arguments)
    async with gateway.listening("127.0.0.1", PORT):
        await ib.connectAsync("127.0.0.1", PORT, clientId=1)
        yield ib, hardened, gateway
        ib.disconnect()
        await asyncio.sleep(1)


async def spy_of(ib):
    [spy] = await ib.qualifyContractsAsync(library.Stock("SPY", "SMART", "USD"))
    return spy


def no_such():
    return library.Stock("NOSUCH", "SMART", "USD")


def bars_of(ib, contract, duration="3600 S", **arguments):
    return ib.reqHistoricalDataAsync(contract, "", duration, "1 min", "TRADES", True, **arguments)
