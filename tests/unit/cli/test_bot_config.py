import json
import os
import sys

import pytest

from ibkeel.cli.app import run
from ibkeel.cli.bot_config import MonitoredBot
from ibkeel.monitor import Severity
from ibkeel.runner import load_config_as


def test_a_bots_file_may_say_who_watches_it(tmp_path):
    path = tmp_path / "bot.toml"
    path.write_text(
        "[telemetry]\nmetrics_port = 9187\nlog = 'events.jsonl'\n"
        "[alerts]\nleast = 'critical'\nquiet_hours = '22:00-07:00'\nheartbeat_url = 'https://example.org/x'\n"
    )

    bot = load_config_as(
        MonitoredBot, path, {"IBKEEL_ALERTS__URLS": "json://localhost/a, json://localhost/b"}
    )

    assert (bot.telemetry.metrics_port, bot.telemetry.log) == (9187, "events.jsonl")
    assert (bot.alerts.least, bot.alerts.quiet_hours) == (Severity.CRITICAL, "22:00-07:00")
    assert bot.alerts.urls == ("json://localhost/a", "json://localhost/b")
    assert bot.alerts.heartbeat_url == "https://example.org/x"


def test_metrics_may_be_turned_off_and_nothing_is_watched_by_default(tmp_path):
    path = tmp_path / "bot.toml"
    path.write_text("[telemetry]\nmetrics_port = 'off'\n")

    bot = load_config_as(MonitoredBot, path, {})

    assert bot.telemetry.metrics_port is None
    assert not bot.alerts.is_used


def test_the_file_that_init_writes_has_both_sections_and_is_valid(tmp_path, capsys):
    path = tmp_path / "bot.toml"

    codes = run(["config", "init", os.fspath(path)]), run(["config", "check", os.fspath(path)])

    assert codes == (0, 0), capsys.readouterr()
    assert load_config_as(MonitoredBot, path, {}) == MonitoredBot(
        strategy=load_config_as(MonitoredBot, path, {}).strategy
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the system has no such names")
def test_init_writes_a_file_whose_name_the_locale_cannot_read(tmp_path):
    path = tmp_path / b"b\xf6t.toml".decode("utf-8", "surrogateescape")

    codes = run(["config", "init", os.fspath(path)]), run(["config", "check", os.fspath(path)])

    assert codes == (0, 0)


def test_every_command_that_takes_a_bots_file_takes_these_sections_too(tmp_path, capsys):
    path = tmp_path / "bot.toml"
    path.write_text("[gateway]\nport = 1\n[telemetry]\nmetrics_port = 9187\n[alerts]\nper_hour = 5\n")

    code = run(["doctor", os.fspath(path), "--json"])
    doctored = json.loads(capsys.readouterr().out)
    tested = run(["backtest", os.fspath(path), "--seed", "7", "--strategy", "nobody"])

    assert (code, doctored["cause"]) == (5, "port")
    assert tested == 2
    assert "unknown strategy" in capsys.readouterr().err.lower()
