from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import AccountMismatch, ConfigurationError
from ibkeel.ibkr import IBKRConfig, OrderMode
from ibkeel.ibkr.config import check_account, is_paper
from ibkeel.resilience import BreakerPolicy

PAPER, LIVE, OTHER_LIVE = "DU1234567", "U7654321", "U1111111"
PORTS = {4001: "live", 7496: "live", 4002: "paper", 7497: "paper", 4003: None, 9999: None}


def test_nothing_is_sent_unless_somebody_says_so():
    assert IBKRConfig().orders is OrderMode.DRY_RUN


@pytest.mark.parametrize("port", [0, -1, 65_536, 4002.0, "4002", True, None])
def test_a_port_that_cannot_be_is_refused(port):
    with pytest.raises(ConfigurationError, match="port is"):
        IBKRConfig(port=port)


@pytest.mark.parametrize("client_id", [-1, 1.0, "1", True, None])
def test_a_client_id_that_cannot_be_is_refused(client_id):
    with pytest.raises(ConfigurationError, match="client_id is"):
        IBKRConfig(client_id=client_id)


@pytest.mark.parametrize("orders", ["", "live", "PAPER ", None, 1])
def test_an_order_mode_that_cannot_be_is_refused(orders):
    with pytest.raises(ConfigurationError, match="valid: DRY_RUN, PAPER, LIVE"):
        IBKRConfig(orders=orders)


@pytest.mark.parametrize(
    "wrong",
    [{"host": ""}, {"market_data_lines": 0}, {"quote_settle": -1}, {"quote_one_sided": float("nan")}],
)
def test_a_figure_that_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigurationError):
        IBKRConfig(**wrong)


@pytest.mark.parametrize(
    ("wrong", "valid"),
    [
        ({"deadlines": 30}, "Deadlines"),
        ({"deadlines": {}}, "Deadlines"),
        ({"connect_backoff": 3}, "Backoff"),
        ({"session": None}, "SessionPolicy"),
        ({"codes": None}, "ErrorTable"),
        ({"cache": ()}, "CachePolicy"),
    ],
)
def test_another_kind_than_what_a_session_works_with_is_refused_at_once(wrong, valid):
    [name] = wrong

    with pytest.raises(ConfigurationError, match=rf"^{name} is .*; valid: {valid}\(\.\.\.\)$"):
        IBKRConfig(**wrong)


@pytest.mark.parametrize(
    "host",
    [
        "a..b",
        ".a",
        "a b",
        "127.0.0.1 ",
        "a" * 300,
        "a." * 150,
        "gw:4002",
        "http://gw",
        "[::1]",
        "a\0",
        "\ud800",
        4,
    ],
)
def test_what_can_be_no_host_is_refused_before_anything_is_looked_up(host):
    with pytest.raises(ConfigurationError, match="valid: a host name or address, such as 127"):
        IBKRConfig(host=host)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "::1", "fe80::1%eth0", "localhost", "ib_gateway", "gw.example.", "bücher.example", "::"],
)
def test_a_name_or_an_address_is_a_host(host):
    assert IBKRConfig(host=host).host == host


@pytest.mark.parametrize("live_account", [None, ""])
def test_live_needs_the_account_by_name(live_account):
    with pytest.raises(ConfigurationError, match="LIVE without live_account"):
        IBKRConfig(orders="LIVE", live_account=live_account)


def test_no_account_shows_in_the_repr():
    assert LIVE not in repr(IBKRConfig(orders="LIVE", live_account=LIVE, account=LIVE))


@pytest.mark.parametrize(
    ("account", "paper"), [("DU1", True), ("DF1", True), ("du1", True), ("U1", False), ("F1", False)]
)
def test_the_prefix_tells_paper_from_live(account, paper):
    assert is_paper(account) is paper


def fits(orders, port, account):
    """The rule in DESIGN's words: no port that says otherwise, and the account that the mode names."""
    if PORTS[port] not in {None, "paper" if account == PAPER else "live"}:
        return False
    return {"DRY_RUN": True, "PAPER": account == PAPER, "LIVE": account == LIVE}[orders]


@pytest.mark.parametrize(
    ("orders", "port", "account"),
    list(product(["DRY_RUN", "PAPER", "LIVE"], PORTS, [PAPER, LIVE, OTHER_LIVE])),
)
def test_port_mode_and_account_must_fit_together(orders, port, account):
    config = IBKRConfig(orders=orders, port=port, live_account=LIVE if orders == "LIVE" else None)

    if fits(orders, port, account):
        check_account(config, account)
    else:
        with pytest.raises(AccountMismatch) as refused:
            check_account(config, account)
        assert account not in str(refused.value)
        assert LIVE not in str(refused.value)


@given(st.sampled_from(OrderMode), st.sampled_from(list(PORTS)), st.text("DUF0123456789", min_size=1))
def test_no_order_mode_ever_takes_a_live_account_for_paper(orders, port, account):
    config = IBKRConfig(orders=orders, port=port, live_account=LIVE)

    try:
        check_account(config, account)
    except AccountMismatch:
        return

    assert orders is OrderMode.DRY_RUN or is_paper(account) == (orders is OrderMode.PAPER)


def test_an_account_is_shown_by_its_alias_and_others_masked():
    config = IBKRConfig(orders="LIVE", port=4003, live_account=LIVE, aliases={LIVE: "main", PAPER: "Бот 2"})

    with pytest.raises(AccountMismatch) as refused:
        check_account(config, PAPER)

    assert "LIVE for main, but the account is Бот 2" in str(refused.value)
    assert config.shown(OTHER_LIVE) == "U1***11"
    assert LIVE not in repr(config)


@pytest.mark.parametrize(
    "aliases",
    [
        {PAPER: LIVE},
        {"main": PAPER},
        {PAPER: "the one of DU1234567"},
        {PAPER: "12 3456"},
        {PAPER: ""},
        {PAPER: " main"},
        {PAPER: "main "},
        {PAPER: "x" * 25},
        {PAPER: "two\nlines"},
        {PAPER: "[red]paint"},
        {PAPER: "DU***67"},
        {PAPER: 3},
        {1234567: "main"},
        {"DU***67": "main"},
        {PAPER: "main", LIVE: "Main"},
    ],
)
def test_what_is_no_other_name_is_refused_and_no_id_shown(aliases):
    with pytest.raises(ConfigurationError, match=r"^aliases calls .*; valid: ") as refused:
        IBKRConfig(aliases=aliases)

    assert "1234567" not in str(refused.value)
    assert "7654321" not in str(refused.value)


def test_a_breaker_of_a_service_that_there_is_not_is_refused_with_those_that_there_are():
    with pytest.raises(ConfigurationError, match=r"breakers names 'history'; valid: .*historical data"):
        IBKRConfig(breakers={"history": BreakerPolicy(), "historical data": BreakerPolicy()})


def test_a_refused_name_is_shown_without_the_ids_in_it():
    with pytest.raises(
        ConfigurationError, match=r"^aliases calls DU\*\*\*67 'my \*\*\* one!'; valid: account ids"
    ):
        IBKRConfig(aliases={"DU1234567": "my DU7654321 one!"})
