"""The last check before an entry: every reason against it, at once; the daily loss; how far a portfolio may lean."""

import math
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

import attrs

from ibkeel.model import Greeks, Quote
from ibkeel.model.checks import as_optional_decimal, as_optional_utc, as_utc, finite, positive
from ibkeel.risk.sizing import Amount, readable
from ibkeel.validators import flag, from_zero, number, optional, truth, valid, whole

_FIGURES: Final = ("delta", "gamma", "theta", "vega")
_UNITS: Final = {"delta": "shares", "theta": "a day", "vega": "a volatility point"}


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

    min_funds: float = attrs.field(default=500.0, validator=from_zero)
    max_quote_age: float = attrs.field(default=15.0, validator=from_zero)
    max_open_positions: int = attrs.field(default=5, validator=from_zero)
    entries_stop_before_close: float = attrs.field(default=900.0, validator=from_zero)
    cooldown: float = attrs.field(default=1800.0, validator=from_zero)
    live_only: bool = flag(True)


_tally: Final = whole("a whole number from 0", lambda value: value >= 0)


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
        funds_rejected: Whether the venue rejected an order with code 201, as for lack of funds.
    """

    now: datetime = attrs.field(converter=as_utc)
    quote: Quote | None
    available_funds: Amount
    loss: LossVerdict | None
    open_positions: int = attrs.field(validator=_tally)
    unknown_orders: int = attrs.field(default=0, validator=_tally)
    closes_at: datetime | None = attrs.field(default=None, converter=as_optional_utc)
    session_open: bool = flag(True)
    halted: str = ""
    last_entry_at: datetime | None = attrs.field(default=None, converter=as_optional_utc)
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
        yield RefusalKind.FUNDS_REJECTED, "the venue rejected an order with code 201, as for lack of funds"
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
    if quote.is_halted:
        yield RefusalKind.HALTED, f"the venue has halted {quote.contract}"
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


@attrs.frozen(kw_only=True)
class Exposure:
    """Sensitivities of what is held; a figure is None when any part of it is not known.

    Args:
        delta: In shares.
        gamma: In shares per unit of price.
        theta: In the currency, a calendar day.
        vega: In the currency, a volatility point.
    """

    delta: float | None = attrs.field(default=None, validator=finite)
    gamma: float | None = attrs.field(default=None, validator=finite)
    theta: float | None = attrs.field(default=None, validator=finite)
    vega: float | None = attrs.field(default=None, validator=finite)

    @classmethod
    def of(cls, greeks: Greeks | None, shares: float) -> "Exposure":
        """Of so many shares of a contract.

        Args:
            greeks: For one share of the contract's multiplier; None when they are not known.
            shares: Contracts and multiplier multiplied, below zero for what is owed.
        """
        each = greeks or Greeks()
        return cls(**{figure: _times(getattr(each, figure), shares) for figure in _FIGURES})

    def __add__(self, other: "Exposure") -> "Exposure":
        return Exposure(
            **{figure: _sum(getattr(self, figure), getattr(other, figure)) for figure in _FIGURES}
        )


def _times(figure: float | None, shares: float) -> float | None:
    return None if figure is None else figure * shares


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


FLAT: Final = Exposure(delta=0.0, gamma=0.0, theta=0.0, vega=0.0)
"""Of nothing held."""


_exposure_limit: Final = optional(number("above 0, or None for no limit", lambda value: 0 < value < math.inf))


@attrs.frozen(kw_only=True)
class ExposureLimits:
    """How far a portfolio may lean to either side; None sets no limit.

    Args:
        max_delta: Shares, long or short, inclusive.
        max_theta: Account currency a calendar day, earned or paid, inclusive.
        max_vega: Account currency a volatility point, long or short, inclusive.
    """

    max_delta: float | None = attrs.field(default=None, validator=_exposure_limit)
    max_theta: float | None = attrs.field(default=None, validator=_exposure_limit)
    max_vega: float | None = attrs.field(default=None, validator=_exposure_limit)

    def set_limits(self) -> Iterator[tuple[str, float]]:
        """Names of the limited figures, each with its limit."""
        for figure in _UNITS:
            limit: float | None = getattr(self, f"max_{figure}")
            if limit is not None:
                yield figure, limit

    @property
    def is_set(self) -> bool:
        """Whether there is any limit."""
        return any(True for _ in self.set_limits())


def check_exposure(
    held: Exposure, added: Exposure, limits: ExposureLimits, *, pending: Iterable[Exposure] = ()
) -> tuple[Refusal, ...]:
    """Every limit that the portfolio would be beyond with an entry filled; what is unknown is beyond.

    Args:
        held: What is held.
        added: What the entry would add.
        limits: How far it may lean.
        pending: What each working entry would add. Nobody knows which of them fill, so the limits hold
            whichever do.

    Returns:
        One refusal a limit, with its figures; empty when nothing speaks against the entry.
    """
    on_their_way, filled = tuple(pending), held + added
    found = (
        _beyond(figure, limit, getattr(filled, figure), [getattr(each, figure) for each in on_their_way])
        for figure, limit in limits.set_limits()
    )
    return tuple(refusal for refusal in found if refusal is not None)


def _beyond(figure: str, limit: float, filled: float | None, pending: list[float | None]) -> Refusal | None:
    known = [each for each in pending if each is not None]
    if filled is None or len(known) < len(pending):
        detail = f"{figure} of the portfolio with it is unknown; needed: {limit:g} {_UNITS[figure]} or less"
        return Refusal(kind=RefusalKind.EXPOSURE_UNKNOWN, detail=detail)
    lowest = filled + sum(each for each in known if each < 0)
    highest = filled + sum(each for each in known if each > 0)
    worst = max(lowest, highest, key=abs)
    if abs(worst) <= limit:
        return None
    detail = f"{figure} of the portfolio with it {worst:.2f}; needed: {limit:g} {_UNITS[figure]} or less"
    return Refusal(kind=RefusalKind.EXPOSURE, detail=detail)
