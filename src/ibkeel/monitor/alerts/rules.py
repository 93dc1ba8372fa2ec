"""What is sent, and when: told once, held back while it may pass, summed up, escalated. No clock, no IO."""
# ruff: noqa: SLF001 - the book calls its own methods on changed copies of itself

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final

import attrs

from ibkeel.monitor.alerts.settings import AlertsConfig, Severity
from ibkeel.monitor.alerts.wording import FARM, PROTECTION, SESSION, Concern, Expected, News, Relief
from ibkeel.telemetry import redact

_HOUR: Final = timedelta(hours=1)
_TOGETHER: Final = timedelta(minutes=5)
_MOST_KEYS: Final = 500
_CRITICAL_SHARE: Final = 3
_SHOWN: Final = 10
_ALARMS: Final = {SESSION: "no session", FARM: "data farm"}  # their names; that of a service is its key
_QUIET: Final = "quiet hours"
_RATE: Final = "rate limit"


@attrs.frozen(kw_only=True)
class Alert:
    """A message to a person.

    Args:
        number: Counts the alerts, 1 or more.
        at: When it arose.
        severity: How much it matters.
        key: What it is about.
        title: One line.
        text: The rest.
        kept_back: Why it is not sent; empty when it is.
        is_escalated: Whether those are told too who are told of what lasts.
    """

    number: int
    at: datetime
    severity: Severity
    key: str
    title: str
    text: str
    kept_back: str = ""
    is_escalated: bool = False


@attrs.frozen(kw_only=True)
class Trouble:
    """A concern that lasts.

    Args:
        concern: What it is.
        since: Since when.
        told_at: When it was told; None while it may still pass.
        is_escalated: Whether it was told again.
    """

    concern: Concern
    since: datetime
    told_at: datetime | None = None
    is_escalated: bool = False


