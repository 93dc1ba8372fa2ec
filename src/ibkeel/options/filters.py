"""Small rules that judge one candidate each, to be put together at will."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

import attrs
from typing_extensions import override

from ibkeel.errors import InvalidInput
from ibkeel.model import Right
from ibkeel.model.checks import as_decimal, as_optional_decimal, positive
from ibkeel.model.contracts import as_right
from ibkeel.options.liquidity import LiquidityRule, Rejection, RejectionKind, liquidity_rejections
from ibkeel.options.rank import Candidate
from ibkeel.options.select import dte, out_of_the_money
from ibkeel.options.series import SeriesKind, kind_set, series_kind
from ibkeel.validators import series


class Filter(Protocol):
    """A rule about one candidate; `str()` of it says what it asks for."""

    def judge(self, candidate: Candidate) -> Rejection | None:
        """What speaks against the candidate; None when it passes."""
        ...


def sift(candidates: Iterable[Candidate], filters: Sequence[Filter]) -> tuple[Candidate, ...]:
    """Judge every candidate by every filter.

    Args:
        candidates: To be judged; what spoke against one before still does.
        filters: In the order in which their reasons are to be told.

    Returns:
        All of them, in their order, with every rejection and the text of each filter passed.
    """
    return tuple(_judged(candidate, filters) for candidate in candidates)


def _judged(candidate: Candidate, filters: Sequence[Filter]) -> Candidate:
    verdicts = [(str(rule), rule.judge(candidate)) for rule in filters]
    passed = tuple(text for text, rejection in verdicts if rejection is None)
    against = tuple(rejection for _, rejection in verdicts if rejection is not None)
    return attrs.evolve(
        candidate,
        rejections=(*candidate.rejections, *against),
        passed=(*candidate.passed, *passed),
    )


def _is_within(value: Decimal, least: Decimal | None, most: Decimal | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def _range(least: object, most: object) -> str:
    """A closed range in words, either end open when None."""
    if least is None:
        return "any" if most is None else f"at most {most}"
    return f"at least {least}" if most is None else f"{least} to {most}"


def _in_order(instance: Any, attribute: "attrs.Attribute[Any]", most: Any) -> None:
    least = instance.least
    if least is not None and most is not None and least > most:
        raise InvalidInput(f"{type(instance).__name__}.{attribute.name} is {most}; valid: {least} or more")


@attrs.frozen
class RightIs:
    """Calls, or puts, only."""

    right: Right = attrs.field(converter=as_right)

    def judge(self, candidate: Candidate) -> Rejection | None:
        """Reject the other right."""
        if candidate.option.right is self.right:
            return None
        detail = f"right {candidate.option.right.value}; wanted: {self.right.value}"
        return Rejection(kind=RejectionKind.RIGHT, detail=detail)

    @override
    def __str__(self) -> str:
        return f"right {self.right.value}"


@attrs.frozen
class ExpiryFrom:
    """Expiries on or after a date."""

    day: date

    def judge(self, candidate: Candidate) -> Rejection | None:
        """Reject earlier expiries."""
        if candidate.option.expiry >= self.day:
            return None
        detail = f"expires {candidate.option.expiry}; wanted: {self.day} or later"
        return Rejection(kind=RejectionKind.EXPIRY, detail=detail)

    @override
    def __str__(self) -> str:
        return f"expiry from {self.day}"


@attrs.frozen(kw_only=True)
class DteWithin:
    """Expiries so many calendar days from `today`, both ends included; None leaves an end open.

    Args:
        least: Fewest calendar days to expiry that pass.
        most: Most; None for no bound.
    """

    today: date
    least: int | None = None
    most: int | None = attrs.field(default=None, validator=_in_order)

    def judge(self, candidate: Candidate) -> Rejection | None:
        """Reject other expiries."""
        days = dte(candidate.option.expiry, self.today)
        if (self.least is None or days >= self.least) and (self.most is None or days <= self.most):
            return None
        return Rejection(
            kind=RejectionKind.EXPIRY, detail=f"DTE {days}; wanted: {_range(self.least, self.most)}"
        )

    @override
    def __str__(self) -> str:
        return f"DTE {_range(self.least, self.most)}"


@attrs.frozen(kw_only=True)
class KindIn:
    """Series of some kinds only, such as monthly ones.

    Args:
        kinds: Those that will do.
        listed: Every expiry of the class.
        today: Trading date, in the exchange's calendar.
    """

    kinds: frozenset[SeriesKind] = attrs.field(converter=kind_set)
    listed: tuple[date, ...] = attrs.field(converter=series)
    today: date

    def judge(self, candidate: Candidate) -> Rejection | None:
        """Reject series of other kinds."""
        option = candidate.option
        kind = series_kind(
            option.expiry, self.listed, today=self.today, trading_class=option.trading_class or None
        )
        if kind in self.kinds:
            return None
        return Rejection(kind=RejectionKind.KIND, detail=f"series {kind.value}; wanted: {self._wanted}")

    @property
    def _wanted(self) -> str:
        return " or ".join(sorted(self.kinds))

    @override
    def __str__(self) -> str:
        return f"series {self._wanted}"


@attrs.frozen(kw_only=True)
class MoneynessWithin:
    """Strikes within a range of strike / spot; give the forward as `spot` to reckon from it.

    Args:
        least: Smallest strike divided by spot that passes, a ratio; None for no bound.
        most: Largest; None for no bound.
    """

    spot: Decimal = attrs.field(converter=as_decimal, validator=positive)
    least: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    most: Decimal | None = attrs.field(default=None, converter=as_optional_decimal, validator=_in_order)

    def judge(self, candidate: Candidate) -> Rejection | None:
        """Reject other strikes."""
        ratio = candidate.option.strike / self.spot
        if _is_within(ratio, self.least, self.most):
            return None
        detail = f"strike / spot {ratio:.4f}; wanted: {_range(self.least, self.most)}"
        return Rejection(kind=RejectionKind.MONEYNESS, detail=detail)

    @override
    def __str__(self) -> str:
        return f"strike / spot {_range(self.least, self.most)}"


@attrs.frozen(kw_only=True)
class OutOfTheMoneyWithin:
    """Strikes so far out of the money, a fraction of `spot`; below 0 is in the money.

    Args:
        least: Smallest distance from spot that passes, as a fraction of it; below 0 is in the money; None for no bound.
        most: Largest; None for no bound.
    """

    spot: Decimal = attrs.field(converter=as_decimal, validator=positive)
    least: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    most: Decimal | None = attrs.field(default=None, converter=as_optional_decimal, validator=_in_order)

    def judge(self, candidate: Candidate) -> Rejection | None:
        """Reject other strikes."""
        distance = out_of_the_money(candidate.option.strike, self.spot, candidate.option.right)
        if _is_within(distance, self.least, self.most):
            return None
        detail = f"{distance:.4f} out of the money; wanted: {_range(self.least, self.most)}"
        return Rejection(kind=RejectionKind.MONEYNESS, detail=detail)

    @override
    def __str__(self) -> str:
        return f"out of the money {_range(self.least, self.most)}"


@attrs.frozen(kw_only=True)
class PremiumWithin:
    """Premiums, per share at mid, within a closed range.

    Args:
        least: Smallest premium per share that passes; None for no bound.
        most: Largest; None for no bound.
    """

    least: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    most: Decimal | None = attrs.field(default=None, converter=as_optional_decimal, validator=_in_order)

    def judge(self, candidate: Candidate) -> Rejection | None:
        """Reject other premiums, and quotes without both sides."""
        mid = candidate.mid
        if mid is None:
            return Rejection(kind=RejectionKind.PREMIUM, detail="no premium: bid and ask are not both there")
        if _is_within(mid, self.least, self.most):
            return None
        return Rejection(
            kind=RejectionKind.PREMIUM, detail=f"premium {mid:f}; wanted: {_range(self.least, self.most)}"
        )

    @override
    def __str__(self) -> str:
        return f"premium {_range(self.least, self.most)}"


@attrs.frozen(kw_only=True)
class DeltaWithin:
    """Deltas within a closed range, without their sign.

    Args:
        least: Smallest delta that passes, from 0 to 1; None for no bound.
        most: Largest; None for no bound.
    """

    least: Decimal | None = attrs.field(default=None, converter=as_optional_decimal)
    most: Decimal | None = attrs.field(default=None, converter=as_optional_decimal, validator=_in_order)

    def judge(self, candidate: Candidate) -> Rejection | None:
        """Reject other deltas, and options whose delta is not known."""
        if candidate.delta is None:
            return Rejection(kind=RejectionKind.DELTA, detail="its delta is not known")
        delta = as_decimal(abs(candidate.delta))
        if _is_within(delta, self.least, self.most):
            return None
        return Rejection(
            kind=RejectionKind.DELTA, detail=f"delta {delta:.3f}; wanted: {_range(self.least, self.most)}"
        )

    @override
    def __str__(self) -> str:
        return f"delta {_range(self.least, self.most)}"


@attrs.frozen
class Liquid:
    """Markets that are good enough; a candidate that nobody quoted has none.

    Args:
        rule: What the quote must show.
        now: Instant to reckon its age at; needed when the rule has a `max_age`.
    """

    rule: LiquidityRule = attrs.field(factory=LiquidityRule)
    now: datetime | None = None

    def judge(self, candidate: Candidate) -> Rejection | None:
        """Reject for the first reason there is."""
        if candidate.quote is None:
            told = not candidate.is_kept
            return None if told else Rejection(kind=RejectionKind.NO_QUOTE, detail="it was not quoted")
        return next(iter(liquidity_rejections(candidate.quote, self.rule, now=self.now)), None)

    @override
    def __str__(self) -> str:
        rule = self.rule
        least = (
            ("volume", rule.min_volume),
            ("open interest", rule.min_open_interest),
            ("sizes", rule.min_size),
        )
        asked = [
            f"spread within {rule.max_relative_spread:.1%} of mid or {rule.max_absolute_spread:.2f}",
            *(f"{what} {figure:g} or more" for what, figure in least if figure > 0),
        ]
        if rule.max_age is not None:
            asked.append(f"at most {rule.max_age:g} s old")
        if rule.live_only:
            asked.append("live")
        return ", ".join(asked)
