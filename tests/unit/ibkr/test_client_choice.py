import asyncio
import logging
import subprocess
import sys
from types import ModuleType

import pytest

from ibkeel.errors import ConfigurationError
from ibkeel.ibkr import client
from ibkeel.ibkr.client import (
    LIBRARY,
    choose_library,
    import_with_loop,
    library,
    next_request_id,
    note_order_id,
    numeric_unset,
)


def having(*names):
    return lambda name: name in names


@pytest.mark.parametrize(
    ("installed", "version", "chosen"),
    [
        (["ib_insync"], (3, 11), "ib_insync"),
        (["ib_async"], (3, 11), "ib_async"),
        (["ib_async"], (3, 14), "ib_async"),
        (["ib_insync", "ib_async"], (3, 14), "ib_async"),
    ],
)
def test_the_library_that_works_is_chosen(installed, version, chosen):
    assert choose_library(having(*installed), version) == chosen


def test_both_libraries_break_each_other_and_that_is_said():
    with pytest.warns(RuntimeWarning, match="one of them is broken: `ibkeel doctor` says what mends it"):
        assert choose_library(having("ib_insync", "ib_async"), (3, 13)) == "ib_insync"


@pytest.mark.parametrize(("installed", "version"), [([], (3, 11)), ([], (3, 14)), (["ib_insync"], (3, 14))])
def test_without_a_library_that_works_one_sentence_says_what_to_install(installed, version):
    with pytest.raises(ConfigurationError, match="pip install ib_async"):
        choose_library(having(*installed), version)


@pytest.fixture
def current_loops():
    """What an importer sees, and what is left afterwards."""
    seen = []
    yield seen
    asyncio.set_event_loop(None)


def test_a_library_that_asks_for_a_loop_is_lent_one(current_loops):
    def importer(name):
        loop = asyncio.get_event_loop_policy().get_event_loop()
        current_loops.append(loop)
        return ModuleType(name)

    module = import_with_loop("ib_async", importer)

    assert module.__name__ == "ib_async"
    assert current_loops[0].is_closed()
    with pytest.raises(RuntimeError, match="no current event loop"):
        asyncio.get_event_loop_policy().get_event_loop()


def test_it_can_be_imported_where_there_is_no_loop():
    code = "import asyncio; asyncio.set_event_loop(None); import ibkeel.ibkr.client as it; print(it.LIBRARY)"

    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)

    assert (done.returncode, done.stdout.strip()) == (0, LIBRARY), done.stderr


def test_a_lent_loop_is_taken_away_when_the_import_fails(current_loops):
    def importer(_):
        current_loops.append(asyncio.get_event_loop_policy().get_event_loop())
        raise ImportError

    with pytest.raises(ImportError):
        import_with_loop("ib_async", importer)

    assert current_loops[0].is_closed()


_AFTER_A_RUN = "import asyncio; asyncio.run(asyncio.sleep(0)); import ibkeel.ibkr"
_IN_A_THREAD = (
    "from threading import Thread; t = Thread(target=__import__, args=['ibkeel.ibkr']); t.start(); t.join()"
)
_KEPT = "import ibkeel.ibkr, asyncio; asyncio.get_event_loop_policy().get_event_loop().run_until_complete(asyncio.sleep(0))"


@pytest.mark.parametrize(
    "script",
    [
        _AFTER_A_RUN,
        _IN_A_THREAD,
        pytest.param(_KEPT, marks=pytest.mark.skipif(sys.version_info >= (3, 14), reason="there is none")),
    ],
)
def test_the_library_is_imported_whatever_became_of_the_loop_and_one_that_is_there_stays(script):
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


async def test_on_a_running_loop_nothing_is_lent():
    running = asyncio.get_running_loop()

    import_with_loop("ib_async", ModuleType)

    assert asyncio.get_running_loop() is running
    assert asyncio.get_event_loop() is running


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), -float("inf"), 1.7976931348623157e308])
def test_every_way_to_say_that_there_is_no_number_is_known(value):
    assert numeric_unset(value)


@pytest.mark.parametrize("value", [0.0, -1.0, 1e300, 2147483647])
def test_a_number_is_a_number(value):
    assert not numeric_unset(value)


# Canaries: they fail when the library changes what the adapter reads.


async def test_the_library_has_what_the_adapter_uses():
    ib = library.IB()

    assert library.__name__ == LIBRARY
    for name in ("reqMktData", "cancelMktData", "reqHistoricalData", "cancelHistoricalData", "reqContractDetails",
                 "reqSecDefOptParams", "reqPositions", "reqAccountSummary", "cancelAccountSummary", "cancelOrder",
                 "reqOpenOrders", "reqCompletedOrders", "reqExecutions", "reqCurrentTime", "getAccounts",
                 "serverVersion"):  # fmt: skip
        assert callable(getattr(ib.client, name)), name
    for name in ("priceSizeTick", "tickSize", "historicalDataEnd", "openOrder", "orderStatus", "execDetails",
                 "commissionReport", "updateAccountValue", "connectionClosed", "completedOrdersEnd"):  # fmt: skip
        assert callable(getattr(ib.wrapper, name)), name


async def test_ids_rise_and_stay_above_an_order_that_is_noted():
    ib = library.IB()
    ib.client._apiReady, ib.client._reqIdSeq = True, 5

    first, second = next_request_id(ib), next_request_id(ib)
    note_order_id(ib, 100)
    note_order_id(ib, 50)

    assert (first, second, next_request_id(ib)) == (5, 6, 101)


@pytest.mark.parametrize("part", ["Decoder", "client", "ib", "wrapper"])
def test_the_librarys_own_log_shows_no_account(part, caplog):
    logger = logging.getLogger(f"{client.LIBRARY}.{part}")

    with caplog.at_level(logging.INFO, logger.name):
        logger.info("position of %s", "DU1234567")

    assert "DU1234567" not in caplog.text
