"""The blocking broker: a loop in a thread of its own, against a Gateway in another, over loopback."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest

from ibkeel.errors import NotConnected, RequestTimeout, UnknownContract, WrongLoopError
from ibkeel.ibkr import Backoff, BlockingBroker, IBKRConfig
from ibkeel.model import BarSpec, Execution, Grade, OrderTicket, Side, Stock

SPY = Stock("SPY")
UNANSWERED = pytest.mark.parametrize("served", [{"history": 3600.0}], indirect=True)


def broker_for(served, **config):
    return BlockingBroker(
        IBKRConfig(port=served.port, client_id=7, orders="PAPER", **config), clock=served.clock
    )


@pytest.fixture
def broker(served):
    with broker_for(served) as broker:
        yield broker


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(10)  # its last steps may come after ours
    assert set(threading.enumerate()) <= before


def test_values_are_those_of_the_awaited_broker(broker):
    quote, bars, health = broker.quote(SPY), broker.bars(SPY, BarSpec()), broker.health()

    assert 0 < quote.bid < quote.ask
    assert len(bars) > 0
    assert health.grade is Grade.OK
    assert broker.is_connected
    assert broker.option_chain(SPY).classes


def test_every_role_of_a_broker_is_there(broker, served):
    resting = OrderTicket(contract=SPY, side=Side.BUY, quantity=1, order_type="LMT", limit_price="1.00")
    margin = broker.preview(resting)
    report = broker.place(resting)
    dearer = broker.modify(report.order_id, attrs.evolve(resting, limit_price="1.01"))
    cancelled = broker.cancel(report.order_id)
    answers = broker.quotes([SPY, Stock("NOSUCH")])

    assert margin is not None
    assert dearer.order_id == cancelled.order_id == report.order_id
    assert (broker.open_orders(), broker.executions()) == ((), ())
    assert [order.client_order_id for order in broker.completed_orders()] == [report.client_order_id]
    assert [type(answer).__name__ for answer in answers.values()] == ["Quote", "UnknownContract"]
    assert broker.account().net_liquidation > 0
    assert broker.pnl().account == broker.account().account
    assert broker.last_good_bars(SPY, BarSpec()) is None
    assert broker.config.port == served.port
    assert broker.client_id == 7
    assert broker.all_open_orders() == ()
    assert broker.explain_pacing() == "nothing waits"
    broker.sample_pacing()
    broker.ready(within=10)
    broker.use_order_ids_above(50_000)
    assert broker.place(resting).order_id > 50_000


def test_a_wait_for_the_session_ends_when_the_broker_is_closed(broker):
    broker.disconnect()

    with pytest.raises(NotConnected):
        broker.ready(within=10)


def test_errors_keep_their_types(broker):
    with pytest.raises(UnknownContract, match="200"):
        broker.qualify(Stock("NOSUCH"))


def test_an_order_is_followed_to_its_fill(broker):
    with broker.order_events() as events:
        ticket = OrderTicket(contract=SPY, side=Side.BUY, quantity=1)
        placed = broker.place(ticket)
        filled = next(event for event in events if isinstance(event, Execution))

    assert filled.order_id == placed.order_id
    assert [position.signed_quantity for position in broker.positions()] == [1]


def test_eight_threads_get_a_thousand_right_answers(served):
    stocks = [Stock(symbol) for symbol in ("SPY", "QQQ", "AAPL", "MSFT")]

    with broker_for(served, market_data_lines=100_000) as broker:

        def ask(number):
            stock = stocks[number % 4]
            match number % 5:
                case 0:  # no two alike, for answers are remembered
                    spec = BarSpec(duration=f"{600 + number} S", size="1 min")
                    bars = broker.bars(stock, spec)
                    return len(bars) >= 10 and (bars.contract, bars.spec) == (stock, spec)
                case 1 | 2:
                    return broker.qualify(stock).contract.symbol == stock.symbol
                case 3:
                    return broker.server_time() <= served.clock.now()
                case _:
                    return broker.executions() == ()

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(ask, range(1000)))

    assert answers == [True] * 1000
    assert served.requests["historical_data"] == 200


@UNANSWERED
def test_closing_ends_what_is_under_way(served):
    broker = broker_for(served)
    broker.connect()
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(broker.bars, SPY, BarSpec())
        served.requests.wait_for("historical_data")
        broker.close()
        broker.close()

        assert isinstance(asked.exception(timeout=10), NotConnected)
    with pytest.raises(NotConnected, match="make a new one"):
        broker.quote(SPY)
    assert not broker.is_connected


@UNANSWERED
def test_an_interrupt_cancels_the_request_at_the_server(broker, served):
    main = threading.get_ident()

    def interrupt():
        served.requests.wait_for("historical_data")
        signal.pthread_kill(main, signal.SIGINT)

    with ThreadPoolExecutor(1) as threads:
        threads.submit(interrupt)
        with pytest.raises(KeyboardInterrupt):
            broker.bars(SPY, BarSpec())

    served.requests.wait_for("cancel_historical_data")
    assert broker.server_time() <= served.clock.now()


@UNANSWERED
def test_one_deadline_serves_all_kinds_of_request_on_the_same_session(broker, served):
    impatient = broker.with_deadline(0.05)

    with pytest.raises(RequestTimeout, match=r"within 0\.05 s"):
        impatient.bars(SPY, BarSpec())

    assert impatient.is_connected
    assert served.gateway.client_ids == (7,)


def test_a_stream_is_an_iterator_and_gives_its_line_back(broker, served):
    with broker.stream_quotes(SPY) as quotes:
        first = next(quotes)
        held = dict(broker.open_lines)

    assert first.ask > 0
    assert list(held.values()) == ["SPY"]
    assert broker.open_lines == {}
    served.requests.wait_for("cancel_market_data")


def test_a_stream_of_bars_begins_with_those_that_are_over(broker):
    spec = BarSpec(duration="600 S", size="1 min")
    with broker.stream_bars(SPY, spec) as bars:
        first, second = next(bars), next(bars)

    assert (second.at - first.at).total_seconds() == 60
    assert first.at == broker.bars(SPY, spec)[0].at


def test_a_stream_ends_in_an_error_when_the_broker_is_closed(served):
    broker = broker_for(served)
    broker.connect()
    quotes = broker.stream_quotes(SPY)
    next(quotes)
    broker.close()

    with pytest.raises(NotConnected):
        next(quotes)


def test_a_stream_that_is_forgotten_gives_its_line_back(broker):
    quotes = broker.stream_quotes(SPY)
    next(quotes)

    del quotes
    gc.collect()
    broker.server_time()  # nobody waits for the end of what is forgotten

    assert broker.open_lines == {}


def test_a_stream_of_nothing_known_raises(broker):
    with pytest.raises(UnknownContract), broker.stream_quotes(Stock("NOSUCH")) as quotes:
        next(quotes)


def test_a_thread_that_runs_a_loop_may_call(broker):
    async def notebook():
        return broker.server_time()

    assert asyncio.run(notebook()) is not None


def test_the_brokers_own_loop_may_not_call(broker):
    async def call():
        with pytest.raises(WrongLoopError, match=r"asyncio\.to_thread"):
            broker.server_time()
        with pytest.raises(WrongLoopError, match="from another thread"):
            broker.close()
        stream = broker.stream_quotes(SPY)
        with pytest.raises(WrongLoopError):
            next(stream)

    broker.run(call)

    assert broker.is_connected


def test_a_session_that_outlived_its_loop_says_so(served):
    ran = subprocess.run(
        [sys.executable, "-c", OUTLIVED, str(served.port)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert "WrongLoopError: the event loop that this broker was connected on has ended" in ran.stderr


OUTLIVED = """
import asyncio, sys
from ibkeel.ibkr import IBKRBroker, IBKRConfig

