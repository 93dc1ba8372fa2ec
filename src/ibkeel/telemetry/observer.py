"""Who is told what happened; and events into the standard library's logging.

Names are in the past tense; durations are seconds, instants aware UTC. A record carries text that
is fit to be shown: an error by its type and message, a contract by its name, an account masked.
"""

import json
import logging
from asyncio import AbstractEventLoop, CancelledError
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from enum import Enum
from math import isfinite
from typing import Any, Final, Protocol, get_args

import attrs
from typing_extensions import override

from ibkeel.telemetry import gateway_events, run_events, trading_events
from ibkeel.telemetry.redaction import printable, redact

Event = (
    gateway_events.SessionEvent
    | gateway_events.RequestEvent
    | run_events.RunEvent
    | run_events.AlarmEvent
    | trading_events.TradingEvent
)
"""Anything that an observer is told."""

_AS_IT_IS: Final = frozenset({bool, float, int, type(None)})
LOGGER_NAME: Final = "ibkeel"
_PLAIN: Final = logging.Formatter()

logging.getLogger(LOGGER_NAME).addHandler(logging.NullHandler())

_WARNINGS: Final = (
    gateway_events.ConnectionLost,
    gateway_events.FarmChanged,
    gateway_events.PacingHeld,
    gateway_events.ServiceChanged,
    run_events.AlertUndelivered,
    run_events.CycleOverran,
    run_events.LimitsChanged,
    run_events.SymbolFailed,
    run_events.SymbolSkipped,
    trading_events.HaltChanged,
)
_NEWS: Final = (
    gateway_events.Connected,
    gateway_events.Disconnected,
    gateway_events.SessionChanged,
    gateway_events.StreamRestored,
    run_events.AlarmEnded,
    run_events.CycleEnded,
    run_events.RunBegan,
    run_events.RunFinished,
    run_events.SymbolWarmed,
    run_events.TradingDayClosed,
    run_events.TradingDayOpened,
    trading_events.DecisionMade,
    trading_events.OrderChanged,
    trading_events.OrderFilled,
    trading_events.OrderIntended,
    trading_events.OrderPlaced,
    trading_events.SignalSeen,
)
_LEVELS: Final[dict[type[Any], int]] = {
    run_events.AlarmRaised: logging.ERROR,
    **dict.fromkeys(_WARNINGS, logging.WARNING),
    **dict.fromkeys(_NEWS, logging.INFO),
}


class Observer(Protocol):
    """Told of every event, in the order in which they happened, on the loop's own thread.

    It must return at once. It is told, it does not decide: what it raises a broker and a runner tell to the
    loop's exception handler, once for each kind of event, and go on.
    """

    def on_event(self, event: Event) -> None:
        """Take notice of one event."""
        ...


class NullObserver(Observer):
    """Takes no notice: what is used when nobody was named."""

    @override
    def on_event(self, event: Event) -> None:
        """Forget the event."""


class Observers(Observer):
    """Tells several observers, in the order given."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observer for observer in observers if is_observed(observer))

    @property
    def is_empty(self) -> bool:
        """Whether none of them takes notice."""
        return not self._observers

    @override
    def on_event(self, event: Event) -> None:
        """Tell each observer; what some raise is raised when all were told.

        Raises:
            BaseExceptionGroup: Of what they raised.
        """
        errors = []
        for observer in self._observers:
            try:
                observer.on_event(event)
            except (Exception, CancelledError) as error:  # noqa: BLE001 - the one after it may be who tells people
                errors.append(error)
        if errors:
            raise BaseExceptionGroup(f"observers raised at {type(event).__name__}", errors)


def unfailing(observer: Observer, loop: Callable[[], AbstractEventLoop]) -> Observer:
    """The same observer; what it raises is told to the loop's exception handler, and ends nothing.

    Args:
        observer: Somebody's own.
        loop: Whose handler it is.
    """
    return _Unfailing(observer, loop) if is_observed(observer) else observer


class _Unfailing(Observer):
    def __init__(self, observer: Observer, loop: Callable[[], AbstractEventLoop]) -> None:
        self._observer, self._loop = observer, loop
        self._told: set[type[Event]] = set()

    @override
    def on_event(self, event: Event) -> None:
        try:
            self._observer.on_event(event)
        # Somebody's own may raise anything, after an order left, too; a cancel of it is not that of who asked.
        except (Exception, CancelledError, BaseExceptionGroup) as error:  # noqa: BLE001
            if type(event) not in self._told:
                self._told.add(type(event))
                words = (
                    f"the observer raised at {type(event).__name__}; this is told once for each kind of event"
                )
                self._loop().call_exception_handler({"message": words, "exception": error})


def is_observed(observer: Observer) -> bool:
    """Whether anybody takes notice; if not, what happens often need not even be made into an event.

    Args:
        observer: Of which it is asked once, when it is handed over.
    """
    if isinstance(observer, Observers):
        return not observer.is_empty
    return type(observer) is not NullObserver


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return f"{value:.10g}"
    text = redact(str(value))
    is_plain = text.isprintable() and not set(" '\"=").intersection(text)
    return text if text and is_plain else repr(text)


class LoggingObserver(Observer):
    """Logs each event as its name and key-values, with account ids and secrets masked.

    Args:
        logger: Where to; by default the logger `ibkeel.events`.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger(f"{LOGGER_NAME}.events")

    @override
    def on_event(self, event: Event) -> None:
        """Log one event; a request that ended well is logged at DEBUG."""
        level = _LEVELS.get(type(event), logging.DEBUG)
        if isinstance(event, gateway_events.RequestEnded) and event.error:
            level = logging.WARNING
        if self._logger.isEnabledFor(level):
            fields = attrs.asdict(event, recurse=False)
            pairs = " ".join(f"{key}={_shown(value)}" for key, value in fields.items())
            self._logger.log(level, "%s %s", type(event).__name__, pairs, extra={"event": event})


