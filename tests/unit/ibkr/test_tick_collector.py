from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.ibkr.ticks import TickCollector
from ibkeel.model import DataType, Option, Right, Stock

SPY = Stock("SPY")
CALL = Option("SPY", date(2026, 1, 16), 500, Right.CALL)
START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
UNSET = 1.7976931348623157e308
BID, ASK, LAST, CLOSE, VOLUME = 1, 2, 4, 9, 8
CALL_INTEREST, PUT_INTEREST, MODEL = 27, 28, 13


class Steps:
    """A clock that moves on by a second with each look."""

    def __init__(self):
        self.seconds = -1

    def monotonic(self):
        return float(self.seconds)

    def now(self):
        self.seconds += 1
        return START + timedelta(seconds=self.seconds)


def collected(contract, *messages):
    collector = TickCollector(contract, Steps())
    for message, *args in messages:
        collector.on_message(message, tuple(args))
    return collector


def price(tick, value, size=100.0):
    return "priceSizeTick", tick, value, size


def size(tick, value):
    return "tickSize", tick, value


def model(*values):
    """iv, delta, price, dividend, gamma, vega, theta, underlying, as the decoder gives them."""
    return "tickOptionComputation", MODEL, 0, *values


def test_prices_and_sizes_become_a_quote():
    quote = collected(
        SPY, price(BID, 479.6, 1500.0), price(ASK, 479.62, 2100.0), price(LAST, 479.61, 5.0), size(VOLUME, 12e6),
        price(CLOSE, 479.0, 0.0),
    ).quote()  # fmt: skip

    assert (quote.bid, quote.ask, quote.last, quote.close) == (479.6, 479.62, 479.61, 479.0)
    assert (quote.bid_size, quote.ask_size, quote.last_size, quote.volume) == (1500.0, 2100.0, 5.0, 12e6)
    assert quote.is_live


def test_a_quote_is_of_the_contract_that_was_asked_for():
    assert collected(CALL, price(BID, 1.0)).quote().contract is CALL


@pytest.mark.parametrize(
    ("told", "is_halted"), [([], False), ([0.0], False), ([-1.0], False), ([1.0], True), ([2.0], True), ([2.0, 0.0], False)]
)  # fmt: skip
def test_tick_49_says_that_a_contract_is_halted_and_makes_no_price_newer(told, is_halted):
    ticks = [("tickGeneric", 49, value) for value in told]

    halted = collected(SPY, price(BID, 479.6), ("tickGeneric", 46, 3.0), *ticks).quote()

    assert halted.is_halted is is_halted
    assert halted.at == collected(SPY, price(BID, 479.6)).quote().at


def test_a_halt_outlasts_the_loss_of_the_source_until_its_end_is_told():
    collector = collected(SPY, price(BID, 479.6), ("tickGeneric", 49, 1.0))

    collector.forget()

    assert collector.quote().is_halted


@pytest.mark.parametrize("number", [0.0, 0.5])
def test_a_size_of_nothing_or_of_a_fraction_is_a_size(number):
    quote = collected(SPY, price(BID, 1.0, number), size(VOLUME, number)).quote()

    assert (quote.bid_size, quote.volume) == (number, number)


@pytest.mark.parametrize("nothing", [-1.0, UNSET, float("nan")])
def test_a_size_that_nobody_knows_is_none(nothing):
    quote = collected(SPY, price(BID, 1.0, nothing), size(VOLUME, nothing)).quote()

    assert (quote.bid_size, quote.volume) == (None, None)


@pytest.mark.parametrize(("tick", "is_priced"), [(BID, True), (ASK, True), (LAST, True), (CLOSE, False)])
def test_any_of_bid_ask_and_last_is_a_price(tick, is_priced):
    assert collected(SPY, price(tick, 1.0)).is_priced is is_priced


def test_bid_and_ask_together_are_two_sides():
    assert collected(SPY, price(BID, 1.0), price(ASK, 2.0)).is_two_sided
    assert not collected(SPY, price(BID, 1.0), price(LAST, 2.0)).is_two_sided


