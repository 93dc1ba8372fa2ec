import json
import re
import sys

import attrs
import pytest

from ibkeel.cli.app import run
from ibkeel.cli.bot_config import MonitoredBot
from ibkeel.runner import BotConfig, load_config_as
from ibkeel.strategy import Needs, default_registry, register

STRATEGIES = ["scalp", "whale", "vix_regime", "daily_volume", "scalp+whale"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_new_file_says_what_the_defaults_say(strategy, tmp_path, capsys):
    path = tmp_path / "bot.toml"

    code = run(["config", "init", str(path), "--strategy", strategy])

    loaded = load_config_as(MonitoredBot, path, {})
    assert code == 0
    assert "bot.toml" in capsys.readouterr().out
    assert (loaded.runner, loaded.risk, loaded.gateway) == (
        BotConfig().runner,
        BotConfig().risk,
        BotConfig().gateway,
    )
    named = loaded.strategy
    assert default_registry().create(named.name, named.params) == default_registry().create(strategy)
    assert named.params


def test_a_new_file_names_also_what_is_not_set(tmp_path):
    path = tmp_path / "bot.toml"

    run(["config", "init", str(path)])

    words = set(re.findall(r"\w+", path.read_text()))
    sections = [getattr(MonitoredBot(), section.name) for section in attrs.fields(MonitoredBot)]
    assert {key.name for section in sections for key in attrs.fields(type(section))} <= words


def test_a_file_that_exists_is_kept(tmp_path, capsys):
    path = tmp_path / "bot.toml"
    path.write_text("mine")

    code = run(["config", "init", str(path)])

    assert code == 2
    assert path.read_text() == "mine"
    assert "exists" in capsys.readouterr().err


def test_a_folder_that_does_not_exist_is_a_sentence(tmp_path, capsys):
    code = run(["config", "init", str(tmp_path / "no" / "bot.toml")])

    assert code == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_strategy_that_does_not_exist_writes_nothing(tmp_path):
    code = run(["config", "init", str(tmp_path / "bot.toml"), "--strategy", "nope"])

    assert code == 2
    assert not (tmp_path / "bot.toml").exists()


def test_a_strategy_whose_settings_nobody_can_read_gets_none(tmp_path):
    class Plain:
        name = "plain_object"

        def needs(self):
            return Needs()

        def decide(self, context):
            raise NotImplementedError

    register("plain_object")(Plain)
    path = tmp_path / "bot.toml"

    assert run(["config", "init", str(path), "--strategy", "plain_object"]) == 0
    assert load_config_as(MonitoredBot, path, {}).strategy.params == {}


def test_a_good_file_is_said_to_be_good(tmp_path, capsys):
    path = tmp_path / "bot.toml"
    run(["config", "init", str(path)])

    assert run(["config", "check", str(path)]) == 0
    assert "nothing is wrong" in capsys.readouterr().out
    assert run(["config", "check", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"path": str(path), "is_valid": True, "problems": []}


def test_a_bad_file_is_told_line_by_line_and_ends_with_2(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("IBKEEL_RUNNER__INTERVAL", "soon")
    path = tmp_path / "bot.toml"
    path.write_text("[limits]\ncollar = -1\ncolar = 2\n")

    code = run(["config", "check", str(path)])
    said = capsys.readouterr()
    again = run(["config", "check", str(path), "--json"])
    data = json.loads(capsys.readouterr().out)

    assert (code, again) == (2, 2)
    assert len(said.out.splitlines()) == 3
    assert f"limits.collar = -1 ({path}:2): collar is -1.0; valid: 0 or more" in said.out
    assert "3 problems" in said.err
    assert [row["key"] for row in data["problems"]] == ["limits.collar", "limits.colar", "runner.interval"]
    assert data["problems"][2]["origin"] == "IBKEEL_RUNNER__INTERVAL"


@pytest.mark.parametrize(
    ("aliases", "code", "said"),
    [
        ('{DU1234567 = "main", U7654321 = "live one"}', 0, "nothing is wrong"),
        (
            '{main = "DU1234567"}',
            2,
            "bot.toml:3): aliases calls *** '***'; valid: account ids",
        ),
        (
            '{DU1234567 = "main", U7654321 = "MAIN"}',
            2,
            "aliases calls two accounts the same; valid: a name for each",
        ),
        ('"DU1234567"', 2, "*** is not a table"),
    ],
)
def test_names_of_accounts_are_checked_and_no_id_is_told(aliases, code, said, tmp_path, capsys):
    path = tmp_path / "bot.toml"
    path.write_text(f"[gateway]\nport = 4002\naliases = {aliases}\n")

    ended = run(["config", "check", str(path)])

    told = capsys.readouterr()
    assert ended == code
    assert said in told.out
    assert "1234567" not in told.out + told.err


def test_a_file_that_is_not_there_cannot_be_checked(tmp_path, capsys):
    assert run(["config", "check", str(tmp_path / "no.toml")]) == 2
    assert "cannot read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[alerts]\nurls = ["nosuch://x"]\n', "alerts.urls: apprise does not know the address number 1"),
        ('[alerts]\nescalation_urls = ["json://x"]\n', "alerts.urls: alerts need apprise; install"),
        (
            "[telemetry]\nmetrics_port = 9187\n",
            "telemetry.metrics_port: metrics need prometheus-client; install",
        ),
    ],
)
def test_what_a_bot_cannot_be_watched_with_is_told_before_it_runs(text, words, tmp_path, capsys, monkeypatch):
    path = tmp_path / "bot.toml"
    path.write_text(f"{text}[gateway]\nport = 1\n")
    if "install" in words:
        monkeypatch.setitem(sys.modules, "apprise", None)
        monkeypatch.setitem(sys.modules, "prometheus_client", None)

    checked = run(["config", "check", str(path)])
    check_said = capsys.readouterr().out
    examined = run(["doctor", str(path), "--journal", str(tmp_path / "j.sqlite"), "--json"])
    findings = json.loads(capsys.readouterr().out)["findings"]

    assert checked == 2
    assert f"{path}: {words}" in check_said
    assert examined == 5
    [extras] = [row for row in findings if row["check"] == "extras"]
    assert extras["verdict"] == "fault"
    assert words in extras["said"]


def test_the_doctor_looks_into_the_journal_of_the_state_directory_that_is_named(tmp_path, capsys):
    path, state = tmp_path / "bot.toml", tmp_path / "state"
    path.write_text("[gateway]\nport = 1\n")
    state.mkdir()
    (state / "journal.sqlite").write_text("no journal")

    run(["doctor", str(path), "--state", str(state), "--json"])

    said = [
        row["said"] for row in json.loads(capsys.readouterr().out)["findings"] if row["check"] == "journal"
    ]
    assert str(state / "journal.sqlite") in said[0]
