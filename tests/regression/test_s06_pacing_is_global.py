"""S6: the throttle was keyed by symbol, so it never delayed different symbols."""

import asyncio

from ibkeel.errors import UnknownContract
from ibkeel.model import BarSpec, Stock
from ibkeel.resilience import Rule

SYMBOLS = [f"N{number:03}" for number in range(200)]
MESSAGES_A_SECOND = 50


class SeedThrottle:
    """A model of what was there: 200 ms between two requests of one symbol."""

    def __init__(self):
        self._last = {}

    async def wait(self, symbol):
        now = asyncio.get_running_loop().time()
        pause = self._last.get(symbol, -1.0) + 0.2 - now
        if pause > 0:
            await asyncio.sleep(pause)
        self._last[symbol] = now


def most_in_a_second(instants):
    """The most of them that fall into any second."""
    return max(sum(1 for other in instants if at <= other < at + 1.0) for at in instants)


async def test_requests_for_different_symbols_wait_for_one_another(connected):
    async with connected() as (broker, gateway):
        answers = await broker.quotes([Stock(symbol) for symbol in SYMBOLS])

        assert {type(answer) for answer in answers.values()} == {UnknownContract}
        assert gateway.counters.requests["market_data"] == len(SYMBOLS)
        assert gateway.counters.pacing_violations == 0


async def test_they_take_as_long_as_the_limit_says(connected):
    async with connected() as (broker, _):
        began = asyncio.get_running_loop().time()
        await broker.quotes([Stock(symbol) for symbol in SYMBOLS])

        assert 3.0 <= asyncio.get_running_loop().time() - began < 12.0


async def test_the_model_of_what_was_there_delayed_nobody():
    throttle, instants = SeedThrottle(), []

    async def ask(symbol):
        await throttle.wait(symbol)
        instants.append(asyncio.get_running_loop().time())

    await asyncio.gather(*map(ask, SYMBOLS))

    assert most_in_a_second(instants) == len(SYMBOLS) > MESSAGES_A_SECOND


async def test_a_limit_of_the_users_own_holds_for_all_symbols_and_starts_no_deadline(connected):
    slow = Rule(
        name="mine", limit=1, seconds=20.0, source="a test", key=lambda asked: asked.kind == "history" or None
    )
    async with connected(pacing_rules=(slow,)) as (broker, gateway):
        began = asyncio.get_running_loop().time()
        hasty = broker.with_deadline(5)  # less than the wait: it counts from the sending on
        bars = await asyncio.gather(
            *(hasty.bars(Stock(symbol), BarSpec()) for symbol in ("SPY", "QQQ", "AAPL"))
        )

        assert all(len(each) > 0 for each in bars)
        assert 40.0 <= asyncio.get_running_loop().time() - began < 46.0
        assert gateway.counters.requests["historical_data"] == 3
