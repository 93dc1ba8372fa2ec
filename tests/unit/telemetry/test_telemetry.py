import io
import json
import logging
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.telemetry import (
    ConnectionLost,
    FarmChanged,
    HeldPosition,
    LoggingObserver,
    NullObserver,
    Observers,
    PositionsSeen,
    RedactingFilter,
    RequestEnded,
    event_line,
    is_observed,
    redact,
)

AT = datetime(2025, 3, 14, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("account U1234567 is live", "account U1***67 is live"),
        ("DU1234567,DF7654321", "DU***67,DF***21"),
        ("https://discord.com/api/webhooks/1/abc", "https://discord.com/***"),
        ("https://hc-ping.com/uuid now", "https://hc-ping.com/*** now"),
        ("https://user:pw@example.org/path", "https://***@example.org/path"),
        ("https://example.org/webhook/abc", "https://example.org/***"),
        ("https://example.org/docs", "https://example.org/docs"),
        ('{"api_key": "abc123"}', '{"api_key": "***"}'),
        ("IBKEEL_TOKEN=abc def", "IBKEEL_TOKEN=*** def"),
        ("Authorization: Bearer abcdefghij", "Authorization: Bearer ***"),
        ("SPY 2025-03-21 560 C", "SPY 2025-03-21 560 C"),
    ],
)
def test_what_is_secret_is_masked_and_the_rest_is_kept(text, shown):
    assert redact(text) == shown


@given(st.text(alphabet="DU1234567 =:/@.tokensecrthp*-", max_size=60))
def test_redacting_twice_changes_nothing(text):
    once = redact(text)

    assert redact(once) == once


@given(
    st.integers(100_000, 99_999_999), st.sampled_from(["U", "DU", "DF", "F"]), st.text(" ,;'\"()", max_size=3)
)
def test_no_account_id_survives(number, prefix, around):
    account = f"{prefix}{number}"

    assert account not in redact(f"{around}{account}{around}")


def test_an_event_is_logged_as_its_name_and_masked_key_values(caplog):
    caplog.set_level(logging.DEBUG, "ibkeel")

    LoggingObserver().on_event(ConnectionLost(at=AT, cause="DU1234567 logged in elsewhere"))

    assert caplog.messages == [
        "ConnectionLost at=2025-03-14T15:00:00+00:00 cause='DU***67 logged in elsewhere'"
    ]
    assert caplog.records[0].levelno == logging.WARNING


@pytest.mark.parametrize(("error", "level"), [("", logging.DEBUG), ("RequestTimeout", logging.WARNING)])
def test_a_failed_request_is_louder_than_a_good_one(caplog, error, level):
    caplog.set_level(logging.DEBUG, "ibkeel")

    LoggingObserver().on_event(RequestEnded(at=AT, kind="bars", subject="SPY", seconds=0.25, error=error))

    assert caplog.records[0].levelno == level
    assert "kind=bars subject=SPY seconds=0.25" in caplog.messages[0]


def test_nothing_is_written_when_the_level_is_off(caplog):
    caplog.set_level(logging.ERROR, "ibkeel")

    LoggingObserver().on_event(ConnectionLost(at=AT, cause="x"))

    assert not caplog.records


def test_every_observer_is_told_in_order():
    seen = []

    class Noting(NullObserver):
        def __init__(self, name):
            self.name = name

        def on_event(self, event):
            seen.append((self.name, event))

    event = ConnectionLost(at=AT, cause="x")

    Observers([Noting("a"), NullObserver(), Noting("b")]).on_event(event)

    assert seen == [("a", event), ("b", event)]


def test_an_observer_that_raises_keeps_none_after_it_from_hearing():
    seen, event = [], ConnectionLost(at=AT, cause="x")

    class Faulty(NullObserver):
        def on_event(self, event):
            raise ZeroDivisionError

    class Noting(NullObserver):
        def on_event(self, event):
            seen.append(event)

    with pytest.raises(ExceptionGroup) as raised:
        Observers([Faulty(), Noting()]).on_event(event)

    assert seen == [event]
    assert [type(error) for error in raised.value.exceptions] == [ZeroDivisionError]


def test_the_filter_masks_what_passes_a_handler():
    record = logging.LogRecord("x", logging.INFO, "f", 1, "for %s", ("DU1234567",), None)

    assert RedactingFilter().filter(record)
    assert record.getMessage() == "for DU***67"


def test_what_a_gateway_said_neither_commands_a_terminal_nor_begins_a_line_of_the_log():
    said = "no permissions \x1b]0;x\x07\x1b[2J\r\n2026-01-05 ERROR all is well\x9b2J\u202e"
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.addFilter(RedactingFilter())
    error = ValueError(said)

    handler.handle(logging.LogRecord("x", logging.INFO, "f", 1, "Warning %d: %s", (2104, said), None))
    handler.handle(logging.LogRecord("x", logging.INFO, "f", 1, "it failed", (), (ValueError, error, None)))

    warned, failed, *trace = lines.getvalue().split("\n")
    assert (warned, failed) == (f"Warning 2104: {ascii(said)[1:-1]}", "it failed")
    assert [line for line in (*trace, warned) if not line.isprintable()] == []


@pytest.mark.parametrize("name", ["usfarm\x1b[31m", "us\u202efarm"])
def test_an_event_is_logged_without_what_a_terminal_obeys(caplog, name):
    with caplog.at_level(logging.DEBUG, logger="ibkeel.events"):
        LoggingObserver().on_event(FarmChanged(at=AT, farm=name, before="", after="ok", evidence="2104"))

    assert f"farm={name!r} " in caplog.text


def test_the_filter_masks_the_stack_that_is_logged_along():
    record = logging.LogRecord("x", logging.INFO, "f", 1, "here", (), None, sinfo="at account = DU1234567")

    RedactingFilter().filter(record)

    assert logging.Formatter().format(record) == "here\nat account = DU***67"


def test_nobody_listens_to_an_observer_that_forgets():
    class Listening:
        def on_event(self, event):
            pass

    assert not is_observed(NullObserver())
    assert not is_observed(Observers([NullObserver(), Observers([])]))
    assert is_observed(Listening())
    assert is_observed(Observers([NullObserver(), Listening()]))


@pytest.mark.parametrize("scheme", ["discord", "slack", "tgram", "mailto", "ntfys"])
def test_an_address_of_a_notification_service_is_masked_whole(scheme):
    assert redact(f"to {scheme}://token:secret@host/path now") == f"to {scheme}://*** now"


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), float("-inf")])
def test_a_figure_that_is_none_is_null_in_a_line(figure):
    line = event_line(RequestEnded(at=AT, kind="quote", seconds=figure))

    assert json.loads(line, parse_constant=pytest.fail)["seconds"] is None


def test_nor_does_one_within_a_row_of_an_event_keep_the_others_from_the_line():
    rows = [
        HeldPosition(subject=name, symbol=name, signed_quantity=1.0, average_price=price)
        for name, price in (("SPY", float("nan")), ("QQQ", 4.5))
    ]

    line = event_line(PositionsSeen(at=AT, positions=tuple(rows)))

    told = json.loads(line, parse_constant=pytest.fail)["positions"]
    assert [row["average_price"] for row in told] == [None, 4.5]
