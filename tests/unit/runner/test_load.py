import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import ConfigurationError
from ibkeel.runner import EndOfDay, RiskConfig, RunnerConfig, load_config


@pytest.fixture
def bot(tmp_path):
    def write(text):
        path = tmp_path / "bot.toml"
        path.write_text(text)
        return path

    return write


def test_an_empty_configuration_is_the_defaults():
    config = load_config(None, {})

    assert config.runner == RunnerConfig()
    assert config.risk == RiskConfig()
    assert config.gateway.orders == "DRY_RUN"
    assert config.strategy.name == "scalp"


def test_a_file_sets_what_it_names(bot):
    path = bot(
        '[runner]\nsymbols = ["SPY", "QQQ"]\ninterval = 600\nend_of_day = "hold"\n'
        '[risk]\ntake_profit_fraction = 0.5\n[strategy]\nname = "whale"\n[strategy.params]\nlookback = 30\n'
    )

    config = load_config(path, {})

    assert config.runner.symbols == ("SPY", "QQQ")
    assert (config.runner.interval, config.runner.end_of_day) == (600.0, EndOfDay.HOLD)
    assert config.risk.take_profit_fraction == 0.5
    assert (config.strategy.name, dict(config.strategy.params)) == ("whale", {"lookback": 30})


def test_the_environment_wins_over_the_file(bot):
    environ = {
        "IBKEEL_RUNNER__INTERVAL": "60",
        "IBKEEL_RUNNER__SYMBOLS": "AAPL, MSFT",
        "IBKEEL_GATEWAY__PORT": "4003",
    }

    config = load_config(bot("[runner]\ninterval = 600\nmin_dte = 2\n"), environ)

    assert (config.runner.interval, config.runner.min_dte) == (60.0, 2)
    assert config.runner.symbols == ("AAPL", "MSFT")
    assert config.gateway.port == 4003


def test_variables_of_others_are_left_alone():
    environ = {"IBKEEL_DATA": "/data", "IBKEEL_STATE": "/state", "OTHER__THING": "1"}

    assert load_config(None, environ) == load_config(None, {})


@pytest.mark.parametrize(
    ("text", "environ", "words"),
    [
        ("[runner]\nintervall = 1\n", {}, ["runner.intervall = 1", "unknown key", "interval"]),
        ("[gatway]\nport = 1\n", {}, ["gatway.port", "gateway, journal, risk, runner, strategy"]),
        ("loose = 1\n", {}, ["loose = 1"]),
        ("[runner]\ninterval = 'soon'\n", {}, ["runner.interval", "'soon' is not a number"]),
        ("[runner]\nconcurrency = 1.5\n", {}, ["runner.concurrency", "a whole number"]),
        ("[runner]\nconcurrency = true\n", {}, ["runner.concurrency", "a whole number"]),
        ("[runner]\nsymbols = [1]\n", {}, ["runner.symbols", "a list of texts"]),
        ("[runner]\nsymbols = []\n", {}, ["runner.symbols", "at least one"]),
        ("[runner]\nend_of_day = 'nap'\n", {}, ["runner.end_of_day", "flatten, hold"]),
        ("[runner]\npreset = 'fat'\n", {}, ["runner.preset", "standard"]),
        ("[risk]\nrisk_fraction = 2\n", {}, ["risk.risk_fraction", "up to 1"]),
        ("[gateway]\nport = 0\n", {}, ["gateway.port", "1 to 65535"]),
        ("[gateway]\nhost = 4\n", {}, ["gateway.host", "a text"]),
        ("[strategy]\nparams = 3\n", {}, ["strategy.params", "a table"]),
        ("", {"IBKEEL_RUNNER__INTERVAL": "x"}, ["runner.interval = 'x' (IBKEEL_RUNNER__INTERVAL)"]),
        ("", {"IBKEEL_RUNNER__NOPE": "x"}, ["runner.nope", "unknown key"]),
        ("= broken", {}, ["is not TOML"]),
    ],
)
def test_a_problem_names_key_value_and_what_is_valid(bot, text, environ, words):
    with pytest.raises(ConfigurationError) as refused:
        load_config(bot(text), environ)

    for word in words:
        assert word in str(refused.value)


def test_all_problems_are_told_together(bot):
    with pytest.raises(ConfigurationError) as refused:
        load_config(
            bot("[runner]\na = 1\ninterval = 0\n[risk]\nmin_funds = -1\n"), {"IBKEEL_GATEWAY__PORT": "x"}
        )

    assert str(refused.value).count("; ") >= 3
    for word in ("runner.a", "runner.interval", "risk.min_funds", "gateway.port"):
        assert word in str(refused.value)


def test_a_live_account_is_not_shown_by_a_configuration(bot):
    config = load_config(bot("[gateway]\nlive_account = 'U1234567'\n"), {})

    assert config.gateway.live_account == "U1234567"
    assert "U1234567" not in repr(config)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"cannot read .*nowhere\.toml"):
        load_config(tmp_path / "nowhere.toml", {})


@given(st.dictionaries(st.sampled_from(["IBKEEL_RUNNER__INTERVAL", "IBKEEL_RISK__MIN_FUNDS", "IBKEEL_RUNNER__SYMBOLS",
                                        "IBKEEL_GATEWAY__PORT", "IBKEEL_RUNNER__END_OF_DAY"]), st.text(max_size=8)))  # fmt: skip
def test_whatever_the_environment_holds_it_loads_or_is_refused(environ):
    try:
        interval = load_config(None, environ).runner.interval
    except ConfigurationError:
        interval = 1.0

    assert 1 <= interval <= 23400
