"""Which options are looked at, day after day, and at which prices the order for one stands."""

from datetime import UTC, date, datetime
from decimal import Decimal

import attrs
import pytest

from ibkeel.errors import QuoteUnavailable, UnknownContract
from ibkeel.journal import Journal
from ibkeel.model import (
    AccountValues,
    Direction,
    Option,
    OptionChain,
    OptionClass,
    Quote,
    Right,
    Signal,
    Stock,
)
from ibkeel.runner import RiskConfig, RunnerConfig
from ibkeel.runner.entry import EntryPlanner, sized_bracket
from ibkeel.runner.feed import Feed, spot_of
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.tally import Tally
from ibkeel.strategy import Needs
from ibkeel.testing import FakeBroker
from ibkeel.virtual import virtual_clock

SPY, EXPIRY = Stock("SPY"), date(2025, 3, 21)
NEAR, FAR = (Option("SPY", EXPIRY, Decimal(k), Right.CALL, trading_class="SPY") for k in (560, 565))
CHAIN = OptionChain(
    underlying=SPY,
    classes=(OptionClass(trading_class="SPY", expiries=(EXPIRY,), strikes=(NEAR.strike, FAR.strike)),),
)


@attrs.frozen
class Up:
    name: str = "up"

    def needs(self):
        return Needs()

    def decide(self, _):
        return Signal(direction=Direction.UP, confidence=1.0)


async def test_a_strike_that_is_listed_overnight_is_looked_at_the_next_day():
    clock = virtual_clock()
    quotes = [Quote(contract=SPY, at=clock.now(), bid=559.99, ask=560.01)]
    quotes += [Quote(contract=one, at=clock.now(), bid=4.0, ask=4.05, volume=500) for one in (NEAR, FAR)]
    broker = FakeBroker(quotes=quotes, chains=[CHAIN], clock=clock)
    journal = Journal.in_memory()
    feed = Feed(broker, Recorder(journal), Tally("t", ("SPY",)), clock)
    planner = EntryPlanner(feed, Up(), RunnerConfig(symbols=("SPY",)), RiskConfig())
    broker.fail("quote", UnknownContract("not listed", code=200), times=1, subject=NEAR)
    await broker.connect()

    async def chosen(day):
        choice = await planner._choice("SPY", Up().decide(None), 560.0, day)
        return choice.chosen.option

    today, tomorrow = date(2025, 3, 17), date(2025, 3, 18)

    with journal:
        assert [await chosen(today), await chosen(today), await chosen(tomorrow)] == [FAR, FAR, NEAR]


@pytest.mark.parametrize(
    ("bid", "ask", "stop", "profit"),
    [
        (2.30, 2.35, "1.90", "3.60"),
        (2.31, 2.35, "1.88", "3.55"),
        (5.20, 5.30, "4.30", "8.00"),
        (5.25, 5.30, "4.25", "7.95"),
        (0.60, 0.70, "0.56", "1.05"),  # 0.60 would fire at once
    ],
)
def test_a_quote_in_nickels_and_dimes_has_a_stop_and_a_profit_in_them(bid, ask, stop, profit):
    at = datetime(2025, 3, 17, 14, 0, tzinfo=UTC)
    account = AccountValues(account="DU0000001", at=at, net_liquidation=100_000, available_funds=100_000)
    risk = RiskConfig(stop_fraction=0.2, take_profit_fraction=0.5)

    bracket, _ = sized_bracket(Quote(contract=NEAR, at=at, bid=bid, ask=ask), 100, account, risk)

    assert (bracket.stop_loss, bracket.take_profit) == (Decimal(stop), Decimal(profit))


def test_an_option_too_cheap_for_a_stop_has_no_order_and_says_why():
    at = datetime(2025, 3, 17, 14, 0, tzinfo=UTC)
    account = AccountValues(account="DU0000001", at=at, net_liquidation=100_000, available_funds=100_000)

    bracket, why = sized_bracket(
        Quote(contract=NEAR, at=at, bid=0.01, ask=0.02), 100, account, RiskConfig(stop_fraction=0.2)
    )

    assert bracket is None
    assert "stop" in why


async def test_of_pairs_that_are_unlisted_again_and_again_nothing_is_chosen():
    clock = virtual_clock()
    strikes = tuple(Decimal(strike) for strike in range(540, 580))
    row = OptionClass(trading_class="SPY", expiries=(EXPIRY,), strikes=strikes)
    broker = FakeBroker(chains=[OptionChain(underlying=SPY, classes=(row,))], clock=clock)
    broker.fail("quote", UnknownContract("not listed", code=200))
    await broker.connect()

    with Journal.in_memory() as journal:
        feed = Feed(broker, Recorder(journal), Tally("t", ("SPY",)), clock)
        planner = EntryPlanner(feed, Up(), RunnerConfig(symbols=("SPY",)), RiskConfig())
        choice = await planner._choice("SPY", Up().decide(None), 560.0, date(2025, 3, 17))

    assert choice.chosen is None
    assert sum(call.kind == "quote" for call in broker.calls) < 20  # it is not gone through strike by strike


def test_a_quote_of_a_stock_that_has_no_price_is_no_price_to_go_by():
    at = datetime(2025, 3, 17, 14, 0, tzinfo=UTC)

    assert spot_of(Quote(contract=SPY, at=at, last=560.0)) == 560.0
    with pytest.raises(QuoteUnavailable, match=r"the quote of SPY at 2025-03-17.* has no price to go by"):
        spot_of(Quote(contract=SPY, at=at, bid=560.0))
