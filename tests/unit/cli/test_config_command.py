import pytest

from ibkeel.cli.app import run
from ibkeel.runner import BotConfig, load_config
from ibkeel.strategy import Needs, default_registry, register

STRATEGIES = ["scalp", "whale", "vix_regime", "daily_volume", "scalp+whale"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_new_file_says_what_the_defaults_say(strategy, tmp_path, capsys):
    path = tmp_path / "bot.toml"

    code = run(["config", "init", str(path), "--strategy", strategy])

    loaded = load_config(path, {})
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
    assert load_config(path, {}).strategy.params == {}
