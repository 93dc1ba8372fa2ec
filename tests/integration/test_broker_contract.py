from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest

from ibkeel.ibkr import IBKRBroker, IBKRConfig, OrderMode
from ibkeel.model import Option, Right, Stock
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.values import ContractPattern
from ibkeel.testing.contract import CHECKS, World, run_check
from ibkeel.virtual import run_virtual, virtual_clock

MARKET = SeededMarket(7)
SESSION = MARKET.sessions(MARKET.session_date, MARKET.session_date)[0]


def near_the_money():
    """The call of the first expiry after the session whose strike is nearest to the price."""
    stock = MARKET.find(ContractPattern(symbol="SPY", sec_type="STK"))[0]
    spot = MARKET.quote(stock, SESSION.opens_at + timedelta(hours=1)).last
    calls = MARKET.find(ContractPattern(symbol="SPY", sec_type="OPT", right="C"))
    best = min(calls, key=lambda row: (row.expiry <= MARKET.session_date, row.expiry, abs(row.strike - spot)))
    return Option("SPY", best.expiry, Decimal(str(best.strike)), Right.CALL, trading_class=best.trading_class)


@pytest.mark.parametrize("orders", [OrderMode.PAPER, OrderMode.DRY_RUN])
@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_the_adapter_keeps_the_contract_on_the_simulated_gateway(check, orders):
    @asynccontextmanager
    async def factory():
        gateway = SimulatedGateway(market=MARKET, clock=virtual_clock())
        config = IBKRConfig(orders=orders)
        broker = IBKRBroker(config, clock=virtual_clock(), jitter=lambda: 0.0)
        async with gateway.listening("127.0.0.1", config.port), broker:
            sends_orders = orders is OrderMode.PAPER
            yield broker, World(stock=Stock("SPY"), option=near_the_money(), sends_orders=sends_orders)

    ran = run_virtual(run_check(check, factory), start=SESSION.opens_at + timedelta(hours=1))

    assert ran == (check.sends_orders in {None, orders is OrderMode.PAPER})
