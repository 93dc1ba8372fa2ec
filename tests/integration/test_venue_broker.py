"""The broker of backtests keeps the contract of every broker."""

from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest

from ibkeel.backtest import VenueBroker
from ibkeel.model import Option, Right, Stock
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.values import ContractPattern
from ibkeel.testing.contract import CHECKS, World, run_check
from ibkeel.virtual import run_virtual, virtual_clock

MARKET = SeededMarket(7)
SESSION = MARKET.sessions(MARKET.session_date, MARKET.session_date)[0]
START = SESSION.opens_at + timedelta(hours=1)


def near_the_money():
    """The call of the first expiry after the session whose strike is nearest to the price."""
    stock = MARKET.find(ContractPattern(symbol="SPY", sec_type="STK"))[0]
    spot = MARKET.quote(stock, START).last
    calls = MARKET.find(ContractPattern(symbol="SPY", sec_type="OPT", right="C"))
    best = min(calls, key=lambda row: (row.expiry <= MARKET.session_date, row.expiry, abs(row.strike - spot)))
    return Option("SPY", best.expiry, Decimal(str(best.strike)), Right.CALL, trading_class=best.trading_class)


@asynccontextmanager
async def a_world():
    async with VenueBroker(MARKET, clock=virtual_clock()) as broker:
        yield broker, World(stock=Stock("SPY"), option=near_the_money(), sends_orders=True)


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_the_broker_of_backtests_keeps_the_contract(check):
    ran = run_virtual(run_check(check, a_world), start=START, travel=False)

    assert ran == (check.sends_orders in {None, True})