@pytest.mark.parametrize("nothing", [-1.0, 0.0, UNSET, float("nan"), float("inf")])
def test_a_side_that_nobody_quotes_is_none(nothing):
    collector = collected(SPY, price(BID, nothing, 0.0), price(ASK, 2.0))

    assert (collector.quote().bid, collector.quote().bid_size) == (None, None)
    assert collector.is_priced
    assert not collector.is_two_sided


def test_a_side_that_goes_away_is_forgotten():
    collector = collected(SPY, price(BID, 1.0), price(BID, -1.0, 0.0))

    assert collector.quote().bid is None
    assert not collector.is_priced


def test_what_is_forgotten_after_an_outage_is_all_that_may_have_changed():
    collector = collected(
        CALL, ("marketDataType", 3), price(BID, 1.0), price(ASK, 2.0), price(CLOSE, 1.4), size(VOLUME, 7.0),
        size(CALL_INTEREST, 77.0), model(0.2, 0.5, 1.5, 0.0, 0.01, 0.1, -0.1, 500.0),
    )  # fmt: skip
    was_complete = collector.is_complete

    collector.forget()

    quote = collector.quote()
    assert (was_complete, collector.is_complete, collector.is_priced) == (True, False, False)
    assert (quote.bid, quote.bid_size, quote.volume, quote.greeks) == (None, None, None, None)
    assert (quote.close, quote.open_interest, quote.data_type) == (1.4, 77.0, DataType.DELAYED)


def test_delayed_ticks_fill_the_same_fields():
    quote = collected(
        SPY, ("marketDataType", 3), price(66, 1.0), price(67, 2.0), price(68, 1.5), size(74, 7.0)
    ).quote()

    assert (quote.bid, quote.ask, quote.last, quote.volume) == (1.0, 2.0, 1.5, 7.0)
    assert quote.data_type is DataType.DELAYED


@pytest.mark.parametrize("message", [price(66, 1.0), size(74, 7.0)])
def test_a_delayed_tick_says_by_itself_that_the_feed_is_delayed(message):
    frozen = collected(SPY, ("marketDataType", 4), message)

    assert collected(SPY, message).quote().data_type is DataType.DELAYED
    assert frozen.quote().data_type is DataType.DELAYED_FROZEN


def test_a_live_tick_whose_value_is_the_number_of_a_delayed_one_is_live():
    assert collected(SPY, price(BID, 66.0), size(VOLUME, 74.0)).quote().is_live


@pytest.mark.parametrize(
    ("number", "kind"), [(1, "live"), (2, "frozen"), (3, "delayed"), (4, "delayed_frozen")]
)
def test_the_feed_says_how_fresh_it_is(number, kind):
    assert collected(SPY, ("marketDataType", number)).quote().data_type.value == kind


def test_a_feed_of_no_known_kind_keeps_the_last_word():
    assert collected(SPY, ("marketDataType", 3), ("marketDataType", 9)).quote().data_type is DataType.DELAYED


def test_the_error_that_announces_delayed_data_counts():
    collector = collected(SPY, price(BID, 1.0))

    collector.delayed()

    assert collector.quote().data_type is DataType.DELAYED


@pytest.mark.parametrize(
    ("right", "tick", "interest"),
    [(Right.CALL, CALL_INTEREST, 77.0), (Right.PUT, PUT_INTEREST, 77.0), (Right.CALL, PUT_INTEREST, None),
     (Right.PUT, CALL_INTEREST, None)],
)  # fmt: skip
def test_open_interest_is_that_of_the_options_own_right(right, tick, interest):
    option = Option("SPY", date(2026, 1, 16), 500, right)

    assert collected(option, size(tick, 77.0)).quote().open_interest == interest


def test_a_stock_has_no_open_interest():
    assert collected(SPY, size(CALL_INTEREST, 77.0), size(PUT_INTEREST, 78.0)).quote().open_interest is None


def test_the_models_figures_are_the_greeks():
    greeks = collected(CALL, model(0.2, 0.5, 5.7, 0.0, 0.02, 0.4, -0.2, 480.0)).quote().greeks

    assert (greeks.iv, greeks.delta, greeks.gamma, greeks.vega, greeks.theta) == (0.2, 0.5, 0.02, 0.4, -0.2)
    assert (greeks.price, greeks.underlying_price) == (5.7, 480.0)