class RedactingFilter(logging.Filter):
    """Masks account ids and secrets in whatever passes a handler, and escapes what a terminal would obey.

    What a Gateway says is in the client library's records as it came, line ends included: it begins no line of its own.
    """

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the record's text by its redacted form; let every record pass."""
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - as in a handler: a faulty line ends no program
            text = f"{record.msg!r} % {record.args!r} is no message"
        record.msg, record.args = printable(redact(text)), None
        if record.exc_info or record.exc_text:
            text = redact(record.exc_text or _PLAIN.formatException(record.exc_info))  # type: ignore[arg-type]  # never True here
            record.exc_text = "\n".join(map(printable, text.split("\n")))
            record.exc_info = None
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


def event_data(event: Event) -> dict[str, Any]:
    """An event as plain data: `event`, its name, then its fields; instants are ISO texts."""
    data: dict[str, Any] = {"event": type(event).__name__}
    for name in _FIELDS.get(type(event)) or _names_of(type(event)):
        value = getattr(event, name)
        data[name] = value if type(value) in _AS_IT_IS else _plain(value)
    return data


def event_line(event: Event) -> str:
    """An event as one line of JSON, without the end of the line; a figure that is none (NaN) is null."""
    return _line(event_data(event))


def _line(data: dict[str, Any]) -> str:
    try:
        return _dump(data)
    except ValueError:  # NaN, which no other program reads
        return _dump(_finite(data))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(row) for name, row in value.items()}
    if isinstance(value, list):
        return [_finite(row) for row in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _names_of(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(kind))


_FIELDS: Final[dict[type[Any], tuple[str, ...]]] = {kind: _names_of(kind) for kind in get_args(Event)}


def _plain(value: Any) -> Any:
    write = _WRITERS.get(type(value))
    if write is not None:
        return write(value)
    if isinstance(value, Mapping):
        return {redact(str(key)): _plain(row) for key, row in value.items()}
    if attrs.has(type(value)):
        return {name: _plain(getattr(value, name)) for name in _names_of(type(value))}
    if isinstance(value, Enum):
        return value.value
    return value if type(value) in _AS_IT_IS else redact(str(value))


_WRITERS: Final[dict[type, Callable[[Any], Any]]] = {
    str: redact,
    date: date.isoformat,
    datetime: datetime.isoformat,
    list: lambda rows: [_plain(row) for row in rows],
    tuple: lambda rows: [_plain(row) for row in rows],
}
_dump: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), default=str, allow_nan=False
).encode


class JsonFormatter(logging.Formatter):
    """Log records as lines of JSON: `at`, `level`, `logger`, `message` and, of an event, its fields.

    Account ids and secrets are masked, in tracebacks too.
    """

    @override
    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        data: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        event = getattr(record, "event", None)
        if event is not None and attrs.has(type(event)):
            data |= event_data(event)
        else:
            data["message"] = redact(record.getMessage())
        if record.exc_info or record.exc_text:
            data["error"] = redact(record.exc_text or self.formatException(record.exc_info))  # type: ignore[arg-type]  # never True here
        return _line(data)
