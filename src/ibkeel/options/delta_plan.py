"""Find the option of a wanted delta with a few quotes, in waves: what to ask next, and when to stop.

Delta is monotone in the strike. A first, coarse wave shows the forward and the smile; from these follows
nearly the strike; a fine wave around it decides. Nothing here waits: the caller asks and tells.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import attrs

from ibkeel.errors import DataUnavailable, InvalidInput, RequestFailed, UnknownContract
from ibkeel.model import Option, OptionChain, Quote, Right
from ibkeel.model.broker import Answers
from ibkeel.model.checks import as_decimal
from ibkeel.options.delta_rule import DeltaRule, Listing
from ibkeel.options.delta_search import (
    Expiry,
    Listed,
    Marked,
    View,
    is_settled,
    pair_strikes,
    round_neighbours,
    roundest,
    view_of,
)
from ibkeel.options.liquidity import (
    Rejection,
    RejectionKind,
    freshness_rejections,
    liquidity_rejections,
    side_rejections,
)
from ibkeel.options.rank import Candidate, candidate_of
from ibkeel.validators import Fixed


def faults_of(quote: Quote, rule: DeltaRule, now: datetime) -> Iterator[Rejection]:
    """Why a quote tells nothing: a side is missing, the market is crossed, the feed or its age refused."""
    yield from side_rejections(quote)
    if quote.spread is not None and quote.spread < 0:
        yield Rejection(kind=RejectionKind.CROSSED, detail=f"bid {quote.bid} is above ask {quote.ask}")
    yield from freshness_rejections(quote, live_only=rule.live_only, max_age=rule.max_age, now=now)


def _against(quote: Quote, rule: DeltaRule, now: datetime, mark: Marked | None) -> Iterator[Rejection]:
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


def _has_failed(answer: Quote | RequestFailed | None) -> bool:
    """Whether a request failed of itself, such as by its deadline, and not because there is nothing to quote."""
    return isinstance(answer, RequestFailed) and not isinstance(answer, UnknownContract | DataUnavailable)


def _rank(candidate: Candidate, target: float) -> tuple[bool, float, float, Decimal]:
    """Sorts candidates: kept ones first, then the nearest, then the farther out of the money."""
    size, error = 0.0, math.inf
    if candidate.delta is not None:
        size = abs(candidate.delta)
        error = abs(size - target)
    return (not candidate.is_kept, error, size, candidate.option.strike)


# The coarse wave looks where the target would lie at these volatilities: calm index to wild share.
_VOLATILITIES: Final = (0.12, 0.25, 0.50)
_FINE: Final = 4
_FINE_BESIDE_PAIR: Final = 3


@attrs.frozen(kw_only=True)
class DeltaPick:
    """What a plan found.

    Args:
        target: The delta that was asked for, without sign.
        candidates: Every option of the wanted right that was asked for, nearest to the target first,
            those that were rejected last.
        forward: Per share.
        has_parity: Whether the forward is that of put-call parity; else it is the spot, carried.
        is_proven: Whether no option that was not quoted can be nearer, as delta is monotone in the strike; one
            whose request failed may be. Those beyond the end of the list, or of a step that is not listed
            there, as far as that shows, do not count.
        quoted: How many options were asked for, those of the other right included.
        waves: In how many rounds.
        missing: Those of them that do not exist: leave them out the next time.
    """

    target: float
    candidates: tuple[Candidate, ...]
    forward: float
    has_parity: bool
    is_proven: bool
    quoted: int
    waves: int
    missing: tuple[Option, ...] = ()

    @property
    def chosen(self) -> Candidate | None:
        """The one nearest to the target; None when all were rejected."""
        return next((candidate for candidate in self.candidates if candidate.is_kept), None)

    def explain(self) -> str:
        """What was asked for and found, then each candidate, one a line."""
        found = "nothing fits" if self.chosen is None else str(self.chosen.option)
        sure = (
            "" if self.is_proven or self.chosen is None else ", though one that was not quoted may be nearer"
        )
        forward = f"forward {self.forward:.2f} by {'parity' if self.has_parity else 'the spot alone'}"
        head = f"delta {self.target:g}: {found}{sure}; {self.quoted} quotes in {self.waves} waves, {forward}"
        return "\n".join([head, *(f"  {candidate.explain()}" for candidate in self.candidates)])


@attrs.frozen(kw_only=True)
class DeltaPlan:
    """The state of a search; each answer makes a new one.

    The winner is the option whose own delta, at the volatility that its mid implies and from the forward
    that parity gives at round strikes near the spot, comes nearest to the target; of two as near the one
    of the smaller delta, which is farther out of the money.

    Args:
        rule: What to look for.
        view: What is known of the expiry.
        answers: What was asked for and what came, in order of asking.
        came_at: When each answer came, to reckon its age at.
        waves: How many rounds of answers came.

    Examples:
        The whole driver::

            plan = DeltaPlan.start(chain, listing, rule=rule, spot=600.0, years=45 / 365)
            while wave := plan.next_wave():
                plan = plan.saw(await broker.quotes(wave), now=clock.now())
            print(plan.result.explain())
    """

    rule: DeltaRule
    view: View
    answers: Mapping[Option, Quote | RequestFailed] = Fixed({})
    came_at: Mapping[Option, datetime] = Fixed({})
    waves: int = 0

    @classmethod
    def start(
        cls,
        chain: OptionChain,
        listing: Listing,
        *,
        rule: DeltaRule,
        spot: float,
        years: float,
        without: Collection[Option] = (),
    ) -> "DeltaPlan":
        """A plan that has asked nothing yet.

        Args:
            chain: Every class of the underlying.
            listing: Class and expiry; see `delta_listing`.
            rule: What to look for.
            spot: Price of the underlying per share, above 0; roughly will do.
            years: Time to expiry, above 0.
            without: Options known not to exist.

        Raises:
            InvalidInput: A figure is not above 0, or the class has no strikes.
        """
        if not (spot > 0 and years > 0):
            raise InvalidInput(f"spot {spot!r}, years {years!r}; valid: above 0")
        options = {
            right: {
                strike: chain.option(listing.row, listing.expiry, strike, right)
                for strike in listing.row.strikes
            }
            for right in Right
        }
        gone = {strike for table in options.values() for strike, one in table.items() if one in without}
        wanted = {strike: one for strike, one in options[rule.right].items() if strike not in gone}
        if not wanted:
            raise InvalidInput(f"class {listing.row.trading_class} has no strike left to look at")
        other = options[Right.PUT if rule.right is Right.CALL else Right.CALL]
        expiry = Expiry(wanted=wanted, twins=other, spot=spot, years=years, rate=rule.rate)
        return cls(rule=rule, view=view_of(expiry, {}))

    def next_wave(self) -> tuple[Option, ...]:
        """What to quote next; empty when the search is over. Asking again changes nothing."""
        room = self.rule.max_quotes - len(self.answers)
        if self.waves >= self.rule.max_waves or room <= 0 or self._is_hopeless or self._is_proven:
            return ()
        wave = self._coarse() if self.waves == 0 else self._fine()
        return tuple(dict.fromkeys(one for one in wave if one not in self.answers))[:room]

    def saw(self, answers: Answers, *, now: datetime) -> "DeltaPlan":
        """The plan after a wave's answers.

        Args:
            answers: What `Broker.quotes` answered; an option that is missing there was not answered.
            now: Instant to reckon the quotes' age at, aware.
        """
        missing = RequestFailed("it was not answered")
        told = {one: answers.get(one, missing) for one in self.next_wave()}
        plan = attrs.evolve(
            self,
            answers={**self.answers, **told},
            came_at={**self.came_at, **dict.fromkeys(told, now)},
            waves=self.waves + 1,
        )
        sound = {option: quote for option, quote, faults in plan.quotes() if not faults}
        return attrs.evolve(plan, view=view_of(self.view.expiry, sound))

    def quotes(self) -> Iterator[tuple[Option, Quote, tuple[Rejection, ...]]]:
        """Every quote that came, with what makes it useless, if anything."""
        for option, answer in self.answers.items():
            if isinstance(answer, Quote):
                yield option, answer, tuple(faults_of(answer, self.rule, self.came_at[option]))

    @property
    def result(self) -> DeltaPick:
        """What is found by now; final once `next_wave` is empty."""
        return DeltaPick(
            target=self.rule.delta,
            candidates=tuple(self._candidates()),
            forward=self.view.forward,
            has_parity=self.view.has_parity,
            is_proven=self._is_proven,
            quoted=len(self.answers),
            waves=self.waves,
            missing=tuple(one for one, came in self.answers.items() if isinstance(came, UnknownContract)),
        )

    def _candidates(self) -> list[Candidate]:
        """Options of the wanted right that were asked for, best first."""
        right, target = self.rule.right, self.rule.delta
        asked = (self._candidate(*row) for row in self.answers.items() if row[0].right is right)
        return sorted(asked, key=lambda one: _rank(one, target))

    def _candidate(self, option: Option, answer: Quote | RequestFailed) -> Candidate:
        """What an answer makes of an option, with the volatility and delta of its quote, when that gives them."""
        candidate = candidate_of(option, answer, as_decimal(self.view.forward))
        mark, against = self.view.marks.get(option.strike), list(candidate.rejections)
        if candidate.quote is not None:
            against += _against(candidate.quote, self.rule, self.came_at[option], mark)
        return attrs.evolve(
            candidate,
            # A liquidity rule may tell again what is told already.
            rejections=tuple({rejection.kind: rejection for rejection in against}.values()),
            iv=None if mark is None else mark.iv,
            delta=None if mark is None else mark.delta,
        )

    @property
    def _is_hopeless(self) -> bool:
        """Whether every quote that came is of a feed or an age that is refused: more would be too."""
        refused = {RejectionKind.NOT_LIVE, RejectionKind.STALE}
        verdicts = [any(fault.kind in refused for fault in faults) for _, _, faults in self.quotes()]
        return bool(verdicts) and all(verdicts)

    @property
    def _is_proven(self) -> bool:
        best = next(iter(self._candidates()), None)
        if best is None or not best.is_kept or self._next_pair():
            return False
        wanted = self.view.expiry.wanted
        # Ascending in delta without sign: that of a put grows with the strike, that of a call falls.
        strikes = list(wanted)[:: 1 if self.rule.right is Right.PUT else -1]
        failed = (strike for strike, one in wanted.items() if _has_failed(self.answers.get(one)))
        unseen = {*self._open(), *failed}
        ladder = [None if strike in unseen else self._size(strike) for strike in strikes]
        return is_settled(ladder, strikes.index(best.option.strike), self.rule.delta)

    def _size(self, strike: Decimal) -> float:
        """Delta without sign; NaN when there is none."""
        mark = self.view.marks.get(strike)
        return math.nan if mark is None else abs(mark.delta)

    def _coarse(self) -> Iterator[Option]:
        view, expiry = self.view, self.view.expiry
        at = pair_strikes(expiry)[0]
        yield from (expiry.wanted[at], expiry.twins[at])
        strikes, reach = tuple(expiry.wanted), view.reach_of(self.rule.delta)
        for volatility in _VOLATILITIES:
            yield expiry.wanted[roundest(strikes, float(at), view.strike_at(reach, volatility))]

    def _fine(self) -> Iterator[Option]:
        expiry, pair = self.view.expiry, self._next_pair()
        yield from pair
        goal, listed = self.view.strike_of(self.rule.delta), self._listed()
        near = listed.next_to(self._open(), goal, _FINE_BESIDE_PAIR if pair else _FINE)
        for strike in (*near, *round_neighbours(listed.likely(expiry.wanted), goal)):
            yield expiry.wanted[strike]

    def _next_pair(self) -> tuple[Option, ...]:
        """Another pair to give the forward, as long as those that were whole leave it room."""
        if self.view.is_pinned:
            return ()
        expiry = self.view.expiry
        pairs = [(expiry.wanted[strike], expiry.twins[strike]) for strike in pair_strikes(expiry)]
        return next((pair for pair in pairs if any(one not in self.answers for one in pair)), ())

    def _listed(self) -> Listed:
        """What the answers say of the list of strikes."""
        came = {strike: self.answers.get(one) for strike, one in self.view.expiry.wanted.items()}
        return Listed(
            existing=(strike for strike, answer in came.items() if isinstance(answer, Quote)),
            missing=(strike for strike, answer in came.items() if isinstance(answer, UnknownContract)),
        )

    def _open(self) -> list[Decimal]:
        """Strikes that were not asked for and may well be listed, ascending."""
        wanted = self.view.expiry.wanted
        return self._listed().likely([strike for strike, one in wanted.items() if one not in self.answers])