@pytest.mark.parametrize("nothing", [None, UNSET, float("nan")])
def test_figures_that_were_not_computed_are_none(nothing):
    greeks = collected(CALL, model(*[nothing] * 8)).quote().greeks

    assert (greeks.iv, greeks.delta, greeks.theta, greeks.price) == (None, None, None, None)


def test_minus_one_and_minus_two_mean_not_computed():
    greeks = collected(CALL, model(-1.0, -2.0, -1.0, -1.0, -2.0, -2.0, -2.0, -1.0)).quote().greeks

    assert {greeks.iv, greeks.delta, greeks.gamma, greeks.vega, greeks.theta, greeks.price} == {None}
    assert greeks.underlying_price is None


def test_a_put_may_have_a_delta_of_minus_one():
    assert collected(CALL, model(0.2, -1.0, 5.7, 0.0, 0.02, 0.4, -1.0, 480.0)).quote().greeks.delta == -1.0


@pytest.mark.parametrize("tick", [10, 11, 12, 80])
def test_computations_of_bid_ask_and_last_are_no_model(tick):
    message = ("tickOptionComputation", tick, 0, 0.2, 0.5, 5.7, 0.0, 0.02, 0.4, -0.2, 480.0)

    assert collected(CALL, message).quote().greeks is None


def test_a_stock_is_complete_with_five_fields():
    messages = [price(BID, 1.0), price(ASK, 2.0), price(LAST, 1.5), size(VOLUME, 1.0), price(CLOSE, 1.0, 0.0)]

    assert collected(SPY, *messages).is_complete
    for left_out in range(5):
        assert not collected(SPY, *messages[:left_out], *messages[left_out + 1 :]).is_complete


def test_an_option_is_complete_with_interest_and_greeks():
    messages = [
        price(BID, 1.0), price(ASK, 2.0), size(VOLUME, 1.0), size(CALL_INTEREST, 5.0),
        model(0.2, 0.5, 5.7, 0.0, 0.02, 0.4, -0.2, 480.0),
    ]  # fmt: skip

    assert collected(CALL, *messages).is_complete
    for left_out in range(5):
        assert not collected(CALL, *messages[:left_out], *messages[left_out + 1 :]).is_complete


def test_a_side_without_price_counts_as_answered():
    assert collected(
        SPY,
        price(BID, -1.0, 0.0),
        price(ASK, 2.0),
        price(LAST, -1.0, 0.0),
        size(VOLUME, 0.0),
        price(CLOSE, 1.0),
    ).is_complete


def test_a_quote_is_as_old_as_its_last_field():
    collector = collected(SPY, price(CLOSE, 1.0))

    first = collector.quote().at
    collector.on_message(*("priceSizeTick", (CLOSE, 2.0, 0.0)))

    assert first == START + timedelta(seconds=1)
    assert collector.quote().at == START + timedelta(seconds=2)


NUMBERS = st.floats() | st.sampled_from([UNSET, -UNSET, -1.0, 0.0])
TICKS = st.integers(-1, 105)
MESSAGES = st.one_of(
    st.tuples(st.just("priceSizeTick"), TICKS, NUMBERS, NUMBERS),
    st.tuples(st.just("tickSize"), TICKS, NUMBERS),
    st.tuples(st.just("tickOptionComputation"), TICKS, st.just(0), *[st.none() | NUMBERS] * 8),
    st.tuples(st.just("marketDataType"), st.integers(-1, 9)),
    st.tuples(st.just("tickString"), TICKS, st.text()),
)


@given(st.sampled_from([SPY, CALL]), st.lists(MESSAGES))
def test_no_ticks_whatever_make_a_quote_with_a_sentinel(contract, messages):
    collector = collected(contract, *messages)

    quote = collector.quote()

    assert all(value is None or value > 0 for value in (quote.bid, quote.ask, quote.last, quote.close))
    assert collector.is_two_sided == (quote.mid is not None)
