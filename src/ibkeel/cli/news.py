"""What a person at a terminal hears of a running bot: one line for each thing that happened."""

import re
from collections.abc import Callable
from typing import Final

from typing_extensions import override

from ibkeel.cli.screen import NEW_YORK
from ibkeel.telemetry import (
    AlarmEnded,
    AlarmRaised,
    AlertUndelivered,
    Connected,
    ConnectionLost,
    DecisionMade,
    Event,
    HaltChanged,
    Observer,
    OrderChanged,
    OrderFilled,
    OrderIntended,
    OrderPlaced,
    RunBegan,
    SessionChanged,
    SymbolFailed,
    TradingDayOpened,
)

_NO_ORDER: Final = {"no_option": "no option will do", "no_size": "no size", "refused": "refused"}
_FIGURES: Final = re.compile(r"\d[\d.,:]*")


class News(Observer):
    """Tells orders, fills, refusals, halts, failures and lost alerts, each in a line with the time in New York.

    What comes again and again is told once a session: a refusal whose words differ in figures only, and an
    error of one kind in one symbol. An order and a fill are told once, though broker and runner speak of each.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._intended: dict[str, OrderIntended] = {}
        self._told: set[tuple[str, ...]] = set()
        self._halt = ""
        self._is_lost = False
        self._has_begun = False  # a session begins with the fills of the day that it finds

    @override
    def on_event(self, event: Event) -> None:
        words = self._words(event)
        if words:
            self._tell(f"{event.at.astimezone(NEW_YORK):%H:%M:%S} {' '.join(words.split())}")

    def _words(self, event: Event) -> str:
        match event:
            case OrderIntended():
                self._intended[event.client_order_id] = event
            case OrderPlaced() if self._is_new("placed", event.client_order_id):
                return self._sent(event)
            case OrderFilled(is_leg=False) if self._is_new("filled", event.exec_id) and self._has_begun:
                number, word = event.client_order_id, "corrected" if event.is_correction else "filled"
                return f"{word}: {event.side} {event.quantity:.10g} {event.subject} at {event.price:.10g} ({number})"
            case OrderChanged(state="rejected") if self._is_new("rejected", event.client_order_id):
                return f"rejected by the venue: {event.client_order_id}: {event.reason}"
            case DecisionMade() if event.outcome in _NO_ORDER:
                return self._not_entered(event)
            case SymbolFailed():
                what = f"{event.symbol or 'bot'}: {event.error}: {event.message}"
                return what if self._is_new("error", event.symbol, event.error) else ""
            case _:
                return self._of_alarms(event) or self._of_the_run(event)
        return ""

    def _of_alarms(self, event: Event) -> str:
        match event:
            case AlarmRaised() if self._is_new("alarm", event.name, event.message):
                return f"ALARM {event.name}: {event.message}"
            case AlarmEnded():
                self._told = {key for key in self._told if key[:2] != ("alarm", event.name)}
                return f"alarm over, {event.name}: {event.message}"
            case AlertUndelivered() if self._is_new("undelivered", event.channel):
                what = "an alert" if event.number else "the heartbeat"
                return f"{what} does not arrive by {event.channel}: {event.cause}"
        return ""

    def _of_the_run(self, event: Event) -> str:
        match event:
            case HaltChanged():
                return self._halted(event.reason)
            case ConnectionLost():
                self._is_lost = True
                return f"connection lost: {event.cause}"
            case Connected() if self._is_lost:
                self._is_lost = False
                return "connected again"
            case SessionChanged(before="connecting", after="reconnecting"):
                return f"no connection, trying again: {event.cause}"
            case SessionChanged(after="maintenance") if self._is_new("reset"):
                return "the Gateway resets at this hour: attempts to connect are farther apart"
            case RunBegan():
                self._has_begun = True
            case TradingDayOpened():
                self._told = {key for key in self._told if key[0] == "filled"}
                self._intended.clear()
                until = f"{event.closes_at.astimezone(NEW_YORK):%H:%M}"
                return f"session of {event.day:%A, %d %B %Y}, until {until} New York"
        return ""

    def _sent(self, event: OrderPlaced) -> str:
        known = self._intended.get(event.client_order_id)
        purpose, why = ("with it", "") if known is None else (known.purpose, known.reason)
        how = "" if event.was_sent else ", not sent: dry run"
        terms = f" {event.terms}" if event.terms else ""
        what = (
            f"{purpose}: {event.side} {event.quantity} {event.subject}{terms} ({event.client_order_id}){how}"
        )
        return f"{what}; {why}" if why else what

    def _not_entered(self, event: DecisionMade) -> str:
        kinds = (_FIGURES.sub("#", reason) for reason in event.reasons)
        if not [kind for kind in kinds if self._is_new(event.symbol, event.outcome, kind)]:
            return ""
        return f"{event.symbol} not entered, {_NO_ORDER[event.outcome]}: {'; '.join(event.reasons)}"

    def _halted(self, reason: str) -> str:
        before, self._halt = self._halt, reason.partition(", since ")[0]
        if self._halt == before:
            return ""
        return f"entries are halted: {self._halt}" if reason else "the halt is lifted: entries may pass again"

    def _is_new(self, *key: str) -> bool:
        is_new = key not in self._told
        self._told.add(key)
        return is_new
