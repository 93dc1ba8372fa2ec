from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from ibkeel.errors import QuoteUnavailable, UnknownContract
from ibkeel.model import Option, Quote, Right
from ibkeel.options import Candidate, LiquidityRule, RejectionKind, SelectionRule, choose

NOON = datetime(2024, 3, 4, 17, tzinfo=UTC)
OPTIONS = [Option("SPY", date(2024, 3, 8), strike, Right.CALL) for strike in (499, 500, 501)]
LOOSE = LiquidityRule(min_volume=0, max_relative_spread=1.0)


def quotes(*rows):
    return {
        option: Quote(contract=option, at=NOON, bid=bid, ask=ask, volume=volume)
        for option, (bid, ask, volume) in zip(OPTIONS, rows, strict=False)
    }


def chosen(seen, **rule):
    choice = choose(OPTIONS, seen, spot=500.2, rule=SelectionRule(liquidity=LOOSE, **rule))
    return choice.chosen.option


def test_the_spread_that_is_tightest_against_its_mid_wins_however_busy_others_are():
    assert chosen(quotes((1.0, 1.1, 9), (2.0, 2.15, 1), (3.0, 3.3, 5))) == OPTIONS[1]
    assert chosen(quotes((2.0, 2.1, 1), (2.0, 2.05, 1), (2.0, 2.2, 1))) == OPTIONS[1]


def test_the_nearest_strike_breaks_a_tie():
    assert chosen(quotes((2.0, 2.1, 1), (2.0, 2.1, 1), (2.0, 2.1, 1))) == OPTIONS[1]


def test_the_busiest_wins_when_asked_for_and_the_tightest_of_equals():
    assert chosen(quotes((2.0, 2.1, 5), (2.0, 2.2, 9), (2.0, 2.1, 9)), prefer="busiest") == OPTIONS[2]
    assert chosen(quotes((2.0, 2.3, 9), (2.0, 2.1, 5), (2.0, 2.1, None)), prefer="busiest") == OPTIONS[0]
    assert chosen(quotes((2.0, 2.1, 1), (2.0, 2.05, None), (2.0, 2.2, 0)), prefer="busiest") == OPTIONS[0]


@pytest.mark.parametrize("prefer", ["tightest", "busiest"])
def test_those_that_were_rejected_come_last_the_nearest_of_them_first(prefer):
    seen = quotes((2.0, 2.1, 0), (2.0, 2.9, 9), (2.0, 2.9, 9))
    rule = SelectionRule(liquidity=attrs.evolve(LOOSE, max_relative_spread=0.1), prefer=prefer)

    choice = choose(OPTIONS, seen, spot=501, rule=rule)

    assert [one.option for one in choice.candidates] == [OPTIONS[0], OPTIONS[2], OPTIONS[1]]


def test_every_candidate_carries_its_reason():
    seen = quotes((2.0, 2.1, 500), (2.0, 3.0, 500))
    seen[OPTIONS[2]] = UnknownContract("no such contract", code=200)

    choice = choose(OPTIONS, seen, spot=500.2, rule=SelectionRule())

    reasons = {one.option: [rejection.kind for rejection in one.rejections] for one in choice.candidates}
    assert reasons == {
        OPTIONS[0]: [],
        OPTIONS[1]: [RejectionKind.SPREAD_WIDE],
        OPTIONS[2]: [RejectionKind.NO_SUCH_CONTRACT],
    }
    assert choice.candidates[0].is_kept
    assert str(OPTIONS[0]) in choice.summary()


def test_nothing_is_chosen_when_all_are_rejected_and_the_summary_says_why():
    seen = {**quotes((2.0, None, 1)), OPTIONS[2]: QuoteUnavailable("nobody trades it")}

    choice = choose(OPTIONS, seen, spot=500, rule=SelectionRule())

    assert choice.chosen is None
    assert choice.summary() == (
        "SPY 2024-03-08 500 C: it was not quoted; "
        "SPY 2024-03-08 499 C: nobody offers, volume 1; wanted: 100 or more; "
        "SPY 2024-03-08 501 C: no quote: nobody trades it"
    )
    assert "x" not in choice.explain()


def test_no_candidates_give_no_choice():
    choice = choose([], {}, spot=500, rule=SelectionRule())

    assert choice.chosen is None
    assert choice.summary() == "the chain has no such option"


def test_a_premium_outside_the_range_is_rejected_and_a_missing_one_is_told_once():
    seen = quotes((2.0, 2.1, 500), (1.0, 1.1, 500), (None, 2.0, 500))

    choice = choose(OPTIONS, seen, spot=500.2, rule=SelectionRule(min_premium=2, max_premium=3))

    reasons = {one.option: [rejection.kind for rejection in one.rejections] for one in choice.candidates}
    assert reasons == {
        OPTIONS[0]: [],
        OPTIONS[1]: [RejectionKind.PREMIUM],
        OPTIONS[2]: [RejectionKind.NO_BID],
    }
    assert choice.explain().splitlines()[0] == f"{OPTIONS[0]}: 2.0 x 2.1, kept"


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ({"min_premium": 2.06}, "2.06 to any"),
        ({"max_premium": 2.04}, "any to 2.04"),
        ({"min_premium": 2.06, "max_premium": 3}, "2.06 to 3"),
    ],
)
def test_a_rejected_premium_is_told_with_what_was_wanted(rule, wanted):
    rule = SelectionRule(liquidity=LOOSE, **rule)

    [candidate] = choose(OPTIONS[:1], quotes((2.0, 2.1, 1)), spot=500, rule=rule).candidates

    assert [one.detail for one in candidate.rejections] == [f"premium 2.05; wanted: {wanted}"]


def test_a_premium_at_either_end_of_the_range_is_kept():
    assert chosen(quotes((2.0, 2.1, 1)), min_premium=2.05, max_premium=2.05) == OPTIONS[0]


def test_a_volatility_without_a_delta_is_not_shown():
    bare = Candidate(option=OPTIONS[0], quote=None, distance=1, iv=0.2)

    assert bare.explain() == "SPY 2024-03-08 499 C: kept"


def test_the_age_of_quotes_counts_when_the_rule_says_so():
    rule = SelectionRule(liquidity=LiquidityRule(min_volume=0, max_age=5))

    choice = choose(OPTIONS[:1], quotes((2.0, 2.1, 1)), spot=500, rule=rule, now=NOON + timedelta(seconds=6))

    assert [rejection.kind for rejection in choice.candidates[0].rejections] == [RejectionKind.STALE]
    assert choose([], {}, spot=500, rule=rule).explain() == "the chain has no such option"
