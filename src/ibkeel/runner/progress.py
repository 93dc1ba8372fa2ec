"""How far a run is, for whoever shows it."""

from datetime import datetime

import attrs

from ibkeel.runner.schedule import Session

__all__ = ["Progress"]


@attrs.frozen(kw_only=True)
class Progress:
    """How far a session is.

    Args:
        now: The present instant.
        session: The session that is traded.
        cycles: Cycles done in the run.
    """

    now: datetime
    session: Session
    cycles: int
