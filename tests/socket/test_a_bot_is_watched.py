"""`ibkeel run` with somebody who looks: `ibkeel monitor` beside it, and the day's report at its end."""

import json
import subprocess
import sys

import pytest

from ibkeel.cli.app import run

CONSOLE = [sys.executable, "-c", "from ibkeel.cli import main; main()"]


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Starts a bot in a state directory of its own, and returns when its session is open."""
    monkeypatch.setenv("IBKEEL_STATE", str(tmp_path))
    bots = []

    def start(port, *more):
        path = tmp_path / "bot.toml"
        path.write_text(f"[gateway]\nport = {port}\n[runner]\nsymbols = ['SPY']\ninterval = 1\n[telemetry]\n")
        command = [*CONSOLE, "run", str(path), "--follow-gateway-clock", *more]
        bot = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        bots.append(bot)
        while "is open until" not in (line := bot.stderr.readline()):
            assert line, "the bot ended before its session began"
        return bot

    yield start
    for bot in bots:
        bot.kill()
        bot.communicate(timeout=10)


def shown(capsys):
    assert run(["monitor", "--json"]) == 0
    return json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


@pytest.mark.long
def test_a_day_is_watched_while_it_lasts_and_reported_when_it_is_over(
    served_at_the_close, started, tmp_path, capsys
):
    bot = started(served_at_the_close.port, "--sessions", "1")
    served_at_the_close.clock.let_go()

    during = shown(capsys)
    code = bot.wait(timeout=60)
    after = shown(capsys)

    assert (during["origin"], during["session"]["state"]) == ("bot", "ready")
    assert during["session"]["account"] == "DU***67"
    assert {span["since"][:10] for span in during["session"]["timeline"]} == {"2026-01-05"}
    assert {tier["at"][:10] for tier in during["health"]["tiers"]} == {"2026-01-05"}
    assert code == 0
    assert after["origin"] == "journal"
    assert after["run"]["outcome"] == "finished"
    told = json.loads((tmp_path / "reports" / "2026-01-05.json").read_text(), parse_constant=pytest.fail)
    assert told["session"] == "2026-01-05"
    assert told["latencies"]
    assert (tmp_path / "reports" / "2026-01-05.html").read_text().startswith("<!doctype html>")
    assert not (tmp_path / "api.json").exists()
