"""What speaks for and against one quoted option on the way to a delta target."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import attrs

from ibkeel.errors import RequestFailed
from ibkeel.model import Option, Quote
from ibkeel.model.checks import as_decimal
from ibkeel.options.delta_rule import DeltaRule
from ibkeel.options.delta_view import Marked
from ibkeel.options.liquidity import (
    Rejection,
    RejectionKind,
    freshness_rejections,
    liquidity_rejections,
    side_rejections,
)
from ibkeel.options.rank import Candidate, candidate_of


def faults_of(quote: Quote, rule: DeltaRule, now: datetime | None) -> Iterator[Rejection]:
    """Why a quote tells nothing: a side is missing, the market is crossed, the feed or its age refused."""
    yield from side_rejections(quote)
    if quote.spread is not None and quote.spread < 0:
        yield Rejection(kind=RejectionKind.CROSSED, detail=f"bid {quote.bid} is above ask {quote.ask}")
    yield from freshness_rejections(quote, live_only=rule.live_only, max_age=rule.max_age, now=now)


def judged(
    option: Option,
    answer: Quote | RequestFailed,
    mark: Marked | None,
    *,
    forward: float,
    rule: DeltaRule,
    now: datetime | None,
) -> Candidate:
    """The candidate that an answer makes, with its own volatility and delta.

    Args:
        option: What was asked for.
        answer: What came.
        mark: Volatility and delta, when the quote gives them.
        forward: Per share; distances are reckoned from it.
        rule: What is looked for.
        now: Instant to reckon the quote's age at.
    """
    candidate = candidate_of(option, answer, as_decimal(forward))
    against = list(candidate.rejections)
    if candidate.quote is not None:
        against += _against(candidate.quote, rule, now, mark)
    return attrs.evolve(
        candidate,
        # A liquidity rule may tell again what is told already.
        rejections=tuple({rejection.kind: rejection for rejection in against}.values()),
        iv=None if mark is None else mark.iv,
        delta=None if mark is None else mark.delta,
    )


def _against(quote: Quote, rule: DeltaRule, now: datetime | None, mark: Marked | None) -> Iterator[Rejection]:
    faults = [*faults_of(quote, rule, now)]
    yield from faults
    if not faults and mark is None:
        yield Rejection(kind=RejectionKind.NO_VOLATILITY, detail="no volatility gives its mid")
    if mark is not None and rule.max_error is not None:
        error = abs(abs(mark.delta) - rule.delta)
        if error > rule.max_error:
            detail = f"delta {mark.delta:.3f} is {error:.3f} from {rule.delta:g}; allowed: {rule.max_error:g}"
            yield Rejection(kind=RejectionKind.DELTA, detail=detail)
    if rule.liquidity is not None:
        yield from liquidity_rejections(quote, rule.liquidity, now=now)


def error_of(candidate: Candidate, rule: DeltaRule) -> float:
    """How far a candidate's delta is from the target; infinite when it has none."""
    return float("inf") if candidate.delta is None else abs(abs(candidate.delta) - rule.delta)


def rank_of(candidate: Candidate, rule: DeltaRule) -> tuple[bool, float, float, Decimal]:
    """Sorts candidates: kept ones first, then the nearest, then the farther out of the money."""
    small = 0.0 if candidate.delta is None else abs(candidate.delta)
    return (not candidate.is_kept, error_of(candidate, rule), small, candidate.option.strike)