@attrs.frozen(kw_only=True)
class AlertBook:
    """What was told, and what may have to be.

    Args:
        config: Whom to tell of what.
        troubles: What lasts, by key.
        told: When news was last told, by key.
        sent: When alerts were sent in the last hour.
        held: Titles that quiet hours and the limit kept back, to be summed up.
        number: Of the last alert.
        is_expected: Whether the session is away in a reset window: what comes of that waits.
    """

    config: AlertsConfig
    troubles: Mapping[str, Trouble] = attrs.field(factory=dict)
    told: Mapping[str, datetime] = attrs.field(factory=dict)
    sent: tuple[datetime, ...] = ()
    held: tuple[str, ...] = ()
    number: int = 0
    is_expected: bool = False

    def hear(self, news: Iterable[News], now: datetime) -> "tuple[AlertBook, tuple[Alert, ...]]":
        """Take in news.

        Args:
            news: Of one event.
            now: Aware.

        Returns:
            The book to keep, and what is to be sent or was kept back.
        """
        book: AlertBook = self
        alerts: list[Alert] = []
        for item in news:
            if isinstance(item, Expected):
                book = attrs.evolve(book, is_expected=item.holds)
                continue
            book, more = book._relieved(item, now) if isinstance(item, Relief) else book._concerned(item, now)
            alerts += more
        return book, tuple(alerts)

    def tick(self, now: datetime) -> "tuple[AlertBook, tuple[Alert, ...]]":
        """Look at the time: what has lasted is told or escalated, what was held back is summed up.

        Args:
            now: Aware.

        Returns:
            The book to keep, and what is to be sent.
        """
        book: AlertBook = self
        alerts: list[Alert] = []
        for known in self.troubles.values():
            trouble = known
            if known.since > now:  # the clock was set back
                trouble = attrs.evolve(known, since=now)
                book = book._with(trouble)
            book, more = book._lasted(trouble, now)
            alerts += more
        book, more = book._summed_up(now)
        return book, (*alerts, *more)

    def _lasted(self, trouble: Trouble, now: datetime) -> "tuple[AlertBook, tuple[Alert, ...]]":
        """What was told of an earlier one of its kind a moment ago is told, or escalated, once it may be repeated."""
        lasted = (now - trouble.since).total_seconds()
        worse = _worse(trouble.concern, lasted)
        if trouble.told_at is None and (lasted < self.config.patience or self._is_held(trouble, now)):
            return self, ()
        if trouble.told_at is None and not self._is_repeated(trouble.concern, now):
            book, alerts = self._tell(trouble.concern, now)
            return book._with(attrs.evolve(trouble, told_at=now)), alerts
        # What was told late, after a reset window, is not told again at once.
        told_for = lasted if trouble.told_at is None else (now - trouble.told_at).total_seconds()
        is_due = min(lasted, 2 * told_for) >= self.config.escalate_after
        if trouble.is_escalated or not is_due or self._is_repeated(worse, now):
            return self, ()
        book, alerts = self._tell(worse, now, is_escalated=True)
        return book._with(attrs.evolve(trouble, told_at=now, is_escalated=True)), alerts

    def _is_held(self, trouble: Trouble, now: datetime) -> bool:
        """Whether it comes of something that is told, or will be: of the session, a farm, or what fails elsewhere."""
        concern = trouble.concern
        kind, _, subject = concern.key.partition(" ")
        causes = {"order": (SESSION,), "service": (SESSION, FARM)}.get(kind, ())
        if kind == "symbol":
            causes = tuple(
                key
                for key, row in takewhile(lambda item: item[0] != concern.key, self.troubles.items())
                # One that began long before is another trouble.
                if key.startswith((SESSION, "service"))
                or (key.startswith(kind) and trouble.since - row.since < _TOGETHER)
            )
        if kind == PROTECTION:
            causes = tuple(key for key in self.troubles if key.startswith(f"alarm {kind} of {subject}: "))
        is_told = any(self._is_told(self.troubles[key], now) for key in causes if key in self.troubles)
        return concern.may_pass and (is_told or (self.is_expected and kind != PROTECTION))

    def _is_told(self, trouble: Trouble, now: datetime) -> bool:
        """Or will be, and is not kept back because an earlier one of its kind was told a moment ago."""
        return trouble.told_at is not None or not self._is_repeated(trouble.concern, now)

    def _concerned(self, concern: Concern, now: datetime) -> "tuple[AlertBook, tuple[Alert, ...]]":
        if not concern.lasts:
            return self._tell(concern, now)
        known = self.troubles.get(concern.key)
        if known is not None and not concern.key.startswith("alarm "):  # which is raised anew on purpose
            return self, ()
        trouble = known or Trouble(concern=concern, since=now)
        is_early = concern.may_pass and self.config.patience > 0
        if is_early or self._is_repeated(concern, now):
            return self._with(trouble), ()
        book, alerts = self._tell(concern, now)
        return book._with(attrs.evolve(trouble, told_at=now)), alerts

    def _relieved(self, relief: Relief, now: datetime) -> "tuple[AlertBook, tuple[Alert, ...]]":
        ended = {key: row for key, row in self.troubles.items() if relief.ends(key)}
        if not ended:
            return self, ()
        left = {key: row for key, row in self.troubles.items() if key not in ended}
        book: AlertBook = attrs.evolve(self, troubles=left)
        alerts: list[Alert] = []
        for trouble in ended.values():
            book, more = book._over(trouble, relief.words, now)
            alerts += more
        return book, tuple(alerts)

    def _over(self, trouble: Trouble, words: str, now: datetime) -> "tuple[AlertBook, tuple[Alert, ...]]":
        is_small = trouble.concern.severity.rank < self.config.least.rank and not trouble.is_escalated
        if not self._has_rung(trouble) and (trouble.told_at is None or is_small):
            return self, ()
        minutes = (now - trouble.since).total_seconds() / 60
        over = attrs.evolve(
            trouble.concern,
            key=f"{trouble.concern.key} over",
            severity=Severity.INFO,
            title=f"Over: {trouble.concern.title}",
            what=f"{words}, after {minutes:.1f} minutes",
            did="it goes on as before",
            todo="",
        )
        book, alerts = self._send(over, now, is_escalated=trouble.is_escalated)
        if trouble.concern.key.removeprefix("alarm ").startswith(PROTECTION) and not alerts[0].kept_back:
            # Whoever heard that all is well hears at once that it is not.
            told = {key: at for key, at in self.told.items() if key != trouble.concern.key}
            book = attrs.evolve(book, told=told)
        return book, alerts

    def _has_rung(self, trouble: Trouble) -> bool:
        """Whether the adapter's alarm of it was told, which has no end of its own."""
        key = trouble.concern.key
        alarm = f"alarm {_ALARMS.get(key, key)}: "
        return any(told.startswith(alarm) and at >= trouble.since for told, at in self.told.items())

    def _is_repeated(self, concern: Concern, now: datetime) -> bool:
        """Whether the same was told so lately that it is not told again."""
        told_at = self.told.get(concern.key)
        return told_at is not None and 0 <= (now - told_at).total_seconds() < self.config.repeat_after

    def _tell(
        self, concern: Concern, now: datetime, *, is_escalated: bool = False
    ) -> "tuple[AlertBook, tuple[Alert, ...]]":
        if concern.severity.rank < self.config.least.rank or self._is_repeated(concern, now):
            return self, ()
        told = {**self.told, concern.key: now}
        if len(told) > _MOST_KEYS:
            del told[next(iter(told))]
        return attrs.evolve(self, told=told)._send(concern, now, is_escalated=is_escalated)

    def _send(
        self, concern: Concern, now: datetime, *, is_escalated: bool
    ) -> "tuple[AlertBook, tuple[Alert, ...]]":
        recent = self._recent(now)
        kept_back = self._against(concern, now, len(recent))
        alert = Alert(
            number=self.number + 1,
            at=now,
            severity=concern.severity,
            key=concern.key,
            title=redact(concern.title),
            text=concern.text,
            kept_back=kept_back,
            is_escalated=is_escalated,
        )
        book = attrs.evolve(
            self,
            number=alert.number,
            sent=recent if kept_back else (*recent, now),
            held=(*self.held[-_MOST_KEYS:], alert.title) if kept_back else self.held,
        )
        return book, (alert,)

    def _recent(self, now: datetime) -> tuple[datetime, ...]:
        return tuple(at for at in self.sent if timedelta(0) <= now - at < _HOUR)

    def _against(self, concern: Concern, now: datetime, recent: int) -> str:
        is_critical = concern.severity is Severity.CRITICAL
        if not is_critical and self.config.is_quiet(now):
            return _QUIET
        most = self.config.per_hour * (_CRITICAL_SHARE if is_critical else 1)
        return _RATE if recent >= most else ""

    def _summed_up(self, now: datetime) -> "tuple[AlertBook, tuple[Alert, ...]]":
        """One message for all that was kept back, once there is room for it."""
        if not self.held or self.config.is_quiet(now) or len(self._recent(now)) >= self.config.per_hour:
            return self, ()
        more = len(self.held) - _SHOWN
        lines = [*self.held[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        summary = Concern(
            key="kept back",
            severity=self.config.least,
            title=f"{len(self.held)} alerts were kept back",
            what="; ".join(lines),
            did="it kept them for this summary, as the quiet hours and the limit of messages ask for",
            todo="look at the dashboard for those that last",
        )
        return attrs.evolve(self, held=())._send(summary, now, is_escalated=False)

    def _with(self, trouble: Trouble) -> "AlertBook":
        return attrs.evolve(self, troubles={**self.troubles, trouble.concern.key: trouble})


def _worse(concern: Concern, lasted: float) -> Concern:
    return attrs.evolve(
        concern,
        key=f"{concern.key} lasts",
        severity=Severity.CRITICAL,
        title=f"For {lasted / 60:.0f} minutes: {concern.title}",
    )
