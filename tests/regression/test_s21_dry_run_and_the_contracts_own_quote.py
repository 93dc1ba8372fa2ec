"""S21: a thread of its own ignored dry run and took its stop from the stock's price: an order left."""

import asyncio
from datetime import date
from decimal import Decimal

import attrs
import pytest

from ibkeel.errors import OrderRefused
from ibkeel.model import Bracket, Option, OrderTicket, Position, Right, Stock
from ibkeel.orders import build_bracket
from ibkeel.runner.own_orders import stop_price_for
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.values import ContractPattern

PLACED = "place_order"
MARKET = SeededMarket(7, date(2026, 1, 5))


@attrs.define
class SeedsThread:
    """The seed's emulated one-cancels-all: it had its own connection and asked nobody."""

    send: object
    stock_price: float

    def watch(self, position, option_price):
        """Sell when the option is below the stop, which is made of the stock's price."""
        stop = self.stock_price * 0.8
        if option_price < stop:
            self.send((position.contract, position.signed_quantity))


def listed_call(market):
    spot = 470
    calls = market.find(ContractPattern(symbol="SPY", sec_type="OPT", right="C"))
    best = min(calls, key=lambda row: (row.expiry <= market.session_date, row.expiry, abs(row.strike - spot)))
    return Option("SPY", best.expiry, best.strike, Right.CALL, trading_class=best.trading_class)


def holding(contract, quantity):
    return Position(account="DU1", contract=contract, signed_quantity=quantity, average_price=3.5)


def test_the_seeds_thread_sells_131_contracts_in_dry_run():
    left = []
    thread = SeedsThread(left.append, stock_price=470.0)

    thread.watch(holding(Option("SPY", date(2026, 1, 9), 478, Right.CALL), 131), option_price=3.5)

    assert [quantity for _, quantity in left] == [131]


@pytest.mark.parametrize("is_closing", [False, True])
async def test_in_dry_run_no_byte_of_an_order_leaves_whoever_sends_it(connected, is_closing):
    async with connected(orders="DRY_RUN") as (broker, gateway):
        stop = OrderTicket(
            contract=Stock("SPY"),
            side="SELL",
            quantity=131,
            order_type="STP",
            stop_price=376,
            is_closing=is_closing,
        )
        placement = await broker.place(stop)
        entry = OrderTicket(contract=Stock("SPY"), side="BUY", quantity=1)
        await broker.place(Bracket(entry=entry, stop_loss=376))
        await asyncio.sleep(60)

        assert not placement.was_sent
        assert gateway.counters.requests[PLACED] == 0
        assert gateway.venue.open_orders() == gateway.venue.completed_orders() == []


async def test_a_stop_made_of_the_stocks_price_is_refused_by_the_contracts_own_quote(connected):
    async with connected() as (broker, gateway):
        call = listed_call(MARKET)
        for quantity, average in ((131, 470.0), (-131, 0.01)):
            with pytest.raises(OrderRefused, match="would fire at once"):
                await stop_price_for(
                    broker, attrs.evolve(holding(call, quantity), average_price=average), 0.2
                )

        assert gateway.counters.requests[PLACED] == 0


async def test_a_bracket_takes_its_prices_from_the_contract_it_buys(connected):
    async with connected() as (broker, _):
        call = listed_call(MARKET)
        quote = await broker.quote(call)

        bracket = build_bracket(quote=quote, quantity=131, stop_fraction=0.2)

        assert bracket.stop_loss < Decimal(str(quote.bid))
        assert bracket.entry.contract == call
