"""From quoted options to the one to take, with the reason for each that was not."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

import attrs

from ibkeel.errors import RequestFailed, UnknownContract
from ibkeel.model import Option, Quote
from ibkeel.model.broker import Answers
from ibkeel.model.checks import as_decimal
from ibkeel.options.liquidity import Rejection, RejectionKind, liquidity_rejections
from ibkeel.options.select import Preference, SelectionRule


@attrs.frozen(kw_only=True)
class Candidate:
    """One option that was looked at.

    Args:
        option: The contract.
        quote: What was seen; None when no quote came.
        distance: How far its strike is from spot, per share.
        rejections: What speaks against it; empty when it was kept.
        passed: What it was asked for and has.
        iv: Implied volatility of its mid, a fraction; None when it was not reckoned or has none.
        delta: At that volatility; None likewise.
    """

    option: Option
    quote: Quote | None
    distance: Decimal
    rejections: tuple[Rejection, ...] = ()
    passed: tuple[str, ...] = ()
    iv: float | None = None
    delta: float | None = None

    @property
    def is_kept(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.rejections

    @property
    def mid(self) -> Decimal | None:
        """Half way between bid and ask, exactly; None unless both are there."""
        if self.quote is None or self.quote.bid is None or self.quote.ask is None:
            return None
        return (as_decimal(self.quote.bid) + as_decimal(self.quote.ask)) / 2

    def explain(self) -> str:
        """What was seen, and why it was kept or not, in one line."""
        seen = [] if self.mid is None or self.quote is None else [f"{self.quote.bid} x {self.quote.ask}"]
        if self.iv is not None and self.delta is not None:
            seen.append(f"IV {self.iv:.1%}, delta {self.delta:.3f}")
        if self.rejections:
            verdict = f"rejected: {'; '.join(rejection.detail for rejection in self.rejections)}"
        else:
            verdict = f"kept: {'; '.join(self.passed)}" if self.passed else "kept"
        return f"{self.option}: {', '.join([*seen, verdict])}"


@attrs.frozen(kw_only=True)
class Choice:
    """Every option that was looked at, best first, those that were rejected last."""

    candidates: tuple[Candidate, ...] = ()

    @property
    def chosen(self) -> Candidate | None:
        """The best of those kept; None when all were rejected."""
        return next((candidate for candidate in self.candidates if candidate.is_kept), None)

    def summary(self) -> str:
        """What was chosen, or why nothing was, in one line."""
        if self.chosen is not None:
            return f"{self.chosen.option} of {len(self.candidates)} candidates"
        reasons = (
            f"{candidate.option}: {', '.join(item.detail for item in candidate.rejections)}"
            for candidate in self.candidates
        )
        return "; ".join(reasons) or "the chain has no such option"

    def explain(self) -> str:
        """Why each candidate was kept or not, one a line, best first."""
        return "\n".join(one.explain() for one in self.candidates) or "the chain has no such option"


def candidates_of(
    options: Sequence[Option],
    quotes: Answers,
    *,
    spot: float | Decimal,
) -> tuple[Candidate, ...]:
    """Options with what was quoted of each, still to be judged.

    Args:
        options: What was selected.
        quotes: What `Broker.quotes` answered; an option that is missing there was not quoted.
        spot: Price that distances are reckoned from, per share: of the underlying, or the forward.

    Returns:
        In the order of `options`; one without a quote is rejected for that.
    """
    price = as_decimal(spot)
    return tuple(candidate_of(option, quotes.get(option), price) for option in options)


def candidate_of(option: Option, answer: Quote | RequestFailed | None, spot: Decimal) -> Candidate:
    """One option with what was answered about it; rejected when that is no quote."""
    distance = abs(option.strike - spot)
    if isinstance(answer, Quote):
        return Candidate(option=option, quote=answer, distance=distance)
    kind = RejectionKind.NO_SUCH_CONTRACT if isinstance(answer, UnknownContract) else RejectionKind.NO_QUOTE
    detail = "it was not quoted" if answer is None else f"no quote: {answer}"
    missing = Rejection(kind=kind, detail=detail)
    return Candidate(option=option, quote=None, distance=distance, rejections=(missing,))


def _judged(candidate: Candidate, rule: SelectionRule, now: datetime | None) -> Candidate:
    if candidate.quote is None:
        return candidate
    rejections = liquidity_rejections(candidate.quote, rule.liquidity, now=now)
    return attrs.evolve(candidate, rejections=(*rejections, *_premium_rejections(candidate, rule)))


def _premium_rejections(candidate: Candidate, rule: SelectionRule) -> Iterator[Rejection]:
    least, most, mid = rule.min_premium, rule.max_premium, candidate.mid
    if mid is None:
        return  # the missing side is told already
    if (least is not None and mid < as_decimal(least)) or (most is not None and mid > as_decimal(most)):
        wanted = f"{'any' if least is None else least} to {'any' if most is None else most}"
        yield Rejection(kind=RejectionKind.PREMIUM, detail=f"premium {mid:f}; wanted: {wanted}")


def _rank(candidate: Candidate, prefer: Preference) -> tuple[object, ...]:
    quote, option = candidate.quote, candidate.option
    tail = (candidate.distance, option.expiry, option.strike)
    if quote is None or not candidate.is_kept:
        return (1, *tail)
    bid, ask = as_decimal(quote.bid or 0), as_decimal(quote.ask or 0)
    spread = (ask - bid) / ((ask + bid) / 2)
    if prefer is Preference.BUSIEST:
        return (0, -(quote.volume or 0), spread, *tail)
    return (0, spread, *tail)


def choose(
    options: Sequence[Option],
    quotes: Answers,
    *,
    spot: float | Decimal,
    rule: SelectionRule,
    now: datetime | None = None,
) -> Choice:
    """Judge quoted options and put the best first.

    Args:
        options: What was selected.
        quotes: What `Broker.quotes` answered; an option that is missing there was not quoted.
        spot: Price of the underlying per share.
        rule: What a quote must show, and which one wins.
        now: Instant to reckon the quotes' age at; needed when the rule limits it.
    """
    judged = [_judged(one, rule, now) for one in candidates_of(options, quotes, spot=spot)]
    return Choice(candidates=tuple(sorted(judged, key=lambda one: _rank(one, rule.prefer))))
