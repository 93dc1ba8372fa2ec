"""An observer with a fault of its own: it is told of, and trade goes on."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from ibkeel.ibkr import IBKRBroker, IBKRConfig, harden
from ibkeel.ibkr.client import library
from ibkeel.model import OrderState, OrderTicket, Stock
from ibkeel.sim import SimulatedGateway
from ibkeel.telemetry import Observer, Observers
from ibkeel.virtual import virtual_clock

SPY = Stock("SPY")


class Faulty(Observer):
    """Raises at every event, and remembers their kinds."""

    def __init__(self, error=ZeroDivisionError):
        self.error, self.kinds = error, []

    def on_event(self, event):
        self.kinds.append(type(event).__name__)
        raise self.error(self.kinds[-1])


@asynccontextmanager
async def gateway(market):
    """A Gateway ten minutes after the opening, and what the loop's exception handler is told."""
    complaints = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: complaints.append(str(context["exception"]))
    )
    await asyncio.sleep(600)
    simulated = SimulatedGateway(market=market, clock=virtual_clock())
    async with asyncio.timeout(600), simulated.listening("127.0.0.1", 4002):
        yield complaints


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
async def test_a_broker_trades_on_and_says_once_of_each_kind_that_its_observer_raised(market, error):
    observer = Faulty(error)
    broker = IBKRBroker(IBKRConfig(orders="PAPER"), observer=observer, clock=virtual_clock())

    async with gateway(market) as complaints, broker:
        quote = await broker.quote(SPY)
        placed = await broker.place(OrderTicket(contract=SPY, side="BUY", quantity=1))
        lines = dict(broker.open_lines)

    assert quote.bid
    assert placed.state is OrderState.FILLED
    assert lines == {}
    assert not broker.is_connected
    assert {"Connected", "RequestSent", "LineOpened", "OrderPlaced", "OrderChanged"} <= set(observer.kinds)
    assert sorted(complaints) == sorted(set(observer.kinds))


async def test_who_is_told_beside_an_observer_that_raises_a_cancel_is_told_too(market):
    faulty, other = Faulty(asyncio.CancelledError), Faulty()
    both = Observers([faulty, other])
    async with gateway(market), IBKRBroker(IBKRConfig(), observer=both, clock=virtual_clock()) as broker:
        assert (await broker.quote(SPY)).bid
    assert other.kinds == faulty.kinds


async def test_a_hardened_object_gives_its_answers_whatever_its_observer_raises(market):
    ib, observer = library.IB(), Faulty()
    harden(ib, observer=observer, clock=virtual_clock())
    async with gateway(market) as complaints:
        await ib.connectAsync("127.0.0.1", 4002, clientId=1)

        details = await ib.reqContractDetailsAsync(library.Stock("NOSUCH", "SMART", "USD"))

        ib.disconnect()
        await asyncio.sleep(1)
    assert details == []
    assert "RequestEnded" in observer.kinds
    assert sorted(complaints) == sorted(set(observer.kinds))
