"""Failures that were dealt with: journaled, counted and told."""

from ibkeel.clock import Clock
from ibkeel.errors import UnwritableRecord
from ibkeel.journal import Failure
from ibkeel.runner.recorder import Recorder
from ibkeel.runner.tally import ErrorSeen, Tally
from ibkeel.telemetry import AlarmRaised, Observer, SymbolFailed, redact


class Failures:
    """Takes note of what went wrong.

    Args:
        recorder: Journals it.
        tally: Counts it.
        clock: Stamps it.
        observer: Told of it.
    """

    def __init__(self, recorder: Recorder, tally: Tally, clock: Clock, observer: Observer) -> None:
        self._recorder, self._tally = recorder, tally
        self._clock, self._observer = clock, observer
        recorder.lost = self.lost

    def note(self, symbol: str, error: BaseException, service: str = "") -> None:
        """Note one failure.

        Args:
            symbol: Ticker; empty when it concerns none.
            error: What came.
            service: What failed, such as `cancel`.
        """
        # What a strategy raises may be text that no file holds.
        message = redact(str(error)).encode(errors="backslashreplace").decode()
        now, kind = self._clock.now(), type(error).__name__
        code = getattr(error, "code", None)
        self._recorder.keep(
            Failure(at=now, symbol=symbol, kind=kind, message=message, service=service, code=code)
        )
        self._tally.errors.append(
            ErrorSeen(
                at=now, symbol=symbol, kind=kind, message=message, is_timeout=isinstance(error, TimeoutError)
            )
        )
        self._observer.on_event(SymbolFailed(at=now, symbol=symbol, error=kind, message=message))

    def lost(self, error: UnwritableRecord) -> None:
        """Note that the journal lacks a record for good, and tell a person."""
        self.note("", error, "journal")
        words = f"the journal lacks a record, and what it was about may be unknown after a restart: {error}"
        self._observer.on_event(AlarmRaised(at=self._clock.now(), name="journal", message=redact(words)))

    def broke(self, name: str, error: BaseException, words: str) -> None:
        """Note a fault of our own in what runs beside the cycles, and tell a person.

        Args:
            name: Of what broke.
            error: What came.
            words: What it means.
        """
        self.note("", error, name)
        self._observer.on_event(AlarmRaised(at=self._clock.now(), name=f"task {name}", message=redact(words)))
