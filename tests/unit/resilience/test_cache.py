import pytest

from ibkeel.errors import CircuitOpen, InvalidInput, NoData, UnknownContract
from ibkeel.resilience import Cache, CacheKind, CachePolicy, Fresh, Lifetime, Stale

DEFINITIONS, CHAINS, BARS = CacheKind.DEFINITIONS, CacheKind.CHAINS, CacheKind.BARS
DAY = 86_400.0


def short(most=3):
    return Cache(
        CachePolicy(
            definitions=Lifetime(fresh=100, negative=10, ends_with_session=True),
            chains=Lifetime(fresh=100, negative=0),
            bars=Lifetime(fresh=10, kept=30, negative=10),
            most=most,
        )
    )


def test_an_answer_is_fresh_then_stale_then_gone():
    cache = short()
    cache.put("SPY", "bars", 5.0, kind=BARS)

    assert cache.get("SPY", 14.9) == Fresh(value="bars", age=14.9 - 5.0)
    assert cache.get("SPY", 15.0) == Stale(value="bars", age=10.0)
    assert cache.get("SPY", 34.9) == Stale(value="bars", age=34.9 - 5.0)
    assert cache.get("SPY", 35.0) is None
    assert len(cache) == 0


def test_what_is_never_stale_is_gone_when_it_is_no_longer_fresh():
    cache = short()
    cache.put("SPY", "chain", 0.0, kind=CHAINS)

    assert cache.get("SPY", 99.0) == Fresh(value="chain", age=99.0)
    assert cache.get("SPY", 100.0) is None


def test_a_refusal_comes_back_as_a_new_error_of_the_same_type():
    cache = short()
    error = UnknownContract("no contract SPYY", code=200)
    cache.refuse("SPYY", error, 0.0, kind=DEFINITIONS)

    refused = cache.get("SPYY", 4.0)

    again = refused.as_error()
    assert (type(again), str(again), again.code) == (UnknownContract, "no contract SPYY", 200)
    assert again is not error
    assert (refused.age, refused.wait) == (4.0, 6.0)
    assert cache.get("SPYY", 10.0) is None


def test_an_answer_takes_the_place_of_a_refusal_and_the_other_way_round():
    cache = short()

    cache.refuse("SPY", NoData("none"), 0.0, kind=BARS)
    cache.put("SPY", "bars", 1.0, kind=BARS)
    assert cache.get("SPY", 1.0) == Fresh(value="bars", age=0.0)

    cache.refuse("SPY", NoData("none"), 2.0, kind=BARS)
    assert cache.get("SPY", 2.0).error_type is NoData


def test_a_refusal_that_is_not_to_be_remembered_still_ends_the_old_answer():
    cache = short()
    cache.put("SPY", "chain", 0.0, kind=CHAINS)

    cache.refuse("SPY", NoData("none"), 1.0, kind=CHAINS)

    assert cache.get("SPY", 1.0) is None


def test_a_call_that_was_not_made_is_no_refusal():
    with pytest.raises(InvalidInput, match="no answer"):
        short().refuse("SPY", CircuitOpen("history", wait=5.0, cause="x"), 0.0, kind=BARS)


def test_what_was_not_looked_at_for_longest_makes_room():
    cache = short(most=2)
    cache.put("a", 1, 0.0, kind=CHAINS)
    cache.put("b", 2, 0.0, kind=CHAINS)
    cache.get("a", 1.0)

    cache.put("c", 3, 2.0, kind=CHAINS)

    assert [cache.get(key, 3.0) is not None for key in "abc"] == [True, False, True]


def test_a_value_of_none_is_an_answer():
    cache = short()
    cache.put("SPY", None, 0.0, kind=CHAINS)

    assert cache.get("SPY", 1.0) == Fresh(value=None, age=1.0)


def test_the_end_of_a_session_takes_the_definitions_and_leaves_the_rest():
    cache = short()
    cache.put("definition", 1, 0.0, kind=DEFINITIONS)
    cache.refuse("refused", NoData("none"), 0.0, kind=DEFINITIONS)
    cache.put("chain", 2, 0.0, kind=CHAINS)

    cache.end_session()

    assert [cache.get(key, 1.0) is not None for key in ("definition", "refused", "chain")] == [
        False, False, True
    ]  # fmt: skip


def test_of_a_kind_that_is_forgotten_answers_and_refusals_are_gone_and_of_the_others_none():
    cache = short()
    cache.put("definition", 1, 0.0, kind=DEFINITIONS)
    cache.refuse("refused", NoData("none"), 0.0, kind=CHAINS)
    cache.put("chain", 2, 0.0, kind=CHAINS)

    cache.forget_kind(CHAINS)

    assert [cache.get(key, 1.0) is not None for key in ("definition", "refused", "chain")] == [
        True, False, False
    ]  # fmt: skip


def test_what_is_forgotten_is_gone_and_forgetting_twice_does_nothing():
    cache = short()
    cache.put("a", 1, 0.0, kind=CHAINS)
    cache.put("b", 2, 0.0, kind=CHAINS)

    cache.forget("a")
    cache.forget("a")
    assert len(cache) == 1

    cache.clear()
    assert len(cache) == 0


def test_unless_told_otherwise_definitions_and_chains_last_a_day_and_refusals_ten_minutes():
    cache = Cache()
    cache.put("definition", 1, 0.0, kind=DEFINITIONS)
    cache.put("chain", 1, 0.0, kind=CHAINS)
    cache.refuse("refused", NoData("none"), 0.0, kind=DEFINITIONS)

    assert isinstance(cache.get("definition", DAY - 1), Fresh)
    assert isinstance(cache.get("chain", DAY - 1), Fresh)
    assert cache.get("definition", DAY) is cache.get("chain", DAY) is None
    assert cache.get("refused", 599.0) is not None
    assert cache.get("refused", 600.0) is None


@pytest.mark.parametrize(
    "wrong",
    [{"fresh": 0}, {"fresh": 10, "kept": 9}, {"fresh": 10, "kept": float("inf")}, {"fresh": 10, "negative": -1},
     {"fresh": float("nan")}],
)  # fmt: skip
def test_a_lifetime_that_cannot_be_is_refused(wrong):
    with pytest.raises(InvalidInput, match="Lifetime"):
        Lifetime(**wrong)


def test_an_answer_may_be_kept_exactly_as_long_as_it_is_fresh():
    assert Lifetime(fresh=10, kept=10).longest == 10


def test_a_cache_that_keeps_nothing_is_refused():
    with pytest.raises(InvalidInput, match="most"):
        CachePolicy(most=0)


def test_a_kind_may_be_named_by_its_text():
    cache = Cache()

    cache.put("SPY", 1, 0.0, kind="bars")

    assert cache.get("SPY", 1.0).value == 1
