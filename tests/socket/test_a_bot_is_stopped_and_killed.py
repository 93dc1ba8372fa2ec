"""A bot that holds a position, as a process of its own: stopped, killed, started again. Nightly."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from ibkeel.journal import FillSeen, Journal, RunEnded, RunStarted

CONSOLE = [sys.executable, "-c", "from ibkeel.cli import main; main()"]

pytestmark = [
    pytest.mark.skipif(not os.environ.get("IBKEEL_NIGHTLY"), reason="takes more than 5 s: nox -s nightly"),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGTERM"),
]


@contextmanager
def running(*arguments):
    """A command that goes on until it is stopped; its news come on the error stream."""
    process = subprocess.Popen([*CONSOLE, *map(str, arguments)], stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=10)
        process.stderr.close()


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A simulated Gateway on a day on which the strategy buys at once, and the bot's file."""
    monkeypatch.setenv("IBKEEL_STATE", str(tmp_path))
    with running("sim", "serve", "--port", "0", "--seed", "25", "--start", "09:55") as server:
        port = server.stderr.readline().split(":")[1].split(",")[0]
        path = tmp_path / "bot.toml"
        path.write_text(
            f"[gateway]\nport = {port}\norders = 'PAPER'\n[runner]\nsymbols = ['SPY']\ninterval = 10\n"
        )
        yield path


def bot(config):
    return running("-v", "run", config, "--follow-gateway-clock")


def heard(process, words):
    """Its lines up to the one that has these words."""
    lines = []
    for line in process.stderr:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"it ended without a word of {words!r}: {''.join(lines[-5:])}")


def test_a_bot_says_what_it_leaves_and_what_it_takes_over_and_flatten_closes_it(config, tmp_path):
    with bot(config) as process:
        heard(process, "OrderFilled")
        process.send_signal(signal.SIGTERM)
        left = "".join(process.stderr)
        ended = process.wait(timeout=20)
    with bot(config) as process:
        heard(process, "CycleEnded")
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=20)
    with bot(config) as process:
        taken = "".join(heard(process, "taken over: "))
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
    flat = subprocess.run(
        [*CONSOLE, "flatten", str(config), "--yes", "--follow-gateway-clock"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    with Journal.open(tmp_path / "journal.sqlite", read_only=True) as journal:
        details = [entry.record.detail for entry in journal.events(RunEnded)]
        fills = [entry.record.execution.exec_id for entry in journal.events(FillSeen)]
    assert ended == 130
    assert "left open: +10 SPY" in left
    assert "the run r2 did not end in order" in taken
    assert "taken over: +10 SPY" in taken
    assert details[0].startswith("+10 SPY 2025-12-05")
    assert "behind a stop at" in details[0]
    assert (flat.returncode, flat.stdout.partition("\n")[0][:17]) == (0, "closed +10 SPY 20")
    assert len(set(fills)) == len(fills) == 2


def journaled(path, kind, looks=300):
    """Wait until a bot has journaled such a record."""
    for _ in range(looks):
        if path.exists():
            with Journal.open(path, read_only=True) as journal:
                if journal.last(kind) is not None:
                    return
        Event().wait(0.2)
    raise AssertionError(f"no {kind.__name__} in {looks} looks")


def test_a_bot_trades_and_ends_in_order_though_nobody_reads_its_log(config, tmp_path):
    with running("-vv", "run", config, "--follow-gateway-clock") as process:
        journaled(tmp_path / "journal.sqlite", FillSeen)  # far more was logged by then than a pipe holds
        process.send_signal(signal.SIGTERM)
        journaled(tmp_path / "journal.sqlite", RunEnded)
        left = process.stderr.read()
        ended = process.wait(timeout=20)

    assert ended == 130
    assert "left open: +10 SPY" in left


def test_a_bot_ends_in_order_when_nobody_reads_it_any_more(config, tmp_path):
    with running("run", config, "--follow-gateway-clock") as process:
        heard(process, "connected to")
        process.stderr.close()
        journaled(tmp_path / "journal.sqlite", FillSeen)
        process.send_signal(signal.SIGHUP)
        ended = process.wait(timeout=20)

        with Journal.open(tmp_path / "journal.sqlite", read_only=True) as journal:
            assert journal.last(RunEnded).record.outcome == "interrupted"
    assert ended == 130


def test_the_reference_bot_ends_in_order_though_a_script_began_it_in_the_background(config, tmp_path):
    journal = tmp_path / "reference.sqlite"
    config.write_text(f"{config.read_text()}[journal]\npath = '{journal}'\n")
    bot = Path(__file__).parents[2] / "examples" / "reference_bot" / "bot.py"
    process = subprocess.Popen(["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, bot, config])
    try:
        journaled(journal, RunStarted)
        process.send_signal(signal.SIGTERM)
        ended = process.wait(timeout=20)
        journaled(journal, RunEnded, looks=1)
    finally:
        process.kill()
        process.wait(timeout=10)

    assert ended == 130
