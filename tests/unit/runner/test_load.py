import sys
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import ConfigurationError
from ibkeel.runner import EndOfDay, RiskConfig, RunnerConfig, check_config, load_config
from ibkeel.strategy import default_registry

_SECTIONS = "valid: gateway, journal, limits, risk, runner, strategy"


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


def test_a_variable_with_one_underscore_too_few_is_a_problem_and_not_somebody_elses():
    environ = {"IBKEEL_GATEWAY_ORDERS": "DRY_RUN", "IBKEEL_JOURNAL_KEPT_FOR": "a year"}

    [problem] = check_config(None, environ)

    assert str(problem) == (
        "IBKEEL_GATEWAY_ORDERS: sets nothing: two underscores follow the section; "
        "did you mean IBKEEL_GATEWAY__ORDERS?"
    )
    with pytest.raises(ConfigurationError, match="IBKEEL_GATEWAY__ORDERS"):
        load_config(None, environ)


def test_a_section_that_there_is_not_is_told_once_whatever_stands_below_it(tmp_path):
    path = tmp_path / "bot.toml"
    path.write_text("[riks]\nmax_contracts = 1\nmax_daily_loss = 0.02\n")

    [problem] = check_config(path, {})

    assert str(problem) == f"{path}:2: unknown section [riks]; did you mean [risk]? {_SECTIONS}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# none\n[gatway]\n", f"unknown section [gatway]; did you mean [gateway]? {_SECTIONS}"),
        ("\ngatway = {}\n", f"unknown section [gatway]; did you mean [gateway]? {_SECTIONS}"),
        ("\n[[riks]]\nmax_contracts = 1\n", f"unknown section [riks]; did you mean [risk]? {_SECTIONS}"),
        ("[runner]\n[zoo.a.b]\n", f"unknown section [zoo]; {_SECTIONS}"),
        (
            "\n[strategy.parms]\nurl = 'https://x.example/secret'\n",
            "unknown section [strategy.parms]; did you mean strategy.params? valid: name, params",
        ),
        ("[journal]\n[journal.foo]\n", "unknown section [journal.foo]; valid: path"),
    ],
)
def test_a_section_that_there_is_not_is_refused_whatever_its_form(tmp_path, text, said):
    path = tmp_path / "bot.toml"
    path.write_text(text)

    [problem] = check_config(path, {})

    assert str(problem) == f"{path}:2: {said}"


def test_a_section_that_is_empty_is_one(bot):
    assert load_config(bot("[gateway]\n[strategy.params]\n[runner]\n"), {}) == load_config(None, {})


def test_a_section_that_is_written_as_a_list_shows_no_address(tmp_path):
    path = tmp_path / "bot.toml"
    path.write_text("[[runner]]\nurls = ['discord://secret']\n")

    [problem] = check_config(path, {})

    assert "is a section; write [runner]" in str(problem)
    assert "secret" not in str(problem)


