"""Hears events on the loop, decides by the rules, and has couriers deliver."""

import asyncio
import json
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from typing_extensions import override

from ibkeel.clock import Clock
from ibkeel.errors import ConfigurationError
from ibkeel.locks import replace_file
from ibkeel.monitor.alerts.courier import AppriseChannel, Channel, Courier, Fate, Message, Rest, WebAddress
from ibkeel.monitor.alerts.rules import Alert, AlertBook
from ibkeel.monitor.alerts.settings import AlertsConfig
from ibkeel.monitor.alerts.wording import news_of
from ibkeel.resilience import Backoff
from ibkeel.telemetry import (
    AlarmEnded,
    AlarmRaised,
    AlertDelivered,
    AlertQueued,
    AlertUndelivered,
    Event,
    Observer,
    SessionChanged,
)

_LOOK: Final = 5.0
_PARTING: Final = 5.0
_APART: Final = timedelta(hours=1)  # what is started again by itself is so sooner
_NO_START: Final = "bot cannot start"
_HAS_LINK: Final = frozenset({"ready", "degraded", "upstream lost"})
_BEAT: Final = Message(0, "heartbeat", "", "info")
# A beat that fails is worth no second attempt: the next one comes.
_ONCE: Final = Backoff(attempts=1)


class Alerter(Observer):
    """Tells people.

    Events are heard on the loop and cost next to nothing; deliveries happen in threads, one for
    each channel, so that one that hangs holds back neither trading nor the others.

    Args:
        config: Whom to tell of what.
        clock: Wall time, and the age of messages.
        tell: Told what became of each alert, on the loop.
        channels: In place of those that the configuration names.
        escalation: The same, of those that are told of what lasts.
        heartbeat: The same, of the dead man's switch.
        rest: How couriers wait between attempts.

    Raises:
        ConfigurationError: apprise is not installed, or does not know an address.
    """

    def __init__(
        self,
        config: AlertsConfig,
        clock: Clock,
        tell: Callable[[Event], None],
        *,
        channels: Sequence[Channel] | None = None,
        escalation: Sequence[Channel] | None = None,
        heartbeat: Channel | None = None,
        rest: Rest | None = None,
    ) -> None:
        self._config, self._clock, self._tell = config, clock, tell
        self._book = AlertBook(config=config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_heartless, self._may_beat, self._delivered = False, True, 0
        if channels is None:
            channels = [AppriseChannel(place, url) for place, url in enumerate(config.urls, 1)]
        if escalation is None:
            beyond = enumerate(config.escalation_urls, len(config.urls) + 1)
            escalation = [AppriseChannel(place, url) for place, url in beyond]
        if heartbeat is None and config.heartbeat_url is not None:
            heartbeat = WebAddress(config.heartbeat_url)
        made = partial(Courier, told=self._fated, clock=clock, give_up_after=config.give_up_after, rest=rest)
        self._couriers = [made(channel) for channel in channels]
        self._escalation = [made(channel) for channel in escalation]
        self._heart = None if heartbeat is None else made(heartbeat, retries=_ONCE, capacity=2)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        for courier in self._all():
            courier.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give what is left a moment, and stop."""
        try:
            await self._drained(self._all(), _PARTING)
        finally:
            for courier in self._all():
                courier.close()

    def _all(self) -> list[Courier]:
        return [*self._couriers, *self._escalation, *([self._heart] if self._heart else [])]

    async def _drained(self, couriers: Iterable[Courier], seconds: float) -> list[bool]:
        return await asyncio.gather(*(asyncio.to_thread(row.drain, seconds) for row in couriers))

    async def is_delivered(self, within: float) -> bool:
        """Whether at least one channel takes what was sent in this turn of the loop.

        Args:
            within: Seconds to wait for all of them.
        """
        before = self._delivered
        await self._drained((*self._couriers, *self._escalation), within)
        return self._delivered > before

    def recall(self, event: Event, until: datetime) -> None:
        """Take an event for one of which earlier processes told people, and looked at the time last at an instant."""
        self._book, _ = self._book.hear(news_of(event), event.at)
        self._book, _ = self._book.tick(until)

    @override
    def on_event(self, event: Event) -> None:
        if isinstance(event, SessionChanged):
            # A bot that finds no Gateway ends, and its manager starts it again and again: that is no sign of life.
            self._may_beat = event.after in _HAS_LINK or (self._may_beat and event.after != "connecting")
        if news := news_of(event):
            self._book, alerts = self._book.hear(news, self._clock.now())
            self._dispatch(alerts)

    def look(self) -> None:
        """Look at the time; to be called every few seconds."""
        self._book, alerts = self._book.tick(self._clock.now())
        self._dispatch(alerts)

    def beat(self) -> None:
        """Tell the dead man's switch that the loop runs, unless the first session is still sought."""
        if self._heart is not None and self._may_beat:
            self._heart.post(_BEAT)

    async def run(self) -> None:
        """Look and beat, until cancelled."""
        loop = asyncio.get_running_loop()
        next_beat = loop.time()
        while True:
            self.look()
            if loop.time() >= next_beat:
                self.beat()
                next_beat = loop.time() + self._config.heartbeat_interval
            await asyncio.sleep(min(_LOOK, self._config.heartbeat_interval))

    def _dispatch(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            self._tell(
                AlertQueued(
                    at=alert.at,
                    number=alert.number,
                    severity=alert.severity.value,
                    key=alert.key,
                    title=alert.title,
                    text=alert.text,
                    kept_back=alert.kept_back,
                )
            )
            if alert.kept_back:
                continue
            text = f"{alert.text}\nWhen: {alert.at:%Y-%m-%d %H:%M:%S} UTC"  # it may arrive hours later
            message = Message(alert.number, f"ibkeel: {alert.title}", text, alert.severity.value)
            for courier in (*self._couriers, *(self._escalation if alert.is_escalated else ())):
                courier.post(message)

    def _fated(self, fate: Fate) -> None:
        """From a courier's thread to the loop; once that has ended nobody is left to tell."""
        if self._loop is not None:
            with suppress(RuntimeError):  # it is closed
                self._loop.call_soon_threadsafe(self._tell_fate, fate)

    def _tell_fate(self, fate: Fate) -> None:
        now = self._clock.now()
        if fate.number == _BEAT.number:
            was_heartless, self._is_heartless = self._is_heartless, bool(fate.cause)
            if not (was_heartless or fate.cause):
                return  # that it goes on beating is no news
        if fate.cause:
            self._tell(
                AlertUndelivered(
                    at=now,
                    number=fate.number,
                    channel=fate.channel,
                    attempts=fate.attempts,
                    cause=fate.cause,
                    is_final=fate.is_final,
                )
            )
        else:
            self._delivered += 1
            self._tell(
                AlertDelivered(at=now, number=fate.number, channel=fate.channel, attempts=fate.attempts)
            )


class Starts:
    """Tells a person of a bot that cannot start, once and when it lasts, however often it is started; and of its end.

    Args:
        path: Keeps from one start to the next what was told.
        alerter: Takes it to the person.
        config: How long it must last.
        clock: Wall time.
        tell: Told of the alarms, by whom the alerter is told too.
        within: Seconds that a message may take; one that takes longer is sent by the next start.
    """

    def __init__(
        self,
        path: Path,
        alerter: Alerter,
        config: AlertsConfig,
        clock: Clock,
        tell: Callable[[Event], None],
        within: float = 30.0,
    ) -> None:
        self._path, self._alerter, self._config = path, alerter, config
        self._clock, self._tell, self._within = clock, tell, within

    def came(self) -> None:
        """The bot has started."""
        since, last, told = self._kept()
        if told:
            self._alerter.recall(_no_start(since, ""), last if told > 1 else since)
            self._tell(AlarmEnded(at=self._clock.now(), name=_NO_START, message="it has started"))
        with suppress(OSError):
            self._path.unlink()

    async def failed(self, words: str, patience: float = 0.0, *, is_final: bool = False) -> None:
        """It has not, and ends.

        Args:
            words: Why.
            patience: Least seconds that it must last before a person is told.
            is_final: Whether nothing starts it again: that is told at once.
        """
        now = self._clock.now()
        since, last, told = self._kept()
        if not timedelta(0) <= now - last <= _APART:
            since, told = now, 0
        first = 0.0 if is_final else max(patience, self._config.patience)
        due = (first, self._config.escalate_after, math.inf)[told]
        if (now - since).total_seconds() >= due:
            if told:
                self._alerter.recall(_no_start(since, words), since)
                self._alerter.look()
            else:
                self._tell(_no_start(now, words))
            # Where only those are told whom it must last for, the first is for nobody.
            told += await self._alerter.is_delivered(self._within) or not (told or self._config.urls)
        with suppress(ConfigurationError):
            replace_file(self._path, [since.isoformat(), now.isoformat(), told])

    def _kept(self) -> tuple[datetime, datetime, int]:
        """Since when no start has come to anything, the last one, and how often that was told, at most twice."""
        try:
            since, last, told = json.loads(self._path.read_text(encoding="utf-8"))
            at, seen = (datetime.fromisoformat(text).astimezone(UTC) for text in (since, last))
            return at, seen, min(abs(int(told)), 2)
        except (OSError, ValueError, TypeError, OverflowError, RecursionError):
            now = self._clock.now()
            return now, now, 0


def _no_start(at: datetime, words: str) -> AlarmRaised:
    return AlarmRaised(at=at, name=_NO_START, message=words, lasts=True)
