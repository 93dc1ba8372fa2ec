"""Planted secrets, in every record and setting; what a person may see of them."""

import json
import logging
from datetime import UTC, datetime
from typing import get_args

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkeel.cli.bot_config import MonitoredBot
from ibkeel.errors import ConfigurationError
from ibkeel.ibkr import IBKRConfig
from ibkeel.monitor import AlertsConfig, Board, Metrics, snapshot_data
from ibkeel.monitor.alerts import AlertBook, news_of
from ibkeel.runner import GatewayConfig, load_config_as
from ibkeel.telemetry import Event, LoggingObserver, event_line
from ibkeel.testing.strategies import events

AT = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
TOKEN = "sEcReT0123456789"
PLANTED = (
    "DU1234567",
    f"https://hooks.slack.com/services/T0/{TOKEN}",
    f"https://discord.com/api/webhooks/1/{TOKEN}",
    f"discord://{TOKEN}/{TOKEN}",
    f"tgram://{TOKEN}/12",
    f"mailto://me:{TOKEN}@example.org",
    f"https://example.org/hook?token={TOKEN}",
    f"token={TOKEN}",
    f"Authorization: Bearer {TOKEN}",
)
WORDS = st.sampled_from(["ready", "open", "critical", "unknown", "SPY"])
TEXTS = st.lists(st.sampled_from(PLANTED) | WORDS, max_size=3).map(" ".join)


def is_clean(text):
    return TOKEN not in text and "DU1234567" not in text


class Lines(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(self.format(record))


@settings(max_examples=60, deadline=None)
@given(st.lists(events(texts=TEXTS), max_size=6))
def test_no_sink_and_no_representation_shows_what_an_event_was_given(happened):
    board, book = Board(), AlertBook(config=AlertsConfig(least="info", patience=0))
    metrics, handler = Metrics(board), Lines()
    logger = logging.getLogger("planted")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.DEBUG)
    log = LoggingObserver(logger)

    alerts = []
    for event in happened:
        for observer in (board, metrics, log):
            observer.on_event(event)
        book, more = book.hear(news_of(event), AT)
        alerts += more

    assert is_clean("".join(map(event_line, happened)))
    assert is_clean("".join(handler.lines))
    assert is_clean(json.dumps(snapshot_data(board.snapshot, now=AT)))
    assert is_clean(metrics.text())
    assert is_clean(repr(alerts) + repr(book) + repr(happened) + repr(board.snapshot))


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_every_text_of_an_event_is_masked_when_it_is_made(kind):
    names = [field.name for field in attrs.fields(kind) if field.type is str]

    @settings(max_examples=1, database=None)
    @given(events(kind, texts=st.just(PLANTED[0])))
    def made(event):
        assert all(getattr(event, name) == "DU***67" for name in names)

    made()


@pytest.mark.parametrize(
    "config",
    [
        AlertsConfig(urls=PLANTED[3:6], escalation_urls=PLANTED[3:4], heartbeat_url=PLANTED[6]),
        MonitoredBot(
            gateway=GatewayConfig(orders="LIVE", live_account="DU1234567"),
            alerts=AlertsConfig(urls=PLANTED[3:5]),
        ),
        IBKRConfig(account="DU1234567"),
    ],
    ids=lambda config: type(config).__name__,
)
def test_no_configuration_shows_its_secrets(config):
    assert is_clean(f"{config!r} {config}")


@pytest.mark.parametrize(
    "line",
    [
        "url = '{}'",
        "urls = 5\nheartbeat_url = '{}'",
        "urls = ['{}', 'no address']",
        "escalation_url = ['{}']",
        "heartbeat_url = 'ftp://{}'",
        "heartbeat_url = ['{}']",
        "webhook = '{}'",
    ],
)
@pytest.mark.parametrize("secret", PLANTED)
def test_no_error_of_a_configuration_shows_its_secrets(tmp_path, line, secret):
    path = tmp_path / "bot.toml"
    path.write_text("[alerts]\nper_hour = 0\n" + line.format(secret) + "\n", encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        load_config_as(MonitoredBot, path, {"IBKEEL_ALERTS__QUIET_HOURS": "late"})

    assert is_clean(str(caught.value))
    assert "alerts.per_hour = 0" in str(caught.value)
    assert "IBKEEL_ALERTS__QUIET_HOURS" in str(caught.value)
