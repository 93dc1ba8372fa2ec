"""What a bot does at its start about symbols that the Gateway does not know."""

import asyncio
from datetime import UTC, datetime

import pytest

from ibkeel.cli.app import ExitCode, exit_code
from ibkeel.cli.live import unknown_symbols
from ibkeel.errors import NotConnected, RequestTimeout, UnknownContract
from ibkeel.model import Quote, Stock
from ibkeel.testing import FakeBroker
from ibkeel.virtual import run_virtual

SPY = Stock("SPY")
NOW = datetime(2025, 3, 14, 13, 30, tzinfo=UTC)
GONE = UnknownContract("no security definition has been found", code=200)


def learned(*symbols, is_new=False, **failures):
    async def main():
        broker = FakeBroker(quotes=[Quote(contract=SPY, at=NOW, bid=560.0, ask=560.02)])
        for symbol, error in failures.items():
            broker.fail("qualify", error, subject=Stock(symbol))
        async with broker:
            return await unknown_symbols(broker, symbols, is_new=is_new)

    return asyncio.run(main())


def test_a_bot_that_has_traded_starts_with_the_symbols_that_are_known():
    late = RequestTimeout("no answer in 10 s")

    assert learned("NOSUCH", "SPY", "LATE", NOSUCH=GONE, LATE=late) == {"NOSUCH": GONE, "LATE": late}


def test_known_symbols_are_nothing_to_tell():
    assert learned("SPY") == learned("SPY", is_new=True) == {}


def test_a_bot_that_has_never_run_is_refused_for_one_unknown_symbol():
    with pytest.raises(UnknownContract):
        learned("SPY", "NOSUCH", NOSUCH=GONE, is_new=True)


def test_a_bot_that_knows_no_symbol_is_refused_with_the_first_reason():
    for is_new in (True, False):
        with pytest.raises(UnknownContract, match="no security definition"):
            learned("NOSUCH", "GONE", NOSUCH=GONE, GONE=UnknownContract("gone too"), is_new=is_new)
    with pytest.raises(UnknownContract, match="no security definition"):
        learned("NOSUCH", "LATE", NOSUCH=GONE, LATE=RequestTimeout("no answer in 10 s"), is_new=True)


@pytest.mark.parametrize("symbols", [("LATE", "SLOW"), ("NOSUCH", "LATE"), ("LATE", "NOSUCH")])
def test_a_bot_that_has_traded_and_gets_no_answer_ends_with_a_code_after_which_it_is_started_again(symbols):
    late = RequestTimeout("no answer in 10 s")
    reasons = {"NOSUCH": GONE, "LATE": late, "SLOW": late}

    with pytest.raises(RequestTimeout) as refused:
        learned(*symbols, **{symbol: reasons[symbol] for symbol in symbols})

    assert exit_code(refused.value) is ExitCode.UNREACHABLE


def test_a_lost_session_is_no_unknown_symbol():
    with pytest.raises(NotConnected):
        learned("SPY", "QQQ", QQQ=NotConnected("the session is lost"))


def test_symbols_that_are_not_answered_for_cost_one_deadline_together():
    async def main():
        broker = FakeBroker(
            quotes=[Quote(contract=SPY, at=NOW, bid=560.0, ask=560.02)], delays={"qualify": 10.0}
        )
        async with broker:
            await unknown_symbols(broker, ("SPY", *(f"A{number}" for number in range(50))), is_new=False)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) < 11


def test_while_the_session_is_not_well_nothing_that_is_said_of_symbols_is_believed():
    async def main():
        broker = FakeBroker()
        async with broker:
            broker.fail("health", RequestTimeout("no answer"))
            return await unknown_symbols(broker, ("SPY",), is_new=False)

    assert set(asyncio.run(main())) == {"SPY"}
