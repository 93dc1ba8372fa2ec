import pytest

from ibkeel.cli.app import run
from ibkeel.cli.bot_config import MonitoredBot, template
from ibkeel.errors import ConfigurationError
from ibkeel.runner import PROFILES, EndOfDay, check_config, load_config, load_config_as


@pytest.fixture
def bot(tmp_path):
    def write(text):
        path = tmp_path / "bot.toml"
        path.write_text(text)
        return path

    return write


def test_the_conservative_one_looks_at_one_symbol_every_ten_minutes(bot):
    config = load_config(bot('[runner]\nprofile = "conservative"\n'), {})

    assert (config.runner.symbols, config.runner.interval) == (("SPY",), 600.0)
    assert config.risk.max_open_positions == 1


def test_a_profile_chooses_a_strategy_and_how_a_day_ends(bot):
    config = load_config(bot('[runner]\nprofile = "hybrid"\n'), {})

    assert (config.runner.preset, config.runner.end_of_day) == ("strategic", EndOfDay.HOLD)
    assert config.strategy.name == "scalp+whale"


def test_a_key_of_the_file_wins_over_the_profile_and_a_variable_over_both(bot):
    path = bot('[runner]\nprofile = "conservative"\ninterval = 300\n')

    assert load_config(path, {}).runner.interval == 300.0
    assert load_config(path, {"IBKEEL_RUNNER__INTERVAL": "60"}).runner.interval == 60.0
    assert load_config(path, {"IBKEEL_RUNNER__PROFILE": "growth"}).runner.symbols == ("SPY", "QQQ")


def test_a_profile_that_does_not_exist_is_refused_with_those_that_do(bot):
    with pytest.raises(ConfigurationError, match="conservative, growth, hybrid"):
        load_config(bot('[runner]\nprofile = "brave"\n'), {})


def test_a_profile_that_is_no_text_is_one_problem(bot):
    [problem] = check_config(bot("[runner]\nprofile = [1]\n"), {})

    assert problem.key == "runner.profile"


def test_a_clash_with_a_profile_names_it_as_the_origin(bot, monkeypatch):
    monkeypatch.setattr(
        "ibkeel.runner.load.PROFILES", {"growth": {"risk.risk_fraction": 0.5, "runner.symbols": ("SPY",)}}
    )

    [problem] = check_config(bot('[runner]\nprofile = "growth"\n'), {})

    assert (problem.key, problem.origin) == ("risk.risk_fraction", "profile growth")


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_valid_and_is_what_a_new_file_says(name, tmp_path, bot):
    path = tmp_path / "new.toml"

    code = run(["config", "init", str(path), "--profile", name])

    written = load_config_as(MonitoredBot, path, {})
    meant = load_config_as(MonitoredBot, bot(f'[runner]\nprofile = "{name}"\n'), {})
    assert code == 0
    assert check_config(path, {}, MonitoredBot) == ()
    assert (written.runner, written.risk, written.strategy.name) == (
        meant.runner,
        meant.risk,
        meant.strategy.name,
    )
    assert f"profile {name}" in path.read_text().splitlines()[0]


def test_a_strategy_that_is_named_wins_over_the_profiles():
    assert 'name = "whale"' in template("whale", "growth")
