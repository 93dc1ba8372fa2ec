"""The last check before an entry: every reason against it at once; the daily loss limit, and money nobody can read."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model import Quote
from ibkeel.model.checks import as_optional_decimal, as_utc, finite, positive

Amount = Decimal | float | None
"""Money as a broker reports it: None, NaN and infinity all mean that it could not be read."""


def readable(amount: Amount) -> Decimal | None:
    """The amount as a finite decimal; None when nobody can say what it is."""
    if amount is None:
        return None
    try:
        number = amount if isinstance(amount, Decimal) else Decimal(str(amount))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def require_fraction(name: str, value: float) -> Decimal:
    """A fraction above 0 and up to 1, exact.

    Raises:
        InvalidInput: It is not.
    """
    if not 0.0 < value <= 1.0:
        raise InvalidInput(f"{name} is {value!r}; valid: above 0, up to 1")
    return Decimal(str(value))


@attrs.frozen(kw_only=True)
class LossVerdict:
    """Whether the day's loss allows a new entry.

    Args:
        allowed: False also when the loss cannot be known.
        loss: Fraction of the session's first equity, negative for a gain; None when unknown.
        reason: The figures, in words.
    """

    allowed: bool
    loss: float | None
    reason: str


def _limit(_: object, attribute: "attrs.Attribute[float]", value: float) -> None:
    if not 0.0 < value <= 1.0:
        raise InvalidInput(f"DailyLossGuard.{attribute.name} is {value!r}; valid: above 0, up to 1")


@attrs.frozen(kw_only=True)
class DailyLossGuard:
    """Equity at the start of a session, and whether the limit was reached in it.

    The state is the value: keep the guard that `observe` returns, and keep it across restarts.

    Args:
        limit: Loss that stops new entries, a fraction of the session's first equity, inclusive.
        session: Trading date of that equity; None before the first session.
        start_equity: First readable equity of the session; None while there was none.
        tripped: Whether the limit was reached; it stays so for the session.
    """

    limit: float = attrs.field(default=0.15, validator=_limit)
    session: date | None = None
    start_equity: Decimal | None = attrs.field(
        default=None, converter=as_optional_decimal, validator=positive
    )
    tripped: bool = False

    def observe(self, session: date, equity: Amount) -> "tuple[DailyLossGuard, LossVerdict]":
        """Take a reading of equity.

        An unreadable equity allows nothing and changes nothing. The first readable one of a
        session becomes its start.

        Args:
            session: Trading date of the reading.
            equity: Net liquidation value; None, NaN, infinite, zero or negative is unreadable.

        Returns:
            The guard to keep, and whether an entry is allowed.
        """
        if self.session is not None and session < self.session:
            reason = f"session {session} is before {self.session}, which was seen already"
            return self, LossVerdict(allowed=False, loss=None, reason=reason)
        guard = self if session == self.session else DailyLossGuard(limit=self.limit, session=session)
        worth = readable(equity)
        if worth is None or worth <= 0:
            return guard, LossVerdict(allowed=False, loss=None, reason=f"equity is unreadable: {equity}")
        return _read(guard, worth)


class RefusalKind(StrEnum):
    """Why an entry may not leave."""

    HALTED = "halted"
    SESSION_CLOSED = "session_closed"
    NEAR_CLOSE = "near_close"
    FUNDS_UNREADABLE = "funds_unreadable"
    FUNDS_LOW = "funds_low"
    FUNDS_REJECTED = "funds_rejected"
    DAILY_LOSS = "daily_loss"
    TOO_MANY_POSITIONS = "too_many_positions"
    EXPOSURE = "exposure"
    EXPOSURE_UNKNOWN = "exposure_unknown"
    ORDER_UNKNOWN = "order_unknown"
    COOLING_DOWN = "cooling_down"
    NO_QUOTE = "no_quote"
    ONE_SIDED = "one_sided"
    CROSSED = "crossed"
    NOT_LIVE = "not_live"
    STALE = "stale"


@attrs.frozen(kw_only=True)
class Refusal:
    """One reason against an entry.

    Args:
        kind: The rule.
        detail: What was seen and what is wanted, in words.
    """

    kind: RefusalKind
    detail: str


@attrs.frozen(kw_only=True)
class GateVerdict:
    """Every reason against an entry; none means that it may leave."""

    refusals: tuple[Refusal, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.refusals


def _not_negative(instance: object, attribute: "attrs.Attribute[Any]", value: float) -> None:
    finite(instance, attribute, value)
    if value < 0:
        raise InvalidInput(f"{type(instance).__name__}.{attribute.name} is {value!r}; valid: 0 or more")


@attrs.frozen(kw_only=True)
class GateRule:
    """What an entry must meet.

    Args:
        min_funds: Least available funds, in the account's currency, inclusive.
        max_quote_age: Oldest quote in seconds, inclusive.
        max_open_positions: Most positions that may be open when the entry leaves, exclusive.
        entries_stop_before_close: Seconds before the session's close from which on none leaves.
        cooldown: Seconds that must pass after an entry in the same symbol.
        live_only: Whether delayed and frozen quotes are refused.
    """

    min_funds: float = attrs.field(default=500.0, validator=_not_negative)
    max_quote_age: float = attrs.field(default=15.0, validator=_not_negative)
    max_open_positions: int = attrs.field(default=5, validator=_not_negative)
    entries_stop_before_close: float = attrs.field(default=900.0, validator=_not_negative)
    cooldown: float = attrs.field(default=1800.0, validator=_not_negative)
    live_only: bool = True


@attrs.frozen(kw_only=True)
class EntryFacts:
    """What is known when an entry is about to leave.

    Args:
        now: The present instant, aware.
        quote: Of the contract to be bought itself; None when there is none.
        available_funds: As the broker reports it; None or NaN when unreadable.
        loss: The daily loss guard's verdict; None when it was not asked, which refuses.
        open_positions: How many are open, entries on their way included.
        unknown_orders: Orders whose fate nobody knows.
        closes_at: When the session ends; None when unknown, which refuses.
        session_open: Whether the contract trades now.
        halted: Why entries are halted; empty when they are not.
        last_entry_at: When the same symbol was last entered; None for never.
        funds_rejected: Whether the venue refused an order for lack of funds (error 201).
    """

    now: datetime = attrs.field(converter=as_utc)
    quote: Quote | None
    available_funds: Amount
    loss: LossVerdict | None
    open_positions: int
    unknown_orders: int = 0
    closes_at: datetime | None = attrs.field(default=None, converter=attrs.converters.optional(as_utc))
    session_open: bool = True
    halted: str = ""
    last_entry_at: datetime | None = attrs.field(default=None, converter=attrs.converters.optional(as_utc))
    funds_rejected: bool = False


def check_entry(facts: EntryFacts, rule: GateRule) -> GateVerdict:
    """Every reason against an entry; what cannot be known counts against it."""
    found = (
        *_session(facts, rule),
        *_money(facts, rule),
        *_exposure(facts, rule),
        *_market(facts, rule),
    )
    return GateVerdict(refusals=tuple(Refusal(kind=kind, detail=detail) for kind, detail in found))


Found = Iterator[tuple[RefusalKind, str]]


def _read(guard: DailyLossGuard, worth: Decimal) -> tuple[DailyLossGuard, LossVerdict]:
    start = worth if guard.start_equity is None else guard.start_equity
    loss = (start - worth) / start
    tripped = guard.tripped or loss >= Decimal(str(guard.limit))
    words = f"loss {loss:.2%} of {start:.2f} since the session began; limit {guard.limit:.2%}"
    if tripped:
        words += "; no new entries for the rest of the session"
    is_same = guard.start_equity is not None and tripped is guard.tripped
    kept = guard if is_same else attrs.evolve(guard, start_equity=start, tripped=tripped)
    return kept, LossVerdict(allowed=not tripped, loss=float(loss), reason=words)


def _session(facts: EntryFacts, rule: GateRule) -> Found:
    if facts.halted:
        yield RefusalKind.HALTED, f"entries are halted: {facts.halted}"
    if not facts.session_open:
        yield RefusalKind.SESSION_CLOSED, "the contract does not trade now"
    if facts.closes_at is None:
        yield RefusalKind.SESSION_CLOSED, "nobody knows when the session ends"
        return
    left = (facts.closes_at - facts.now).total_seconds()
    if left <= rule.entries_stop_before_close:
        yield (
            RefusalKind.NEAR_CLOSE,
            f"{left:.0f} s to the close; entries stop {rule.entries_stop_before_close:.0f} s before it",
        )


def _money(facts: EntryFacts, rule: GateRule) -> Found:
    funds = readable(facts.available_funds)
    if funds is None:
        yield RefusalKind.FUNDS_UNREADABLE, f"available funds are unreadable: {facts.available_funds}"
    elif funds < rule.min_funds:
        yield RefusalKind.FUNDS_LOW, f"available funds {funds:.2f}; needed: {rule.min_funds:.2f} or more"
    if facts.funds_rejected:
        yield RefusalKind.FUNDS_REJECTED, "the venue refused an order for lack of funds"
    if facts.loss is None:
        yield RefusalKind.DAILY_LOSS, "the daily loss is unknown"
    elif not facts.loss.allowed:
        yield RefusalKind.DAILY_LOSS, facts.loss.reason


def _exposure(facts: EntryFacts, rule: GateRule) -> Found:
    if facts.open_positions >= rule.max_open_positions:
        yield (
            RefusalKind.TOO_MANY_POSITIONS,
            f"{facts.open_positions} positions are open; at most {rule.max_open_positions}",
        )
    if facts.unknown_orders:
        yield RefusalKind.ORDER_UNKNOWN, f"the fate of {facts.unknown_orders} orders is unknown"
    if facts.last_entry_at is None:
        return
    since = (facts.now - facts.last_entry_at).total_seconds()
    if since < rule.cooldown:
        yield (
            RefusalKind.COOLING_DOWN,
            f"last entry in this symbol {since:.0f} s ago; the pause is {rule.cooldown:.0f} s",
        )


def _market(facts: EntryFacts, rule: GateRule) -> Found:
    quote = facts.quote
    if quote is None:
        yield RefusalKind.NO_QUOTE, "the contract was not quoted"
        return
    if quote.bid is None or quote.ask is None:
        yield RefusalKind.ONE_SIDED, f"bid {quote.bid}, ask {quote.ask}; needed: both"
    elif quote.bid > quote.ask:
        yield RefusalKind.CROSSED, f"bid {quote.bid} is above ask {quote.ask}"
    if rule.live_only and not quote.is_live:
        yield RefusalKind.NOT_LIVE, f"the quote is {quote.data_type.value}; needed: live"
    age = (facts.now - quote.at).total_seconds()
    # A quote from well ahead of now means that a clock is wrong: its age is unknown.
    if abs(age) > rule.max_quote_age:
        yield RefusalKind.STALE, f"the quote is {age:.1f} s old; needed: {rule.max_quote_age:.1f} s or less"
