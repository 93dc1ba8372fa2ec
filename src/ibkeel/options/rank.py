"""From quoted options to the one to take, with the reason for each that was not."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs

from ibkeel.errors import RequestFailed
from ibkeel.model import Contract, Option, Quote
from ibkeel.model.checks import as_decimal
from ibkeel.options.liquidity import Rejection, RejectionKind, liquidity_rejections
from ibkeel.options.rules import Preference, SelectionRule

__all__ = ["Candidate", "Choice", "choose"]


@attrs.frozen(kw_only=True)
class Candidate:
    """One option that was looked at.

    Args:
        option: The contract.
        quote: What was seen; None when no quote came.
        distance: How far its strike is from spot, per share.
        rejections: What speaks against it; empty when it was kept.
    """

    option: Option
    quote: Quote | None
    distance: Decimal
    rejections: tuple[Rejection, ...] = ()

    @property
    def is_kept(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.rejections


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


def _judged(
    option: Option, answer: Quote | RequestFailed | None, spot: Decimal, rule: SelectionRule
) -> Candidate:
    distance = abs(option.strike - spot)
    if isinstance(answer, Quote):
        rejections = liquidity_rejections(answer, rule.liquidity)
        return Candidate(option=option, quote=answer, distance=distance, rejections=rejections)
    detail = "it was not quoted" if answer is None else f"no quote: {answer}"
    missing = Rejection(kind=RejectionKind.NO_QUOTE, detail=detail)
    return Candidate(option=option, quote=None, distance=distance, rejections=(missing,))


def _relative_spread(quote: Quote) -> Decimal:
    bid, ask = as_decimal(quote.bid or 0), as_decimal(quote.ask or 0)
    return (ask - bid) / ((ask + bid) / 2)


def _rank(candidate: Candidate, prefer: Preference) -> tuple[object, ...]:
    quote, option = candidate.quote, candidate.option
    tail = (candidate.distance, option.expiry, option.strike)
    if quote is None or not candidate.is_kept:
        return (1, *tail)
    spread = _relative_spread(quote)
    if prefer is Preference.BUSIEST:
        return (0, -(quote.volume or 0), spread, *tail)
    return (0, spread, *tail)


def choose(
    options: Sequence[Option],
    quotes: Mapping[Contract, Quote | RequestFailed],
    *,
    spot: float | Decimal,
    rule: SelectionRule,
) -> Choice:
    """Judge quoted options and put the best first.

    Args:
        options: What was selected.
        quotes: What `Broker.quotes` answered; an option that is missing there was not quoted.
        spot: Price of the underlying per share.
        rule: What a quote must show, and which one wins.
    """
    price = as_decimal(spot)
    judged = [_judged(option, quotes.get(option), price, rule) for option in options]
    return Choice(candidates=tuple(sorted(judged, key=lambda one: _rank(one, rule.prefer))))
