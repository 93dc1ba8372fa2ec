"""Which options are looked at, day after day."""

from datetime import date
from decimal import Decimal

import attrs

from ibkeel.errors import UnknownContract
from ibkeel.journal import Journal
from ibkeel.model import Direction, Option, OptionChain, OptionClass, Quote, Right, Signal, Stock
from ibkeel.runner import RiskConfig, RunnerConfig
from ibkeel.runner.entry import EntryPlanner
from ibkeel.runner.feed import Feed
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
    feed = Feed(broker, Recorder(Journal.in_memory()), Tally("t", ("SPY",)), clock)
    planner = EntryPlanner(feed, Up(), RunnerConfig(symbols=("SPY",)), RiskConfig())
    broker.fail("quote", UnknownContract("not listed", code=200), times=1, subject=NEAR)
    await broker.connect()

    async def chosen(day):
        choice = await planner._choice("SPY", Up().decide(None), 560.0, day)
        return choice.chosen.option

    today, tomorrow = date(2025, 3, 17), date(2025, 3, 18)

    assert [await chosen(today), await chosen(today), await chosen(tomorrow)] == [FAR, FAR, NEAR]
