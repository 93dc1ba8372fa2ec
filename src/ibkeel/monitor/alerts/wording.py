"""From an event to what a person should hear of it."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs

from ibkeel import telemetry as events
from ibkeel.monitor.alerts.settings import Severity
from ibkeel.telemetry import Event, redact

_WELL: Final = frozenset({"ready", "stopped", "idle"})
_KNOWS_WINDOWS: Final = frozenset({"no session", "data farm"})  # alarms of the adapter
_FIGURES: Final = re.compile(r"\d[\d.,:]*")
PROTECTION: Final = "protection"
SESSION: Final = "session"
FARM: Final = "session farm"
_ALL: Final[frozenset[str]] = frozenset()


@attrs.frozen(kw_only=True)
class Concern:
    """Something that a person may have to know.

    Args:
        key: What it is about; the same key is the same news.
        severity: How much it matters.
        title: One line.
        what: What happened.
        did: What ibkeel did about it.
        todo: What the reader should do; empty for nothing.
        lasts: Whether it goes on until its relief comes.
        may_pass: Whether it is told only when it has lasted for a while.
    """

    key: str
    severity: Severity
    title: str
    what: str
    did: str
    todo: str = ""
    lasts: bool = False
    may_pass: bool = False

    @property
    def text(self) -> str:
        """What happened, what was done, what to do; account ids and secrets masked."""
        lines = [f"What happened: {self.what}", f"What ibkeel did: {self.did}"]
        lines.append(f"What you should do: {self.todo or 'nothing; this is for your information'}")
        return redact("\n".join(lines))


@attrs.frozen
class Relief:
    """A trouble is over.

    Args:
        key: Of the trouble.
        words: What ended it.
        but: Ends every trouble whose key begins with `key`, but for these; None for the one of that key.
    """

    key: str
    words: str
    but: frozenset[str] | None = None

    def ends(self, key: str) -> bool:
        """Whether it ends the trouble of that key."""
        return key == self.key if self.but is None else key.startswith(self.key) and key not in self.but


@attrs.frozen
class Expected:
    """Whether the session is away in a reset window."""

    holds: bool


News = Concern | Relief | Expected

_CRITICAL, _WARNING, _INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO


def news_of(event: Event) -> tuple[News, ...]:
    """What an event means to a person; most mean nothing.

    Args:
        event: Anything.
    """
    words = _WORDS.get(type(event))
    return () if words is None else tuple(words(event))


_OF_ALARMS: Final = {
    "bot cannot start": (
        "it ends; unless a hand must start it, systemd or compose starts it again; stops at the venue stay there",
        "log in to the Gateway, or answer what it asks on its screen; `ibkeel doctor` says what else is wrong",
    ),
    "protection of ": (
        "it goes on looking, and mends what it can by its own orders",
        "compare position and orders in TWS or Client Portal; place, change or cancel the stop by hand, or close there",
    ),
    "": (
        "it goes on with what it can do safely, and enters nothing that it cannot protect",
        "read the message, look at the dashboard, and at the account itself in TWS or Client Portal",
    ),
}


def _alarm(event: events.AlarmRaised) -> Iterator[News]:
    did, todo = next(words for name, words in _OF_ALARMS.items() if event.name.startswith(name))
    if event.name in _KNOWS_WINDOWS:
        yield Expected(False)
    yield Concern(
        key=f"alarm {event.name}: {_FIGURES.sub('#', event.message)}",
        severity=_CRITICAL,
        title=f"Alarm: {event.name}",
        what=event.message,
        did=did,
        todo=todo,
        lasts=event.lasts,
    )


def _alarm_over(event: events.AlarmEnded) -> Iterator[News]:
    yield Relief(f"alarm {event.name}: ", event.message, _ALL)


def _part(state: str) -> str:
    """What is amiss in that state of the session; empty when nothing is."""
    return "" if state in _WELL else FARM if state == "degraded" else SESSION


def _session(event: events.SessionChanged) -> Iterator[News]:
    before, after = _part(event.before), _part(event.after)
    if not after:
        # That it was ended on purpose mends nothing, and is no news.
        if event.after == "ready":
            yield Relief(SESSION, "the session is ready", _ALL)
        yield Expected(False)
        return
    if event.window:
        yield Expected(True)
    if before == after:
        return
    title = f"The session with the Gateway is {event.after}"
    did = "it looks for a good session by itself, enters nothing meanwhile, and reconciles its orders afterwards"
    todo = "see whether the Gateway runs, is logged in and has a network; stops at the venue stay there"
    if after == FARM:
        yield Relief(SESSION, "there is a session")
        title = "A data farm of the Gateway is broken"
        did = "it enters nothing on prices that may be old; stops and exits go on"
        todo = "wait: farms mend themselves"
    yield Concern(
        key=after,
        severity=_WARNING,
        title=title,
        what=f"it was {event.before} and is {event.after}" + (f": {event.cause}" if event.cause else ""),
        did=did,
        todo=todo,
        lasts=True,
        may_pass=True,
    )


def _service(event: events.ServiceChanged) -> Iterator[News]:
    key = f"service {event.service}"
    if event.service == "connect":
        return  # the session says it
    if event.after == "closed":
        yield Relief(key, f"{event.service} works again")
    elif event.before == "closed":
        yield Concern(
            key=key,
            severity=_WARNING,
            title=f"{event.service.capitalize()} keeps failing",
            what=event.cause or "its circuit opened",
            did="it asks this service no more, but for one try now and then",
            todo="run `ibkeel doctor`; data farms and subscriptions are the usual causes",
            lasts=True,
            may_pass=True,
        )


def _skipped(event: events.SymbolSkipped) -> Iterator[News]:
    yield Concern(
        key=f"symbol {event.symbol}",
        severity=_WARNING,
        title=f"No data for {event.symbol}",
        what=f"{event.failures} cycles in a row failed there, and maybe elsewhere",
        did="it leaves the symbol out of some cycles, then tries again; stops at the venue stay there",
        todo="run `ibkeel doctor`; another login of this user and subscriptions are the usual causes",
        lasts=True,
        may_pass=True,
    )


def _decided(event: events.DecisionMade) -> Iterator[News]:
    yield Relief(f"symbol {event.symbol}", f"{event.symbol} is decided on again")


def _order(event: events.OrderChanged) -> Iterator[News]:
    name, key = event.client_order_id, f"order {event.client_order_id}"
    order = event.subject and f"{event.side} {event.quantity:.10g} {event.subject} {event.terms}: "
    if event.state == "unknown":
        yield Concern(
            key=key,
            severity=_CRITICAL,
            title=f"Nobody knows what became of order {name}",
            what=order + (event.reason or "the venue has not said what became of it"),
            did="it enters nothing until that is known, of an entry until the next session at most, and resends nothing",
            todo="look for the order in TWS or Client Portal; cancel or close there what should not be",
            lasts=True,
            may_pass=True,
        )
        return
    yield Relief(key, f"order {name} is {event.state}")
    if event.state == "rejected":
        reason = event.reason or "the venue gave no reason"
        yield Concern(
            key=f"rejected: {_FIGURES.sub('#', reason)}",  # a stop is tried again and again
            severity=_WARNING,
            title=f"Order {name} was rejected",
            what=order + reason,
            did="it withdraws a bracket whole, tries an exit again, and after code 201 enters nothing more today",
            todo="see whether funds, permissions and price steps allow such an order, and what is held",
        )


def _positions(event: events.PositionsSeen) -> Iterator[News]:
    held = frozenset(f"{PROTECTION} {row.subject}" for row in event.positions)
    yield Relief(f"{PROTECTION} ", "it is held no more", held)
    yield from (_protection(row) for row in event.positions if row.protection is not None)


def _protection(row: events.HeldPosition) -> News:
    key = f"{PROTECTION} {row.subject}"
    if not row.uncovered:
        return Relief(key, f"{row.subject} is protected")
    part = f"{row.uncovered:.10g} of " if row.protection else ""
    return Concern(
        key=key,
        severity=_CRITICAL,
        title=f"{part}{row.subject} {'have' if part else 'has'} no order that protects {'them' if part else 'it'}",
        what=f"{row.signed_quantity:.10g} of {row.subject} are held, and no working order would close {part}them",
        did="it places a stop for what its own orders opened; it leaves alone what is not its own",
        todo="place a stop by hand, or close the position",
        lasts=True,
        may_pass=True,
    )


def _loss(event: events.LossGuardRead) -> Iterator[News]:
    if not event.tripped:
        yield Relief("daily loss", "a new session began")
        return
    yield Concern(
        key="daily loss",
        severity=_WARNING,
        title="The daily loss limit was reached",
        what=event.reason,
        did="it enters nothing for the rest of the session; stops and exits go on",
        todo="see whether the open positions are as you want them",
        lasts=True,
    )


def _halt(event: events.HaltChanged) -> Iterator[News]:
    if not event.is_halted:
        yield Relief("halt", "entries may pass again")
        return
    yield Concern(
        key="halt",
        severity=_WARNING,
        title="Entries are halted",
        what=event.reason,
        did="it cancelled the entries that worked; exits pass",
        todo="`ibkeel halt --lift` lets entries pass again",
        lasts=True,
    )


def _held_pacing(event: events.PacingHeld) -> Iterator[News]:
    yield Concern(
        key=f"pacing {event.rule}",
        severity=_WARNING,
        title=f"The Gateway counted more than its limit: {event.rule}",
        what=f"it said that the limit {event.rule} was passed",
        did="it lets a whole window go by; closing orders go on",
        todo="see whether another program uses the same login",
    )


def _day_over(event: events.TradingDayClosed) -> Iterator[News]:
    # Whoever lacks data in the next session is told of anew.
    yield Relief("symbol ", "the session is over, and nothing is decided until the next", _ALL)
    if event.held == 0:
        return
    known = "nobody could look what is still held"
    if event.held is not None:
        known = "1 position is held" if event.held == 1 else f"{event.held} positions are held"
    yield Concern(
        key=f"held {event.day}",
        severity=_WARNING,
        title=f"The session of {event.day} ended, and {known}",
        what=event.detail or known,
        did="it tried to close what its configuration says",
        todo="look at the account before the next session",
    )


def _run_began(event: events.RunBegan) -> Iterator[News]:
    count = len(event.symbols)
    title = f"{event.strategy} runs on {count} symbol{'' if count == 1 else 's'}, {event.mode}"
    yield Concern(key=f"run {event.run}", severity=_INFO, title=title, what=title, did="it began")


def _run_over(event: events.RunFinished) -> Iterator[News]:
    is_well = event.outcome == "finished"
    yield Concern(
        key=f"run {event.run} over",
        severity=_INFO if is_well else _WARNING,
        title=f"The run {event.run} is over: {event.outcome}",
        what=f"the run ended: {event.outcome}" + (f"; left open: {event.detail}" if event.detail else ""),
        did="it cancelled nothing at the venue: stops stay there",
        todo="" if is_well else "see why it ended, and whether anything is still held",
    )


def _filled(event: events.OrderFilled) -> Iterator[News]:
    word = "Corrected: " if event.is_correction else ""
    title = f"{word}{event.side} {event.quantity:.10g} {event.subject} at {event.price:.10g}"
    yield Concern(key=f"fill {event.exec_id}", severity=_INFO, title=title, what=title, did="journaled it")


_WORDS: Final[Mapping[type, Callable[[Any], Iterator[News]]]] = {
    events.AlarmEnded: _alarm_over,
    events.AlarmRaised: _alarm,
    events.DecisionMade: _decided,
    events.HaltChanged: _halt,
    events.LossGuardRead: _loss,
    events.OrderChanged: _order,
    events.OrderFilled: _filled,
    events.PacingHeld: _held_pacing,
    events.PositionsSeen: _positions,
    events.RunBegan: _run_began,
    events.RunFinished: _run_over,
    events.ServiceChanged: _service,
    events.SessionChanged: _session,
    events.SymbolSkipped: _skipped,
    events.TradingDayClosed: _day_over,
}
