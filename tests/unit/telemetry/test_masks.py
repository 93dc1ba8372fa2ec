"""Masks reach tracebacks and every form of account id."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.system import SystemClock
from ibkeel.telemetry import RedactingFilter, redact
from ibkeel.telemetry.redaction import _masked


@pytest.mark.parametrize(
    "account", ["U1234567", "DU1234567", "DUM123456", "DUH1234567", "DF123456", "F1234567", "I123456"]
)
def test_every_form_of_account_is_masked(account):
    assert account not in redact(f"order for {account} refused")


SUSPECT = [
    "DU1234567", "U12345", "token=abc", "password: x1", '"api_key": "k"', "Bearer abcdefgh", "BASIC  Zm9vYmFyYmF6",
    "https://user:pw@host/x", "tgram://bot/chat", "r1-12-SPY", "SPY", "12345", "no_signal", "webhook", "\u017fecret=1",
]  # fmt: skip


@given(st.lists(st.sampled_from(SUSPECT) | st.text(max_size=8), max_size=6).map(" ".join))
def test_a_text_in_which_nothing_looks_suspect_has_nothing_to_mask(text):
    assert redact(text) == _masked(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("--token=abc", "--token=***"),
        ("x--api-key: abc", "x--api-key: ***"),
        ("_token=abc", "_token=***"),
        ("see...https://user:pw@host/x", "see...https://***"),
        ("-https://user:pw@host/x", "-https://***@host/x"),
        ("1https://user:pw@host/x", "1https://***@host/x"),
    ],
)
def test_a_secret_is_masked_whatever_stands_before_it(text, shown):
    assert redact(text) == shown


@pytest.mark.parametrize("word", ["a-", "a.", "a_", "token-", "1.", "x://"])
def test_a_long_text_of_others_does_not_hold_up_the_loop(word):
    clock = SystemClock()
    started = clock.monotonic()

    redact(word * 20_000 + " 12345=")

    assert clock.monotonic() - started < 2


def test_a_traceback_is_masked_too():
    logger, seen = logging.getLogger("ibkeel.test.redaction"), []
    handler = logging.Handler()
    handler.addFilter(RedactingFilter())
    handler.emit = lambda record: seen.append(handler.format(record))
    logger.addHandler(handler)
    logger.propagate = False

    try:
        raise ValueError("no such account DU1234567")  # noqa: TRY301 - to have a traceback
    except ValueError:
        logger.exception("failed for %s", "DU1234567")

    assert "ValueError" in seen[0]
    assert "DU1234567" not in seen[0]


class Unprintable:
    def __str__(self):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("line", "arguments"),
    [("filled %d for DU1234567", ("ten",)), (Unprintable(), ()), ("%s of %s", ("DU1234567",))],
)
def test_a_line_that_is_no_message_does_not_end_its_program(line, arguments):
    record = logging.LogRecord("bot", logging.INFO, __file__, 1, line, arguments, None)

    assert RedactingFilter().filter(record)

    assert "is no message" in record.getMessage()
    assert "DU1234567" not in record.getMessage()
