"""What a bot's file says of its Gateway reaches the adapter."""

from pathlib import Path

import pytest

from ibkeel.cli.bot_config import MonitoredBot
from ibkeel.cli.live import address_of
from ibkeel.errors import ConfigurationError
from ibkeel.ibkr import DEFAULT_WINDOWS, WINDOWS_OF_REGION, OrderMode, windows_of
from ibkeel.runner import load_config_as

JOURNAL = Path("state/journal.sqlite")


def told(tmp_path, section):
    path = tmp_path / "bot.toml"
    path.write_text(f"[gateway]\n{section}\n")
    return address_of(load_config_as(MonitoredBot, path, {}), JOURNAL)


def test_every_word_of_the_section_counts(tmp_path):
    address = told(
        tmp_path,
        """
        host = "gateway"
        port = 4001
        client_id = 9
        orders = "LIVE"
        live_account = "U1234567"
        aliases = {U1234567 = "main"}
        region = "asia pacific"
        auto_restart = "05:10 Asia/Hong_Kong"
        market_data_lines = 250
        """,
    )

    assert (address.host, address.port, address.client_id) == ("gateway", 4001, 9)
    assert (address.orders, address.live_account) == (OrderMode.LIVE, "U1234567")
    assert dict(address.aliases) == {"U1234567": "main"}
    assert address.reset_windows == windows_of("asia pacific", "05:10 Asia/Hong_Kong")
    assert address.market_data_lines == 250


def test_without_a_word_the_windows_are_the_default(tmp_path):
    address = told(tmp_path, "")

    assert address.reset_windows == DEFAULT_WINDOWS
    assert address.market_data_lines == 100


@pytest.mark.parametrize("region", WINDOWS_OF_REGION)
def test_every_region_that_has_windows_may_be_named(region, tmp_path):
    assert told(tmp_path, f'region = "{region}"').reset_windows == WINDOWS_OF_REGION[region]


@pytest.mark.parametrize(
    "word",
    [
        'region = "Europe"',
        'auto_restart = "23:55"',
        'auto_restart = "23:55 Europe/Zuerich"',
        'auto_restart = "23:55+01:00 Europe/Zurich"',
        'auto_restart = "23:55  Europe/Zurich"',
        "auto_restart = 23:55:00",
        "market_data_lines = 0",
    ],
)
def test_a_word_that_means_nothing_is_refused_where_it_stands(word, tmp_path):
    with pytest.raises(ConfigurationError, match=r"bot\.toml:2\): .*(valid|is not a text)") as refused:
        told(tmp_path, word)

    assert word.partition(" ")[0] in str(refused.value)
