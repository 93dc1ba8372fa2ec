"""`ibkeel run` against `ibkeel sim serve`, as a user rehearses a configuration on loopback."""

import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import pytest

from ibkeel.journal import Journal, RunEnded, RunStarted

CONSOLE = [sys.executable, "-c", "from ibkeel.cli import main; main()"]


@contextmanager
def running(*arguments):
    """A command that goes on until it is stopped; its news come on the error stream."""
    process = subprocess.Popen([*CONSOLE, *map(str, arguments)], stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=10)


@pytest.fixture
def config(tmp_path):
    with running("sim", "serve", "--port", "0") as server:
        port = server.stderr.readline().split(":")[1].split(",")[0]
        path = tmp_path / "bot.toml"
        path.write_text(f"[gateway]\nport = {port}\n[runner]\nsymbols = ['SPY']\n")
        yield path


def test_clocks_must_agree(config, tmp_path):
    with running("run", config, "--journal", tmp_path / "journal.sqlite") as bot:
        said = bot.stderr.read()

    assert bot.returncode == 2
    assert "--follow-gateway-clock" in said


def test_a_configuration_is_rehearsed_until_it_is_interrupted(config, tmp_path):
    journal, log = tmp_path / "journal.sqlite", tmp_path / "events.jsonl"
    with config.open("a") as stream:
        stream.write(f"[telemetry]\nmetrics_port = 0\nlog = '{log}'\n")

    with running("run", config, "--journal", journal, "--follow-gateway-clock") as bot:
        address = bot.stderr.readline().split()[-1]
        news = [bot.stderr.readline(), bot.stderr.readline()]
        with urllib.request.urlopen(address, timeout=10) as page:
            metrics = page.read().decode()
        bot.send_signal(signal.SIGINT)
        said = bot.stderr.read()
        code = bot.wait(timeout=20)

    assert 'ibkeel_session_state{state="ready"} 1.0' in metrics
    assert '"event":"Connected"' in log.read_text()
    assert "orders: DRY_RUN" in news[0]
    assert "is open until 16:00 New York" in news[1]
    assert "Traceback" not in said
    assert code == 130
    assert journal.with_name("pacing.json").exists()
    with Journal.open(journal, read_only=True) as opened:
        assert opened.count(RunStarted) == opened.count(RunEnded)


def test_a_bot_that_has_run_starts_though_one_of_its_symbols_is_unknown(config, tmp_path):
    journal = tmp_path / "journal.sqlite"
    config.write_text(config.read_text().replace("['SPY']", "['NOSUCH', 'SPY']"))
    arguments = ("run", config, "--journal", journal, "--follow-gateway-clock")

    with running(*arguments) as bot:
        assert "UnknownContract" in bot.stderr.read()
    assert bot.returncode == 2

    Journal.open(journal).close()
    with running(*arguments) as bot:
        news = [bot.stderr.readline() for _ in range(4)]
        bot.send_signal(signal.SIGINT)
        bot.communicate(timeout=20)

    assert "orders: DRY_RUN" in news[0]
    assert "NOSUCH: UnknownContract" in news[2]
    assert "ALARM symbol NOSUCH" in news[3]
    assert bot.returncode == 130
