"""What users' tests of plain clients get from the plugin."""

import asyncio
import re
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ibkeel.errors import ConfigurationError, InvalidInput
from ibkeel.ibkr.library import LIBRARY, library
from ibkeel.sim import Scenario, SimulatedGateway, faults
from ibkeel.sim.market import ExtendedMarket, SeededMarket
from ibkeel.testing import simulated_gateway
from ibkeel.virtual import TimeIsUp, run_virtual

IB, MarketOrder, Stock = library.IB, library.MarketOrder, library.Stock
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "test-your-bot.md"


def wall():
    return datetime.now(UTC)  # noqa: TID251 - what a bot under test reads


SPY = Stock("SPY", "SMART", "USD")


def connected(port=4002):
    ib = IB()
    ib.connect("127.0.0.1", port, clientId=1)
    return ib


@pytest.mark.parametrize("port", [4001, 4002, 7496, 7497])
def test_a_blocking_test_finds_a_gateway_on_every_usual_port(ibkeel_gateway, port):
    gateway = ibkeel_gateway.play()

    ib = connected(port)

    assert gateway.client_ids == (1,)
    ib.disconnect()


def test_the_day_and_the_time_can_be_chosen(ibkeel_gateway):
    ibkeel_gateway.play(day=date(2024, 7, 3), start="12:59")
    ib = connected()

    ib.sleep(120)
    bars = ib.reqHistoricalData(SPY, "", "1 D", "1 min", "TRADES", useRTH=True)

    assert wall().date() == date(2024, 7, 3)
    assert f"{bars[-1].date:%H:%M}" == "12:59"  # half a day


def test_a_market_made_to_order_is_played_on_the_day_that_is_given(ibkeel_gateway):
    seeded = SeededMarket(7)
    day = seeded.session_date

    gateway = ibkeel_gateway.play(market=ExtendedMarket(seeded, seed=7), day=day, start="08:00")
    ib = connected()
    [ticker] = ib.reqTickers(*ib.qualifyContracts(SPY))

    assert gateway.market.sessions(day, day)
    assert wall().date() == day
    assert 0 < ticker.bid < ticker.ask


@pytest.mark.parametrize(
    ("day", "message"),
    [
        (None, r"ExtendedMarket has no day .*play\(market=\.\.\., day='2024-09-05'\)"),
        ("2024-07-04", "no session"),
    ],
)
def test_a_market_that_cannot_be_played_on_a_day_says_why(ibkeel_gateway, day, message):
    with pytest.raises((InvalidInput, ConfigurationError), match=message):
        ibkeel_gateway.play(market=ExtendedMarket(SeededMarket(7), seed=7), day=day)


def test_a_day_that_is_given_wins_over_that_of_the_market(ibkeel_gateway):
    ibkeel_gateway.play(market=SeededMarket(7), day="2024-07-03")

    assert wall().date() == date(2024, 7, 3)


@pytest.mark.parametrize(
    "name", ["nightly-restart", Scenario(name="mine", faults=(faults.Crash(after=60.0),))]
)
def test_a_scenario_is_played_by_its_name_or_as_it_is(ibkeel_gateway, name):
    gateway = ibkeel_gateway.play(name)
    ib = connected()

    with pytest.raises(ConnectionError):
        ib.sleep(1200)

    assert len(gateway.faults_seen) == 1


