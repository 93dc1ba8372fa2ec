"""The daily loss limit: stops new entries for the rest of the session."""

from datetime import date, datetime
from decimal import Decimal
from typing import Final

import attrs

from ibkeel.model.checks import as_optional_decimal, positive
from ibkeel.risk.sizing import Amount, readable
from ibkeel.validators import flag, number, optional, truth, valid


@attrs.frozen(kw_only=True)
class LossVerdict:
    """Whether the day's loss allows a new entry.

    Args:
        allowed: False also when the loss cannot be known.
        loss: Fraction of the session's first equity, negative for a gain; None when unknown.
        reason: The figures, in words.
    """

    allowed: bool = attrs.field(validator=truth)
    loss: float | None
    reason: str


_limit: Final = number("above 0, up to 1", lambda value: 0 < value <= 1)


_day: Final = valid(  # an instant is a date too, and another one at each reading
    "a trading date, without a time of day",
    lambda value: isinstance(value, date) and not isinstance(value, datetime),
)


@attrs.frozen(kw_only=True)
class DailyLossGuard:
    """Equity at the start of a session, and whether the limit was reached in it.

    The state is the value: keep the guard that `observe` returns, and keep it across restarts.

    Args:
        limit: Loss that stops new entries, a fraction of the session's first equity, inclusive.
        session: Trading date of that equity; None before the first session.
        start_equity: First readable equity of the session; None while there was none.
        tripped: Whether the limit was reached; it stays so for the session.
        owner: A mark of the account whose equity that is; empty where it is not known.
    """

    limit: float = attrs.field(default=0.15, validator=_limit)
    session: date | None = attrs.field(default=None, validator=optional(_day))
    start_equity: Decimal | None = attrs.field(
        default=None, converter=as_optional_decimal, validator=positive
    )
    tripped: bool = flag(False)
    owner: str = ""

    def observe(self, session: date, equity: Amount) -> "tuple[DailyLossGuard, LossVerdict]":
        """Take a reading of equity.

        An unreadable equity allows nothing and changes nothing. The first readable one of a
        session becomes its start.

        Args:
            session: Trading date of the reading.
            equity: Net liquidation value; None, NaN, infinite, zero or negative is unreadable.

        Returns:
            The guard to keep, and whether an entry is allowed.

        Raises:
            InvalidInput: `session` is no date without a time of day.
        """
        guard = self
        _day(self, attrs.fields(DailyLossGuard).session, session)
        if session != self.session:
            guard = DailyLossGuard(limit=self.limit, session=session, owner=self.owner)
        if self.session is not None and session < self.session:
            reason = f"session {session} is before {self.session}, which was seen already"
            return self, LossVerdict(allowed=False, loss=None, reason=reason)
        worth = readable(equity)
        if worth is None or worth <= 0:
            return guard, LossVerdict(allowed=False, loss=None, reason=f"equity is unreadable: {equity}")
        return _read(guard, worth)


def _read(guard: DailyLossGuard, worth: Decimal) -> tuple[DailyLossGuard, LossVerdict]:
    start = worth if guard.start_equity is None else guard.start_equity
    loss = (start - worth) / start
    tripped = guard.tripped or loss >= Decimal(str(guard.limit))
    words = f"loss {loss:.2%} of {start:.2f} since the session began; limit {guard.limit:.2%}"
    if tripped:
        words += "; no new entries for the rest of the session"
    kept = attrs.evolve(guard, start_equity=start, tripped=tripped)
    return kept, LossVerdict(allowed=not tripped, loss=float(loss), reason=words)
