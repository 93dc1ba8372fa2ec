from datetime import UTC, date, datetime, timedelta

import attrs
import pytest

from ibkeel.errors import InvalidInput, UnknownContract
from ibkeel.model import DataType, Option, Quote, Right
from ibkeel.options import (
    Candidate,
    DeltaWithin,
    DteWithin,
    ExpiryFrom,
    KindIn,
    Liquid,
    LiquidityRule,
    MoneynessWithin,
    OutOfTheMoneyWithin,
    PremiumWithin,
    RejectionKind,
    RightIs,
    SeriesKind,
    candidates_of,
    sift,
)

TODAY = date(2024, 3, 4)
NOON = datetime(2024, 3, 4, 17, tzinfo=UTC)
MONTHLY, WEEKLY = date(2024, 3, 15), date(2024, 3, 22)


def quoted(strike=505, right=Right.CALL, expiry=MONTHLY, bid=2.0, ask=2.1, option=None, **fields):
    option = option or Option("SPY", expiry, strike, right)
    quote = Quote(contract=option, at=NOON, bid=bid, ask=ask, volume=500.0)
    return attrs.evolve(Candidate(option=option, quote=quote, distance=5), **fields)


AM_SETTLED = Option("SPX", date(2024, 3, 14), 5000, Right.CALL, trading_class="SPX")
PASSES = [
    (RightIs("C"), quoted(), quoted(right="P"), RejectionKind.RIGHT, "right C", "right P; wanted: C"),
    (
        ExpiryFrom(WEEKLY), quoted(expiry=WEEKLY), quoted(), RejectionKind.EXPIRY,
        "expiry from 2024-03-22", "expires 2024-03-15; wanted: 2024-03-22 or later",
    ),
    (
        DteWithin(today=TODAY, least=5, most=11), quoted(), quoted(expiry=WEEKLY), RejectionKind.EXPIRY,
        "DTE 5 to 11", "DTE 18; wanted: 5 to 11",
    ),
    (
        DteWithin(today=TODAY, least=18), quoted(expiry=WEEKLY), quoted(), RejectionKind.EXPIRY,
        "DTE at least 18", "DTE 11; wanted: at least 18",
    ),
    (
        KindIn(kinds=["monthly"], listed=(MONTHLY, WEEKLY), today=TODAY), quoted(), quoted(expiry=WEEKLY),
        RejectionKind.KIND, "series monthly", "series weekly; wanted: monthly",
    ),
    (
        KindIn(kinds=["monthly"], listed=(AM_SETTLED.expiry, MONTHLY), today=TODAY), quoted(option=AM_SETTLED),
        quoted(option=attrs.evolve(AM_SETTLED, trading_class="SPXW")),
        RejectionKind.KIND, "series monthly", "series weekly; wanted: monthly",
    ),
    (
        MoneynessWithin(spot=500, least=1.0, most=1.01), quoted(), quoted(506), RejectionKind.MONEYNESS,
        "strike / spot 1.0 to 1.01", "strike / spot 1.0120; wanted: 1.0 to 1.01",
    ),
    (
        MoneynessWithin(spot=500, least=1.0), quoted(500), quoted(499), RejectionKind.MONEYNESS,
        "strike / spot at least 1.0", "strike / spot 0.9980; wanted: at least 1.0",
    ),
    (
        OutOfTheMoneyWithin(spot=500, least=0.01), quoted(495, "P"), quoted(496, "P"),
        RejectionKind.MONEYNESS,
        "out of the money at least 0.01", "0.0080 out of the money; wanted: at least 0.01",
    ),
    (
        OutOfTheMoneyWithin(spot=500, least=0, most=0.01), quoted(495, "P"), quoted(494, "P"),
        RejectionKind.MONEYNESS,
        "out of the money 0 to 0.01", "0.0120 out of the money; wanted: 0 to 0.01",
    ),
    (
        PremiumWithin(least=2.05, most=3), quoted(), quoted(bid=1.99), RejectionKind.PREMIUM,
        "premium 2.05 to 3", "premium 2.045; wanted: 2.05 to 3",
    ),
    (
        PremiumWithin(most=2.05), quoted(), quoted(bid=2.01), RejectionKind.PREMIUM,
        "premium at most 2.05", "premium 2.055; wanted: at most 2.05",
    ),
    (
        DeltaWithin(least=0.25, most=0.35), quoted(delta=-0.35), quoted(delta=-0.351), RejectionKind.DELTA,
        "delta 0.25 to 0.35", "delta 0.351; wanted: 0.25 to 0.35",
    ),
    (
        DeltaWithin(least=0.25), quoted(delta=0.25), quoted(delta=0.249), RejectionKind.DELTA,
        "delta at least 0.25", "delta 0.249; wanted: at least 0.25",
    ),
    (
        Liquid(), quoted(), quoted(ask=2.5), RejectionKind.SPREAD_WIDE,
        "spread within 2.0% of mid or 0.10, volume 100 or more",
        "spread 0.5 is 22.2% of mid; allowed: 2.0% of mid or 0.10",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "good", "bad", "kind", "asks", "told"), PASSES, ids=lambda v: type(v).__name__
)
def test_a_filter_keeps_its_bounds_and_says_what_lies_outside(rule, good, bad, kind, asks, told):
    rejection = rule.judge(bad)

    assert rule.judge(good) is None
    assert (rejection.kind, rejection.detail) == (kind, told)
    assert str(rule) == asks


