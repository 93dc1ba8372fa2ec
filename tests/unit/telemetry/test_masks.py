"""Masks reach tracebacks and every form of account id."""

import logging

import pytest

from ibkeel.telemetry import RedactingFilter, redact


@pytest.mark.parametrize(
    "account", ["U1234567", "DU1234567", "DUM123456", "DUH1234567", "DF123456", "F1234567", "I123456"]
)
def test_every_form_of_account_is_masked(account):
    assert account not in redact(f"order for {account} refused")


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