@pytest.mark.parametrize(
    ("text", "environ", "words"),
    [
        ("[runner]\nintervall = 1\n", {}, ["runner.intervall = 1", "unknown key", "interval"]),
        ("[gatway]\nport = 1\n", {}, ["bot.toml:2", "unknown section [gatway]; did you mean [gateway]?"]),
        (
            "[zoo]\nx = 1\n",
            {},
            ["unknown section [zoo]; valid: gateway, journal, limits, risk, runner, strategy"],
        ),
        ("[gateway]\nhost = localhost\n", {}, ["is not TOML", "line 2", "text needs quotes"]),
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
        ("[gateway]\nhost = 'a..b'\n", {}, ["bot.toml:2", "host is 'a..b'; valid: a host name or address"]),
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


def test_a_share_class_is_written_as_the_gateway_writes_it(bot):
    assert load_config(bot('[runner]\nsymbols = ["BRK B"]\n'), {}).runner.symbols == ("BRK B",)
    assert load_config(None, {"IBKEEL_RUNNER__SYMBOLS": "SPY, BRK B"}).runner.symbols == ("SPY", "BRK B")


def test_one_text_is_one_symbol_and_not_its_letters():
    assert RunnerConfig(symbols="SPY").symbols == ("SPY",)
    with pytest.raises(ConfigurationError, match="symbols is"):
        RunnerConfig(symbols="SPY,QQQ")


@pytest.mark.parametrize(
    "symbol", ["", " ", "brk b", " BRK", "BRK ", "BRK  B", "BRK B C", ".", "SPY\n", "ÄG"]
)
def test_what_is_no_ticker_is_refused(symbol):
    with pytest.raises(ConfigurationError, match="tickers in capitals"):
        RunnerConfig(symbols=(symbol,))


@pytest.mark.parametrize("number", ["9" * 5000, "[" * 3000 + "]" * 3000])
def test_a_file_that_the_reader_gives_up_on_is_a_problem_like_any_other(bot, number):
    with pytest.raises(ConfigurationError, match="is not TOML"):
        load_config(bot(f"[runner]\ninterval = {number}\n"), {})


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


def test_a_mark_of_the_byte_order_is_no_part_of_a_configuration(tmp_path):
    path = tmp_path / "bot.toml"
    path.write_text("[runner]\ninterval = -5\n", encoding="utf-8-sig")

    [problem] = check_config(path, {})

    assert (problem.key, problem.origin) == ("runner.interval", f"{path}:2")


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


def test_limits_are_a_section_and_can_be_switched_off(bot):
    text = '[limits]\nmax_spread = "off"\nmax_notional = 5000\nlive_only = false\nopen_orders = 5\n'

    limits = load_config(
        bot(text), {"IBKEEL_LIMITS__WHAT_IF": "false", "IBKEEL_LIMITS__COLLAR": "0.2"}
    ).limits

    assert (limits.max_spread, limits.max_notional, limits.open_orders) == (None, Decimal(5000), 5)
    assert (limits.live_only, limits.what_if, limits.collar) == (False, False, 0.2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[limits]\nmax_notional = 'much'\n", ["'much' is not a number, nor \"off\""]),
        ("[limits]\nmax_notional = nan\n", ["limits.max_notional"]),
        ("[limits]\nlive_only = 1\n", ["1 is not true or false"]),
        ("[limits]\nlive_only = 'off'\n", ["'off' is not true or false"]),
        ("[limits]\ncollar = -1\n", ["collar is -1", "valid: 0 or more"]),
        (
            "[gateway]\norders = 'LIVE'\nport = 4001\n",
            [
                "gateway.live_account",
                "bot.toml:2",
                "LIVE, which also needs live_account",
                "IBKEEL_GATEWAY__LIVE_ACCOUNT",
            ],
        ),
        ("[gateway]\norders = 'PAPER'\nport = 7496\n", ["gateway.port = 7496", "bot.toml:3", "4002 or 7497"]),
        ("[runner]\nentries_stop_before_close = 60\n", ["valid: 600 or more"]),
        ("[runner]\nflatten_before_close = 1000\n", ["entries_stop_before_close = 900.0 (", "bot.toml:2"]),
        ("[risk]\nmax_daily_loss = 0.005\n", ["risk.risk_fraction", "valid: up to 0.005"]),
    ],
)
def test_settings_that_do_not_fit_are_told_with_their_line(bot, text, words):
    with pytest.raises(ConfigurationError) as refused:
        load_config(bot(text), {})

    for word in words:
        assert word in str(refused.value)


def test_a_check_finds_everything_at_once_each_with_its_origin(bot):
    path = bot("[runner]\na = 1\ninterval = 0\n[gateway]\norders = 'LIVE'\n[strategy]\nname = 'nope'\n")

    found = check_config(path, {"IBKEEL_RISK__MIN_FUNDS": "x"})

    assert [(row.key, row.origin.rpartition("/")[2]) for row in found] == [
        ("runner.a", "bot.toml:2"),
        ("runner.interval", "bot.toml:3"),
        ("risk.min_funds", "IBKEEL_RISK__MIN_FUNDS"),
        ("gateway.live_account", "bot.toml:5"),
        ("gateway.port", "bot.toml:5"),
        ("strategy.name", "bot.toml:7"),
    ]


def test_of_a_value_that_is_wrong_by_itself_it_is_not_said_that_it_does_not_fit(bot):
    found = check_config(bot("[gateway]\norders = 'LIVE'\nport = 4001\nlive_account = 7\n"), {})

    assert [row.key for row in found] == ["gateway.live_account"]


def test_a_check_knows_the_strategys_own_settings(bot):
    (problem,) = check_config(bot("[strategy]\nname = 'scalp'\nparams = { fst = 1 }\n"), {})

    assert problem.key == "strategy.params.fst"
    assert "unknown fst; valid: fast" in problem.valid


def test_each_of_the_strategys_own_settings_that_is_wrong_is_told_with_its_line(bot):
    text = "[strategy]\nname = 'scalp'\n[strategy.params]\nfast = 0\nslow = 'x'\nmin_bars = 40\nfoo = 1\n"

    found = check_config(bot(text), {})

    assert [(row.key, row.value) for row in found] == [
        ("strategy.params.fast", "0"),
        ("strategy.params.slow", "'x'"),
        ("strategy.params.foo", "1"),
    ]
    assert [row.origin.rpartition(":")[2] for row in found] == ["4", "5", "7"]