broker = IBKRBroker(IBKRConfig(port=int(sys.argv[1]), client_id=9))
asyncio.run(broker.connect())
asyncio.run(broker.health())
"""


def test_coroutines_of_the_client_library_run_on_its_loop(broker):
    [details] = broker.run(lambda: broker.ib.reqContractDetailsAsync(_contract(broker)))

    assert details.contract.symbol == "SPY"


def _contract(broker):
    module = sys.modules[type(broker.ib).__module__.partition(".")[0]]
    return module.Stock("SPY", "SMART", "USD")


def test_a_broker_that_never_connected_says_so_and_starts_no_thread(served):
    broker = broker_for(served)
    with pytest.raises(NotConnected, match=r"connect\(\)"):
        broker.quote(SPY)
    broker.close()
    broker_for(served).close()

    with pytest.raises(NotConnected, match="make a new one"):
        broker.connect()


def test_a_connection_that_fails_leaves_nothing_behind(served):
    nobody = IBKRConfig(port=1, connect_backoff=Backoff(attempts=1))

    with pytest.raises(ConnectionError), BlockingBroker(nobody):
        pass


def test_a_session_may_be_opened_again(broker, served):
    broker.disconnect()
    was_connected = broker.is_connected
    broker.connect()

    assert (was_connected, broker.is_connected) == (False, True)


def test_a_broker_that_is_forgotten_ends_its_session(served):
    broker = broker_for(served)
    broker.connect()
    [thread] = [thread for thread in threading.enumerate() if thread.name == "ibkeel"]

    del broker
    gc.collect()
    thread.join(timeout=10)

    assert not thread.is_alive()


def test_the_copy_with_a_deadline_keeps_the_session(served):
    broker = broker_for(served).with_deadline(5.0)
    broker.connect()
    gc.collect()

    assert broker.server_time() <= served.clock.now()
    broker.close()


UNFINISHED = """
import sys
from ibkeel.ibkr import Backoff, BlockingBroker, IBKRConfig

broker = BlockingBroker(IBKRConfig(host=sys.argv[1], port=int(sys.argv[2]), client_id=9))
broker.connect()
print(broker.server_time())
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_program_that_ends_without_a_word_closes_its_session(served, host):
    ran = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-W",
            "ignore::DeprecationWarning",
            "-X",
            "dev",
            "-c",
            UNFINISHED,
            host,
            str(served.port),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    assert 9 not in served.gateway.client_ids


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform does not fork")
def test_a_forked_child_is_told_that_the_broker_is_its_parents(served):
    code = UNFINISHED + "\nimport os\nif os.fork() == 0:\n    broker.server_time()\nos.wait()\n"

    ran = subprocess.run(
        [sys.executable, "-c", code, "127.0.0.1", str(served.port)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert "NotConnected: the broker's thread is not in this process" in ran.stderr
