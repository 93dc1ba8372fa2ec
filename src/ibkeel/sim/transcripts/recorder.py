"""Every byte of every connection, as entries in the order in which they were heard."""

from collections.abc import Callable
from datetime import datetime

from ibkeel.sim.transcripts.transcriber import Transcriber
from ibkeel.sim.transcripts.values import Entry

__all__ = ["Recorder"]


class Recorder:
    """Hears connections and tells what was said on them.

    Args:
        began_at: The instant from which seconds count.
        tell: Called with each entry.
    """

    def __init__(self, began_at: datetime, tell: Callable[[Entry], None]) -> None:
        self._began_at, self._tell = began_at, tell
        self._transcribers: dict[int, Transcriber] = {}

    def opened(self, connection: int, at: datetime) -> None:
        """A connection begins."""
        transcriber = self._transcribers[connection] = Transcriber(connection)
        self._tell(transcriber.opened(self._seconds(at)))

    def heard(self, connection: int, sender: str, data: bytes, at: datetime) -> None:
        """One side has sent bytes; nothing is told of connections that began before this heard them."""
        transcriber = self._transcribers.get(connection)
        for entry in () if transcriber is None else transcriber.heard(sender, data, self._seconds(at)):
            self._tell(entry)

    def closed(self, connection: int, at: datetime) -> None:
        """A connection ends."""
        transcriber = self._transcribers.pop(connection, None)
        for entry in () if transcriber is None else transcriber.closed(self._seconds(at)):
            self._tell(entry)

    def stop(self, at: datetime) -> None:
        """Nothing more will be heard: every connection ends."""
        for connection in tuple(self._transcribers):
            self.closed(connection, at)

    def _seconds(self, at: datetime) -> float:
        return (at - self._began_at).total_seconds()
