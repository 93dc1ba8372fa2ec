"""Events into the standard library's logging."""

import logging
from datetime import datetime
from typing import Any, Final

import attrs
from typing_extensions import override

from ibkeel.telemetry import events
from ibkeel.telemetry.observer import Observer
from ibkeel.telemetry.redaction import redact

__all__ = ["LOGGER_NAME", "LoggingObserver", "RedactingFilter"]

LOGGER_NAME: Final = "ibkeel"
_PLAIN: Final = logging.Formatter()

logging.getLogger(LOGGER_NAME).addHandler(logging.NullHandler())

_LEVELS: Final[dict[type[Any], int]] = {
    events.AlarmRaised: logging.ERROR,
    events.AlertUndelivered: logging.WARNING,
    events.ConnectionLost: logging.WARNING,
    events.CycleOverran: logging.WARNING,
    events.FarmChanged: logging.WARNING,
    events.HaltChanged: logging.WARNING,
    events.LimitsChanged: logging.WARNING,
    events.PacingHeld: logging.WARNING,
    events.ServiceChanged: logging.WARNING,
    events.SymbolFailed: logging.WARNING,
    events.SymbolSkipped: logging.WARNING,
    events.Connected: logging.INFO,
    events.CycleEnded: logging.INFO,
    events.DecisionMade: logging.INFO,
    events.Disconnected: logging.INFO,
    events.OrderChanged: logging.INFO,
    events.OrderFilled: logging.INFO,
    events.OrderIntended: logging.INFO,
    events.OrderPlaced: logging.INFO,
    events.RunBegan: logging.INFO,
    events.RunFinished: logging.INFO,
    events.SessionChanged: logging.INFO,
    events.SignalSeen: logging.INFO,
    events.StreamRestored: logging.INFO,
    events.TradingDayClosed: logging.INFO,
    events.TradingDayOpened: logging.INFO,
}


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return f"{value:.6g}"
    text = redact(str(value))
    return repr(text) if not text or any(letter.isspace() or letter in "'\"=" for letter in text) else text


class LoggingObserver(Observer):
    """Logs each event as its name and key-values, with account ids and secrets masked.

    Args:
        logger: Where to; by default the logger `ibkeel.events`.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger(f"{LOGGER_NAME}.events")

    @override
    def on_event(self, event: events.Event) -> None:
        """Log one event; a request that ended well is logged at DEBUG."""
        level = _LEVELS.get(type(event), logging.DEBUG)
        if isinstance(event, events.RequestEnded) and event.error:
            level = logging.WARNING
        if self._logger.isEnabledFor(level):
            fields = attrs.asdict(event, recurse=False)
            pairs = " ".join(f"{key}={_shown(value)}" for key, value in fields.items())
            self._logger.log(level, "%s %s", type(event).__name__, pairs, extra={"event": event})


class RedactingFilter(logging.Filter):
    """Masks account ids and secrets in whatever passes a handler."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the record's text by its redacted form; let every record pass."""
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info or record.exc_text:
            record.exc_text = redact(record.exc_text or _PLAIN.formatException(record.exc_info))  # type: ignore[arg-type]  # never True here
            record.exc_info = None
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True