def test_the_day_and_the_time_may_be_texts_and_a_scenario_a_file(ibkeel_gateway, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[[faults]]\nkind = "crash"\nafter = 60', encoding="utf-8")

    gateway = ibkeel_gateway.play(str(path), day="2024-11-29", start="12:30")
    time.sleep(90)  # noqa: TID251 - what a bot under test does

    assert wall() - datetime(2024, 11, 29, 17, 31, 30, tzinfo=UTC) < timedelta(seconds=1)
    assert [seen.kind for seen in gateway.faults_seen] == ["crash"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"day": "x"}, "'x' is not a date; 2024-11-29 would be"),
        ({"start": "25:00"}, "'25:00' is not a time; 15:30 would be"),
        ({"scenario": "no.toml"}, "cannot read the scenario no.toml"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_would_be(ibkeel_gateway, given, message):
    with pytest.raises(ConfigurationError, match=message):
        ibkeel_gateway.play(**given)


def test_a_blocking_test_lets_things_go_wrong_between_two_calls(ibkeel_gateway):
    gateway = ibkeel_gateway.play()
    ib = connected()

    gateway.inject(faults.Unanswered(when_request="historical_data"))
    bars = ib.reqHistoricalData(SPY, "", "600 S", "1 min", "TRADES", useRTH=True, timeout=10)
    gateway.heal()
    healed = ib.reqHistoricalData(SPY, "", "600 S", "1 min", "TRADES", useRTH=True, timeout=10)
    heard = []
    ib.errorEvent += lambda _, code, *__: heard.append(code)
    gateway.broadcast(1100, "lost")
    ib.sleep(0.1)
    gateway.drop(1)
    with pytest.raises(ConnectionError):
        ib.sleep(1)

    assert not bars
    assert healed
    assert heard == [1100]


def test_a_restart_that_a_blocking_test_asks_for_is_over_after_its_time(ibkeel_gateway):
    gateway = ibkeel_gateway.play()

    gateway.inject(faults.Restart(duration=60.0))
    with pytest.raises(ConnectionRefusedError):
        connected()
    time.sleep(61)  # noqa: TID251 - what a bot under test does

    assert connected().isConnected()


def broken_notices_after_a_nap(gateway):
    gateway.inject(faults.Notice(code=2110, text="broken", every=10.0))
    time.sleep(65)  # noqa: TID251 - what a bot under test does
    return gateway.counters.faults["notice"]


async def within_a_coroutine(gateway):
    return broken_notices_after_a_nap(gateway)


@pytest.mark.parametrize(
    "asked", [broken_notices_after_a_nap, lambda gateway: asyncio.run(within_a_coroutine(gateway))]
)
def test_what_was_injected_goes_on_while_the_program_sleeps(ibkeel_gateway, asked):
    assert asked(ibkeel_gateway.play()) == 7


def test_after_a_restart_that_was_injected_a_new_session_goes_on_while_the_program_sleeps(ibkeel_gateway):
    gateway = ibkeel_gateway.play()

    async def restart():
        gateway.inject(faults.Restart(duration=5.0))
        await asyncio.sleep(10)

    asyncio.run(restart())
    ib = connected()
    ib.placeOrder(SPY, MarketOrder("BUY", 1))
    time.sleep(5)  # noqa: TID251 - what a bot under test does

    assert [row.quantity for row in gateway.venue.positions()] == [1]


def test_another_thread_is_told_how_to_inject():
    async def scenario():
        async with simulated_gateway() as gateway:
            await asyncio.to_thread(gateway.inject, faults.Crash())

    with pytest.raises(RuntimeError, match=r"call_soon_threadsafe\(gateway\.inject, fault\)"):
        run_virtual(scenario())


def test_a_scenario_that_does_not_exist_is_refused_and_the_test_goes_on_in_real_time(ibkeel_gateway):
    with pytest.raises(ConfigurationError, match="nonsense"):
        ibkeel_gateway.play("nonsense")

    assert wall().year > 2025


def test_a_bot_that_loops_for_ever_is_ended_when_its_time_is_up(ibkeel_gateway):
    ibkeel_gateway.play(start="10:00", day="2024-07-03", seconds=7200)
    ib = connected()

    with pytest.raises(TimeIsUp):
        ib.run()

    assert wall() == datetime(2024, 7, 3, 16, tzinfo=UTC)


def test_two_plays_are_equal(ibkeel_gateway):
    def seen():
        ibkeel_gateway.play(seed=11)
        ib = connected()
        ticker = ib.reqMktData(*ib.qualifyContracts(SPY))
        ib.sleep(3)
        ib.disconnect()
        return ticker.bid, ticker.ask, ticker.last, ticker.time

    assert seen() == seen()


@pytest.fixture
def machines_sleep():
    before = time.sleep  # noqa: TID251 - this is about the machine's own
    yield before
    assert time.sleep is before  # noqa: TID251 - the same


def test_the_machines_time_is_back_after_a_test(machines_sleep, ibkeel_gateway):
    ibkeel_gateway.play()

    assert time.sleep is not machines_sleep  # noqa: TID251 - the same


def test_called_it_makes_a_gateway(ibkeel_gateway):
    async def scenario():
        async with simulated_gateway() as gateway:
            return type(ibkeel_gateway(market=gateway.market, clock=gateway._world._clock))

    assert run_virtual(scenario()) is SimulatedGateway


def test_coroutines_get_a_gateway_for_the_present_day():
    async def scenario():
        async with simulated_gateway("nightly-restart", port=7497) as gateway:
            ib = IB()
            await ib.connectAsync("127.0.0.1", 7497, clientId=2)
            await asyncio.sleep(700)
            return gateway, ib.isConnected()

    gateway, is_connected = run_virtual(scenario(), start=datetime(2024, 7, 6, 14, tzinfo=UTC))

    assert gateway.market.session_date == date(2024, 7, 8)  # the sixth is a Saturday
    assert not is_connected


async def _in_real_time():
    async with simulated_gateway():
        pass


def test_on_a_common_loop_it_says_what_to_use():
    with pytest.raises(InvalidInput, match="run_virtual"):
        asyncio.run(_in_real_time())


def test_the_first_test_of_the_documentation_passes_for_a_user(tmp_path):
    page = PAGE.read_text(encoding="utf-8")
    text = re.search(r"```python\n(.*?)```", page, re.DOTALL).group(1).replace("ib_insync", LIBRARY)
    (tmp_path / "test_documented.py").write_text(text, encoding="utf-8")

    options = ["-W", "error"]
    for passes in re.findall(r'"(ignore:[^"]+)"', page):  # as the page advises
        options += ["-W", passes]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stdout


def test_a_day_cannot_begin_within_a_coroutine(ibkeel_gateway):
    async def scenario():
        ibkeel_gateway.play()

    with pytest.raises(InvalidInput, match=r"call it before asyncio\.run\(\)"):
        asyncio.run(scenario())
