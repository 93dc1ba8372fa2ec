"""Port, account and order mode that do not fit together: refused before a byte of an order leaves."""

import asyncio
from datetime import date

import pytest

from ibkeel.errors import AccountMismatch, ConfigurationError, NotConnected, OrderRefused
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import Bracket, OrderTicket, Stock
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import virtual_clock

PLACED = "place_order"
PAPER, LIVE, OTHER = "DU1234567", "U7654321", "U1111111"
ENTRY = Bracket(entry=OrderTicket(contract=Stock("SPY"), side="BUY", quantity=1), stop_loss=300)
EXIT = OrderTicket(contract=Stock("SPY"), side="SELL", quantity=1, is_closing=True)


@pytest.fixture(scope="module")
def market():
    return SeededMarket(7, date(2026, 1, 5))


def served(market, account):
    return SimulatedGateway(market=market, clock=virtual_clock(), account=account)


def broker_of(**config):
    return IBKRBroker(IBKRConfig(**config), clock=virtual_clock(), jitter=lambda: 0.0)


@pytest.mark.parametrize(
    ("account", "config"),
    [
        pytest.param(PAPER, {"orders": "PAPER", "port": 4001}, id="live port, paper account"),
        pytest.param(PAPER, {"orders": "PAPER", "port": 7496}, id="live port of TWS, paper account"),
        pytest.param(PAPER, {"orders": "LIVE", "port": 4001, "live_account": PAPER}, id="live port, paper account, two yeses"),
        pytest.param(LIVE, {"orders": "PAPER", "port": 4002}, id="paper port, live account"),
        pytest.param(LIVE, {"orders": "LIVE", "port": 7497, "live_account": LIVE}, id="paper port, live account, two yeses"),
        pytest.param(LIVE, {"orders": "PAPER", "port": 4003, "live_account": LIVE}, id="live account, second yes only"),
        pytest.param(LIVE, {"orders": "LIVE", "port": 4001, "live_account": OTHER}, id="second yes of another account"),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_refused_before_a_byte_of_an_order_leaves(market, account, config):
    gateway = served(market, account)
    await asyncio.sleep(600)

    async with gateway.listening("127.0.0.1", config["port"]):
        broker = broker_of(**config)
        with pytest.raises(AccountMismatch):
            await broker.connect()
        for order in (ENTRY, EXIT):
            with pytest.raises(NotConnected):
                await broker.place(order)
        await asyncio.sleep(60)

        assert gateway.counters.requests[PLACED] == 0
        assert gateway.client_ids == ()


def test_live_said_once_makes_no_broker():
    with pytest.raises(ConfigurationError, match="live_account"):
        IBKRConfig(orders="LIVE", port=4001)


async def test_dry_run_with_everything_else_set_to_live_sends_nothing(market):
    gateway = served(market, LIVE)
    await asyncio.sleep(600)

    async with (
        gateway.listening("127.0.0.1", 4001),
        broker_of(orders="DRY_RUN", port=4001, live_account=LIVE) as broker,
    ):
        placed = [await broker.place(order) for order in (ENTRY, EXIT)]
        with pytest.raises(OrderRefused):
            await broker.preview(EXIT)
        await asyncio.sleep(60)

        assert [row.was_sent for row in placed] == [False, False]
        assert gateway.counters.requests[PLACED] == 0
        assert gateway.venue.open_orders() == gateway.venue.completed_orders() == []