def test_a_setting_that_is_good_beside_a_later_one_is_no_problem(bot):
    text = "[strategy]\nname = 'scalp'\nparams = { fast = 30, slow = 40, min_bars = 50, foo = 1 }\n"

    assert [row.key for row in check_config(bot(text), {})] == ["strategy.params.foo"]


def test_settings_that_do_not_fit_together_are_told_of_one_of_them(bot):
    text = "[strategy]\nname = 'scalp'\nparams = { fast = 20, slow = 10 }\n"

    (problem,) = check_config(bot(text), {})

    assert "valid: fast < slow" in problem.valid


@attrs.frozen(kw_only=True)
class Needy:
    """A strategy of somebody's own, without defaults."""

    fast: int = attrs.field(validator=attrs.validators.gt(0))
    slow: int


@pytest.mark.parametrize(
    ("fast", "slow", "key", "words"),
    [
        ("-5", "9", "strategy.params", "fast"),
        ("5", "'x'", "strategy.params", "slow"),
    ],
)
@pytest.mark.parametrize("name", ["needy", "scalp+needy"])
def test_of_a_strategy_without_defaults_no_setting_that_is_there_is_called_missing(
    bot, monkeypatch, fast, slow, key, words, name
):
    monkeypatch.setitem(default_registry()._factories, "needy", Needy)
    own = f"{{ fast = {fast}, slow = {slow} }}"
    params = own if name == "needy" else f"{{ needy = {own}, scalp = {{ foo = 1 }} }}"

    found = check_config(bot(f"[strategy]\nname = '{name}'\nparams = {params}\n"), {})

    expected = [key] if name == "needy" else [f"{key}.needy", f"{key}.scalp.foo"]
    assert [row.key for row in found] == expected
    assert words in found[0].valid
    assert "missing" not in found[0].valid


def test_of_strategies_together_each_ones_settings_are_told(bot):
    text = "[strategy]\nname = 'scalp+whale'\nparams = { scalp = { fast = 50 }, whale = { look_back = 0 } }\n"

    one, other = check_config(bot(text), {})

    assert ("fast 50" in one.valid, "look_back" in other.valid) == (True, True)
    assert (one.key, other.key) == ("strategy.params.scalp.fast", "strategy.params.whale.look_back")
    assert one.origin.endswith("bot.toml:3")


@pytest.mark.parametrize("params", ["{ scalp = 3 }", "{ other = {} }"])
def test_settings_that_are_of_none_of_the_strategies_are_one_problem(bot, params):
    (problem,) = check_config(bot(f"[strategy]\nname = 'scalp+whale'\nparams = {params}\n"), {})

    assert "one table each for scalp, whale" in problem.valid


def test_a_value_in_place_of_a_section_is_told_as_such(bot):
    (problem,) = check_config(bot("runner = 3\n"), {})

    assert problem.valid.startswith("is a section; write [runner] and below it keys; valid: anchors")


def test_a_problem_shows_no_account(bot):
    (problem,) = check_config(bot("[gateway]\nport = 4002\norders = 'LIVE'\nlive_account = 'U1234567'\n"), {})

    assert "U1234567" not in str(problem)
    assert problem.key == "gateway.port"


def test_a_file_that_is_no_toml_is_one_problem(bot):
    (problem,) = check_config(bot("= broken"), {})

    assert str(problem).endswith("bot.toml: is not TOML: Invalid statement (at line 1, column 1)")


def test_several_problems_are_told_on_a_line_each(tmp_path):
    path = tmp_path / "bot.toml"
    path.write_text("[gateway]\nport = 99999\n[risk]\nmax_contracts = -3\n")

    with pytest.raises(ConfigurationError) as refused:
        load_config(path, {})

    first, *rest = str(refused.value).splitlines()
    assert first == "2 problems in the configuration"
    assert [line.split(" = ")[0] for line in rest] == ["  gateway.port", "  risk.max_contracts"]


@pytest.mark.parametrize("missing", ["tree_sitter_toml", "typed_settings"])
def test_without_its_extra_a_file_is_not_read_and_the_sentence_says_what_to_install(
    missing, bot, monkeypatch
):
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(ConfigurationError, match=r"install 'ibkeel\[bot\]'"):
        load_config(bot("[runner]\ninterval = 60\n"), {})


def test_a_file_that_cannot_be_read_or_is_no_text_says_so(tmp_path):
    (tmp_path / "bot.toml").write_bytes(b"\xff\xfe[runner]")

    with pytest.raises(ConfigurationError, match=r"cannot read the configuration .*: "):
        load_config(tmp_path, {})
    with pytest.raises(ConfigurationError, match=r"bot\.toml is not TOML: .*codec can't decode"):
        load_config(tmp_path / "bot.toml", {})