@pytest.mark.parametrize(
    ("rule", "candidate", "kind", "told"),
    [
        (
            PremiumWithin(least=1), quoted(bid=None),
            RejectionKind.PREMIUM, "no premium: bid and ask are not both there",
        ),
        (DeltaWithin(most=0.5), quoted(), RejectionKind.DELTA, "its delta is not known"),
        (
            Liquid(), Candidate(option=quoted().option, quote=None, distance=1),
            RejectionKind.NO_QUOTE, "it was not quoted",
        ),
    ],
)  # fmt: skip
def test_what_is_not_known_does_not_pass(rule, candidate, kind, told):
    rejection = rule.judge(candidate)

    assert (rejection.kind, rejection.detail) == (kind, told)


def test_an_open_end_lets_everything_on_its_side_pass():
    assert PremiumWithin().judge(quoted()) is None
    assert DteWithin(today=TODAY, most=11).judge(quoted()) is None
    assert (str(PremiumWithin()), str(PremiumWithin(most=3))) == ("premium any", "premium at most 3")
    assert str(PremiumWithin(least=3)) == "premium at least 3"


@pytest.mark.parametrize(
    "make",
    [
        lambda: PremiumWithin(least=2, most=1),
        lambda: DteWithin(today=TODAY, least=2, most=1),
        lambda: MoneynessWithin(spot=0),
    ],
)
def test_a_filter_that_nothing_can_pass_is_refused(make):
    with pytest.raises(InvalidInput):
        make()


def test_every_candidate_keeps_every_reason_and_what_it_passed():
    kept, dropped = sift([quoted(), quoted(right="P", ask=3.0)], [RightIs("C"), Liquid()])

    assert kept.is_kept
    assert len(kept.passed) == 2
    assert [rejection.kind for rejection in dropped.rejections] == [
        RejectionKind.RIGHT,
        RejectionKind.SPREAD_WIDE,
    ]
    assert "kept: right C; spread within" in kept.explain()
    assert "rejected: right P; wanted: C; spread 1.0" in dropped.explain()


def test_a_candidate_without_a_quote_is_told_so_once():
    option = quoted().option

    (never,) = sift(candidates_of([option], {}, spot=500), [Liquid()])
    (gone,) = candidates_of([option], {option: UnknownContract("no such", code=200)}, spot=500)

    assert [rejection.kind for rejection in never.rejections] == [RejectionKind.NO_QUOTE]
    assert [rejection.kind for rejection in gone.rejections] == [RejectionKind.NO_SUCH_CONTRACT]
    assert never.mid is None


def test_a_candidate_shows_volatility_and_delta_once_they_are_known():
    assert "2.0 x 2.1, IV 20.0%, delta -0.300, kept" in quoted(iv=0.2, delta=-0.3).explain()


@pytest.mark.parametrize(
    ("rule", "changes", "kind"),
    [
        ({"min_open_interest": 10}, {"open_interest": 9.0}, RejectionKind.OPEN_INTEREST_LOW),
        ({"min_open_interest": 10}, {}, RejectionKind.OPEN_INTEREST_UNKNOWN),
        ({"min_size": 5}, {"bid_size": 4.0, "ask_size": 5.0}, RejectionKind.SIZE_LOW),
        ({"min_size": 5}, {"bid_size": 5.0}, RejectionKind.SIZE_UNKNOWN),
        ({"max_age": 4.9}, {}, RejectionKind.STALE),
        ({"live_only": True}, {"data_type": DataType.DELAYED}, RejectionKind.NOT_LIVE),
    ],
    ids=str,
)
def test_a_liquidity_rule_can_ask_for_depth_and_freshness(rule, changes, kind):
    candidate = quoted()
    candidate = attrs.evolve(candidate, quote=attrs.evolve(candidate.quote, **changes))

    rejection = Liquid(LiquidityRule(**rule), NOON + timedelta(seconds=5)).judge(candidate)

    assert rejection.kind is kind


def test_a_minimum_of_nothing_asks_for_nothing():
    candidate = quoted()
    silent = attrs.evolve(candidate.quote, volume=None)

    assert Liquid(LiquidityRule(min_volume=0)).judge(attrs.evolve(candidate, quote=silent)) is None


def test_an_age_without_a_clock_cannot_be_told():
    with pytest.raises(InvalidInput, match="now"):
        Liquid(LiquidityRule(max_age=5)).judge(quoted())


def test_kinds_may_be_given_by_name():
    rule = KindIn(kinds=["leaps", "monthly"], listed=(MONTHLY,), today=TODAY)

    assert rule.kinds == {SeriesKind.LEAPS, SeriesKind.MONTHLY}
    assert str(rule) == "series leaps or monthly"


def test_a_liquidity_filter_says_every_limit_that_it_holds_to():
    rule = LiquidityRule(min_volume=0, min_open_interest=50, min_size=5, max_age=3, live_only=True)

    assert str(Liquid(LiquidityRule(min_volume=1))).endswith("volume 1 or more")
    assert str(Liquid()) == "spread within 2.0% of mid or 0.10, volume 100 or more"
    assert str(Liquid(rule)) == (
        "spread within 2.0% of mid or 0.10, open interest 50 or more, sizes 5 or more, at most 3 s old, live"
    )
