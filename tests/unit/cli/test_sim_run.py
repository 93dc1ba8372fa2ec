"""Unmodified scripts are rehearsed: whatever they use of time, loops and exits."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import textwrap

import pytest

from ibkeel.cli.app import run
from ibkeel.ibkr.library import LIBRARY

CONSOLE = [sys.executable, "-c", "from ibkeel.cli import main; main()"]
BLOCKING = """
    import datetime, sys, time
    from LIBRARY import IB, MarketOrder, Stock

    ib = IB()
    ib.connect("127.0.0.1", 7497, clientId=3)
    spy = Stock("SPY", "SMART", "USD")
    ib.qualifyContracts(spy)
    ticker = ib.reqMktData(spy)
    ib.sleep(60)
    trade = ib.placeOrder(spy, MarketOrder("BUY", 10))
    time.sleep(30)
    asleep = trade.orderStatus.status
    ib.sleep(0)
    print(__name__, sys.argv[1:], ticker.bid < ticker.ask, asleep, trade.orderStatus.status)
    print(f"{datetime.datetime.now():%H:%M:%S}", len(ib.reqHistoricalData(spy, "", "3600 S", "5 mins", "TRADES", True)))
"""
ASYNC = """
    import asyncio, time
    from LIBRARY import IB

    async def main():
        ib = IB()
        await ib.connectAsync("ib-gateway", 4001, clientId=1)
        await asyncio.sleep(3600)
        print(round(time.monotonic()), ib.isConnected())
        ib.disconnect()

    asyncio.run(main())
"""
FOR_EVER = """
    from LIBRARY import IB

    ib = IB()
    ib.connect(port=4002, clientId=1)
    try:
        ib.run()
    except KeyboardInterrupt:
        print("tidying up")
        ib.disconnect()
"""
STUBBORN = """
    import time

    while True:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            print("going on")
"""
NOTEBOOK = """
    import asyncio
    from LIBRARY import IB, util

    util.startLoop()
    ib = IB()
    ib.connect(port=4002, clientId=1)

    async def within():
        ib.sleep(5)
        return ib.reqCurrentTime()

    print(f"{util.run(within()):%H:%M:%S}")
"""
OURS = """
    import asyncio, datetime, time
    from zoneinfo import ZoneInfo
    from ibkeel import Stock, BarSpec
    from ibkeel.errors import CircuitOpen, RequestTimeout
    from ibkeel.guards import CircuitBreaker
    from ibkeel.ibkr import IBKRBroker, IBKRConfig
    from ibkeel.runner import ExchangeCalendar
    from ibkeel.system import SystemClock

    def now():
        return datetime.datetime.now(datetime.timezone.utc)

    def since(instant):
        return round((now() - instant).total_seconds())

    async def main():
        async with IBKRBroker(IBKRConfig(port=4002)) as broker:
            quote = await broker.quote(Stock("SPY"))
            print("quote of", since(quote.at), "s ago")
            machine, began = SystemClock(), (time.time(), now(), time.monotonic())
            await asyncio.sleep(600)
            print("clocks:", round(time.time() - began[0]), since(began[1]), round(time.monotonic() - began[2]),
                  since(began[1]) - round((machine.now() - began[1]).total_seconds()))
            circuit = None
            while circuit is None:
                asked = now()
                try:
                    await broker.with_deadline(7).bars(Stock("SPY"), BarSpec())
                except RequestTimeout:
                    print("deadline after", since(asked), "s")
                except CircuitOpen as error:
                    circuit = error
            opened = now()
            await asyncio.sleep(circuit.wait + 0.1)
            try:
                await broker.with_deadline(7).bars(Stock("SPY"), BarSpec())
            except RequestTimeout:
                print("probe passes after the wait:", since(opened) == round(circuit.wait + 7.1))
            session = ExchangeCalendar().session(now().astimezone(ZoneInfo("America/New_York")).date())
            while now() < session.closes_at - datetime.timedelta(minutes=5):
                await asyncio.sleep(30)
            health = await broker.health()
            print("five minutes to go:", since(session.closes_at) // 60,
                  "health of", min(since(check.at) for check in health.checks), "s ago")

    own = CircuitBreaker("own")
    own.open("by hand")
    time.sleep(31)
    print("a breaker of the script's own:", own.call(lambda: "passes"))
    asyncio.run(main())
"""
DEAF = """
while True:
    try:
        print("going on", flush=True)
        while True:
            sum(range(10_000))
    except BaseException:
        pass
"""
BLOCKED = """
    from ibkeel import Stock
    from ibkeel.ibkr import BlockingBroker, IBKRConfig

    with BlockingBroker(IBKRConfig(port=4002)) as broker:
        broker.quote(Stock("SPY"))
"""
SILENT_HISTORY = """
title = "No history"

