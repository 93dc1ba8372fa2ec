"""Whatever is traded and however it ends, a backtest's account is that of a ledger kept in fractions."""

import asyncio
from contextlib import suppress
from datetime import date, timedelta
from fractions import Fraction

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkeel.backtest import VenueBroker
from ibkeel.errors import OrderRejected, QuoteUnavailable
from ibkeel.model import Option, OrderTicket, Right, Side, Stock
from ibkeel.sim.market import SeededMarket
from ibkeel.virtual import run_virtual, virtual_clock

CASH = 1_000_000
MARKET = SeededMarket(7, date(2024, 9, 5))
OPENS = MARKET.sessions(MARKET.session_date, MARKET.session_date)[0].opens_at
FRIDAY = date(2024, 9, 6)  # the options end on the second day
CONTRACTS = (
    Stock("SPY"),
    Option("SPY", FRIDAY, 480, Right.CALL),
    Option("SPY", FRIDAY, 470, Right.PUT),
    Option("QQQ", FRIDAY, 420, Right.CALL),
    Option("QQQ", FRIDAY, 440, Right.PUT),
)

deals = st.tuples(st.sampled_from(CONTRACTS), st.sampled_from(Side), st.integers(1, 120), st.integers(0, 400))


def exact(number):
    return Fraction(str(number))


def shares(contract):
    return contract.multiplier if isinstance(contract, Option) else 1


@attrs.define
class Line:
    """What is held of one contract; what it cost counts the commissions of its purchases, or of its short sales."""

    held: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)

    def deal(self, signed, price, commission):
        """Dollars that were won by what was closed."""
        paid = signed * price + commission
        if self.held * signed >= 0:
            self.held, self.cost = self.held + signed, self.cost + paid
            return Fraction(0)
        if abs(signed) > abs(self.held):
            part = -self.held / signed
            won = self.deal(-self.held, price, commission * part)
            self.deal(signed * (1 - part), price, commission * (1 - part))
            return won
        freed = self.cost * -signed / self.held
        self.held, self.cost = self.held + signed, self.cost - freed
        return -paid - freed


class Ledger:
    """Cash, positions and what was won, from what was executed and what ended."""

    def __init__(self):
        self.cash, self.won, self.lines = Fraction(CASH), Fraction(0), {}

    def book(self, name, signed, price, commission=Fraction(0)):
        self.cash -= signed * price + commission
        self.won += self.lines.setdefault(name, Line()).deal(signed, price, commission)

    def traded(self, fill):
        units = fill.side.sign * exact(fill.quantity) * shares(fill.contract)
        self.book(str(fill.contract), units, exact(fill.price), exact(fill.commission))

    def settled(self, name, ended):
        option = ended.contract
        worth = 0 if ended.shares else exact(ended.intrinsic)
        self.book(name, -exact(ended.quantity) * option.multiplier, worth)
        if ended.shares:
            self.book(option.symbol, exact(ended.shares), exact(option.strike))


async def worth(broker, contract):
    """Dollars a share, at the middle; where one side lacks, what the venue says is left to its own tests."""
    try:
        quote = await broker.quote(contract)
    except QuoteUnavailable:
        return None
    return None if quote.mid is None else (exact(quote.bid) + exact(quote.ask)) / 2


async def compare(broker, ledger):
    held = {str(row.contract): row for row in await broker.positions()}
    lines = {name: line for name, line in ledger.lines.items() if line.held}
    account, pnl = await broker.account(), await broker.pnl()
    assert {name: row.signed_quantity * shares(row.contract) for name, row in held.items()} == {
        name: float(line.held) for name, line in lines.items()
    }
    for name, line in lines.items():
        assert held[name].average_price == pytest.approx(float(line.cost / line.held))
    assert float(account.total_cash) == pytest.approx(float(ledger.cash), abs=0.01)
    assert float(pnl.realized) == pytest.approx(float(ledger.won), abs=0.01)
    prices = [(line.held, await worth(broker, held[name].contract)) for name, line in lines.items()]
    if all(price is not None for _, price in prices):
        value = sum((quantity * price for quantity, price in prices), start=Fraction(0))
        cost = sum((line.cost for line in lines.values()), start=Fraction(0))
        assert float(account.net_liquidation) == pytest.approx(float(ledger.cash + value), abs=0.01)
        assert float(pnl.unrealized) == pytest.approx(float(value - cost), abs=0.01)


async def played(rows):
    ledger = Ledger()
    broker = VenueBroker(
        MARKET,
        clock=virtual_clock(),
        cash=CASH,
        traded=ledger.traded,
        settled=lambda ended: ledger.settled(str(broker.name_of(ended.contract)), ended),
    )
    async with broker:
        for contract, side, quantity, minutes in rows:
            with suppress(OrderRejected):  # outside of the session, or beyond the funds
                await broker.place(OrderTicket(contract=contract, side=side, quantity=quantity))
            await asyncio.sleep(60.0 * minutes + 1.0)
            await compare(broker, ledger)
        await asyncio.sleep((OPENS + timedelta(days=5) - virtual_clock().now()).total_seconds())
        await compare(broker, ledger)
        assert not [name for name, line in ledger.lines.items() if " " in name and line.held]
    return ledger


@settings(max_examples=40)
@given(st.lists(deals, min_size=1, max_size=8))
def test_the_account_of_a_backtest_is_that_of_a_ledger(rows):
    run_virtual(played(rows), start=OPENS, travel=False)
