"""The times of one request: asked, sent, first heard of, ended."""

from typing import Final, NamedTuple

__all__ = ["NO_WAY", "Way"]


class Way(NamedTuple):
    """Where one request was when, in seconds of the loop's time.

    It is made for every request, also when nobody is told of it, hence a tuple.
    """

    began_at: float
    sent_at: float | None
    """When its bytes left; None when they never did."""
    heard_at: float | None
    """When its first message came; None when none did."""
    ended_at: float

    @property
    def seconds(self) -> float:
        """From the call to the end."""
        return self.ended_at - self.began_at

    @property
    def after_sending(self) -> float:
        """From its bytes to the end; 0 when they never left."""
        return 0.0 if self.sent_at is None else self.ended_at - self.sent_at

    @property
    def queue_seconds(self) -> float:
        """From the call to its bytes, or to the end when they never left."""
        return (self.ended_at if self.sent_at is None else self.sent_at) - self.began_at

    @property
    def wire_seconds(self) -> float:
        """From its bytes to the first message of it, or to the end when none came."""
        if self.sent_at is None:
            return 0.0
        return max(0.0, (self.ended_at if self.heard_at is None else self.heard_at) - self.sent_at)

    @property
    def reply_seconds(self) -> float:
        """From that message to the end; 0 when none came."""
        return max(0.0, self.after_sending - self.wire_seconds)


NO_WAY: Final = Way(0.0, None, None, 0.0)
"""Of a request that was refused before it began."""
