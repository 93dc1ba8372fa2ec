"""How far a run is, for whoever shows it."""

from datetime import datetime

import attrs

from ibkeel.runner.schedule import Session


@attrs.frozen(kw_only=True)
class Progress:
    """How far a session is.

    Args:
        now: The present instant.
        session: The session that is traded.
        cycles: Cycles done in the run.
        warmed: Symbols that were warmed up; None once cycles go.
        symbols: How many there are to warm up.
    """

    now: datetime
    session: Session
    cycles: int
    warmed: int | None = None
    symbols: int = 0