[[faults]]
kind = "unanswered"
when_request = "historical_data"
"""


@pytest.fixture
def rehearsed(tmp_path, capfd, monkeypatch):
    """Runs a script; exit code, what it printed, what was said about it, without how far it has come."""
    monkeypatch.setattr("ibkeel.cli.rehearsal._SILENCE", math.inf)  # a busy machine takes ten seconds

    def rehearse(text, *options, arguments=()):
        script = tmp_path / "bot.py"
        script.write_text(textwrap.dedent(text).replace("LIBRARY", LIBRARY), encoding="utf-8")
        code = run(["sim", "run", str(script), *options, "--", *arguments])
        return code, *capfd.readouterr()

    return rehearse


def test_a_blocking_script_trades_and_time_sleep_keeps_it_from_hearing_of_it(rehearsed):
    code, out, err = rehearsed(BLOCKING, "--timezone", "America/New_York", arguments=["--paper", "7"])

    assert code == 0
    assert out.splitlines() == [
        "__main__ ['--paper', '7'] True PendingSubmit Filled",
        "09:31:30 13",
    ]
    assert "1 orders, 1 fills" in err
    assert "open at the end: 1 (at most 1)" in err


def test_asyncio_run_and_any_host_will_do(rehearsed):
    code, out, _ = rehearsed(ASYNC)

    assert (code, out) == (0, "3600 True\n")


def test_a_script_that_runs_for_ever_ends_as_by_ctrl_c_at_the_time_given(rehearsed):
    code, out, err = rehearsed(FOR_EVER, "--for", "1h30m")

    assert (code, out) == (0, "tidying up\n")
    assert "returned: 1:30:00 of virtual time" in err


def test_a_script_that_runs_for_ever_ends_at_the_close_of_the_session(rehearsed):
    code, _, err = rehearsed("import time\nwhile True: time.sleep(5)", "--start", "15:00")

    assert code == 0
    assert "time up: 1:00:00 of virtual time" in err


def test_a_script_that_catches_everything_is_cut_off_with_its_report(rehearsed, monkeypatch):
    monkeypatch.setattr(os, "_exit", sys.exit)  # which this script does not catch

    code, out, err = rehearsed(STUBBORN, "--for", "1h", "--json")

    assert code == 0
    assert json.loads(out[: out.index("}\n{") + 2])["ending"] == "cut off"
    assert json.loads(out[: out.index("}\n{") + 2])["virtual_seconds"] == 3660
    assert err == "going on\n"


def test_a_script_that_tidies_up_to_the_last_instant_of_its_minute_is_not_cut_off(rehearsed):
    code, _, err = rehearsed(
        "import time\ntry: time.sleep(1e9)\nexcept KeyboardInterrupt: time.sleep(60)", "--for", "1h"
    )

    assert code == 0
    assert "returned: 1:01:00 of virtual time" in err


def test_a_long_rehearsal_says_how_far_it_has_come(rehearsed, monkeypatch):
    monkeypatch.setattr("ibkeel.cli.rehearsal._SILENCE", 0.0)

    _, _, err = rehearsed("import time\ntime.sleep(1e9)", "--for", "2h30m")

    assert err.splitlines()[:2] == [
        "ibkeel: 1:00:00 of 2:30:00 of virtual time",
        "ibkeel: 2:00:00 of 2:30:00 of virtual time",
    ]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="nest_asyncio does not know Python 3.14")
def test_a_loop_that_was_made_nestable_works(tmp_path):
    script = tmp_path / "notebook.py"
    script.write_text(textwrap.dedent(NOTEBOOK).replace("LIBRARY", LIBRARY), encoding="utf-8")

    # In a process of its own: what makes loops nestable changes asyncio for good.
    done = subprocess.run(
        [*CONSOLE, "sim", "run", str(script), "--timezone", "UTC"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )

    assert (done.returncode, done.stdout) == (0, "13:30:05\n"), done.stderr


def test_our_broker_agrees_with_the_wall_clock_that_the_script_reads(rehearsed, tmp_path):
    (tmp_path / "silent.toml").write_text(SILENT_HISTORY, encoding="utf-8")

    code, out, err = rehearsed(OURS, "--scenario", str(tmp_path / "silent.toml"))

    assert code == 0, err
    assert out.splitlines() == [
        "a breaker of the script's own: passes",
        "quote of 0 s ago",
        "clocks: 600 600 600 0",
        *["deadline after 7 s"] * 3,
        "probe passes after the wait: True",
        "five minutes to go: -5 health of 0 s ago",
    ]


def test_a_blocking_broker_is_refused_with_what_to_do_instead(rehearsed):
    code, _, err = rehearsed(BLOCKED)

    assert code == 1
    assert "WrongLoopError" in err
    assert "sim serve --speed" in err


def test_an_error_is_shown_with_the_scripts_own_frames_only(rehearsed, tmp_path):
    (tmp_path / "part.py").write_text("def fail(ib):\n    ib.connect(port=1)\n", encoding="utf-8")

    code, _, err = rehearsed("import part\nfrom LIBRARY import IB\npart.fail(IB())\n")

    frames = [line.split('"')[1] for line in err.splitlines() if line.startswith("  File ")]
    assert code == 1
    assert [frame.rpartition(os.sep)[2] for frame in frames] == ["bot.py", "part.py"]
    assert "ConnectionRefusedError" in err


def test_a_script_that_is_no_python_is_shown_as_the_interpreter_shows_it(rehearsed, tmp_path):
    code, _, err = rehearsed("def (:\n")

    frames = [line.split('"')[1] for line in err.splitlines() if line.startswith("  File ")]
    assert code == 1
    assert frames == [str(tmp_path / "bot.py")]
    assert "SyntaxError: invalid syntax" in err
    assert "Traceback" not in err


def test_what_a_library_handled_within_itself_is_not_shown(rehearsed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    code, _, err = rehearsed(
        """
        from LIBRARY import IB
        ib = IB()
        ib.connect("127.0.0.1", 4002, clientId=1)
        ib.sleep(3600)
        """,
        "--scenario",
        "nightly-restart",
    )

    frames = [line.split('"')[1] for line in err.splitlines() if line.startswith("  File ")]
    assert code == 1
    assert [frame.rpartition(os.sep)[2] for frame in frames] == ["bot.py"]
    assert "ConnectionError: Socket disconnect" in err


@pytest.mark.parametrize(
    ("text", "code", "ending"),
    [
        ("raise SystemExit(3)", 3, "exited"),
        ("raise SystemExit('no luck')", 1, "exited"),
        ("import sys; sys.exit()", 0, "exited"),
        ("raise KeyboardInterrupt", 130, "interrupted"),
        ("1 / 0", 1, "failed"),
        (
            "import asyncio; l = asyncio.get_event_loop(); l.call_later(9, exit, 4); l.run_forever()",
            4,
            "exited",
        ),
    ],
)
def test_the_exit_code_is_the_scripts(rehearsed, text, code, ending):
    found, _, err = rehearsed(text)

    assert found == code
    assert f"ibkeel: {ending}:" in err


def test_ctrl_c_ends_the_script_and_the_summary_follows(tmp_path):
    script = tmp_path / "busy.py"
    script.write_text("print('ready', flush=True)\nwhile True: pass\n", encoding="utf-8")
    command = [*CONSOLE, "sim", "run", str(script)]

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)

    assert process.returncode == 130
    assert "ibkeel: interrupted" in err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_the_second_signal_ends_a_script_that_caught_the_first(tmp_path):
    script = tmp_path / "deaf.py"
    script.write_text(DEAF, encoding="utf-8")

    with subprocess.Popen(
        [*CONSOLE, "sim", "run", str(script)], stdout=subprocess.PIPE, text=True
    ) as process:
        for number in (signal.SIGTERM, signal.SIGINT):
            assert process.stdout.readline() == "going on\n"
            process.send_signal(number)

        assert process.wait(timeout=20) == -signal.SIGINT


def test_json_is_alone_on_the_output_and_tells_of_faults_and_violations(rehearsed):
    text = """
        from LIBRARY import IB
        ib = IB()
        ib.connect(port=4002, clientId=1)
        print("not JSON")
        for _ in range(80):
            ib.client.reqCurrentTime()
            ib.client._msgQ and ib.sleep(0.01)
        ib.sleep(1200)
    """

    code, out, err = rehearsed(text, "--json", "--scenario", "nightly-restart", "--seed", "8")

    found = json.loads(out)
    assert (code, found["ending"], found["exit_code"]) == (
        1,
        "failed",
        1,
    )  # a bare client does not come back
    assert found["seed"] == 8
    assert found["scenario"] == "nightly-restart"
    assert [fault["kind"] for fault in found["faults"]] == ["restart"]
    assert found["virtual_seconds"] == pytest.approx(600, abs=1)
    assert found["messages"] > 80
    assert found["violations"] == {}
    assert "not JSON" in err


def test_two_runs_are_equal(rehearsed):
    def shown():
        _, out, _ = rehearsed(BLOCKING, "--json")
        return {key: value for key, value in json.loads(out).items() if key != "wall_seconds"}

    assert shown() == shown()


def test_logging_of_the_script_is_set_up_by_the_script(rehearsed):
    text = "import logging\nlogging.basicConfig(format='said %(message)s')\nlogging.warning('hello')"

    _, _, err = rehearsed(text)

    assert "said hello" in err


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (["--for", "soon"], "not a duration"),
        (["--for", "0s"], "no time at all"),
        (["--timezone", "Mars"], "not a time zone"),
        (["--start", "17:00"], "--for"),
        (["--scenario", "nonsense"], "nonsense"),
    ],
)
def test_what_makes_no_sense_is_refused(rehearsed, options, wrong):
    code, _, err = rehearsed("print('never')", *options)

    assert code == 2
    assert wrong in err


def test_a_script_that_is_not_there_is_named(tmp_path, capsys):
    code = run(["sim", "run", str(tmp_path / "nowhere.py")])

    assert code == 2
    assert "nowhere.py" in capsys.readouterr().err


def test_a_fault_is_told_with_whose_clock_its_time_is_of(rehearsed):
    text = "import time; time.sleep(900)"

    _, _, err = rehearsed(text, "--scenario", "nightly-restart", "--for", "15m", "--timezone", "Asia/Tokyo")

    assert re.search(r"^ibkeel: fault: \d\d:\d\d:\d\d New York restart", err, re.MULTILINE)
