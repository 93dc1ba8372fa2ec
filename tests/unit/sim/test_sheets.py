"""What a stream sends for a change: messages written together, from the figures that moved."""

import math
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ibkeel.sim.codec import REPLIES, Sheet
from ibkeel.sim.services.sheets import row_of, shown_type, tick_sheet
from ibkeel.sim.values import MarketQuote, SimContract
from ibkeel.sim.wire import split

AT = datetime(2026, 1, 5, 15, 30, tzinfo=UTC)
STOCK = SimContract(con_id=1, symbol="SPY", sec_type="STK")
CALL = SimContract(con_id=2, symbol="SPY", sec_type="OPT", right="C")
TICKS = {str(REPLIES[name].number): name for name in ("tick_price", "tick_size", "tick_string")}
PRICES = {1: "bid", 2: "ask", 4: "last", 6: "high", 7: "low", 9: "close", 14: "open"}
SIZES = {0: "bid_size", 3: "ask_size", 5: "last_size", 8: "volume", 27: "open_interest"}
SIZE_OF = {"bid": "bid_size", "ask": "ask_size", "last": "last_size"}
price = st.none() | st.sampled_from([1.0, 1.05, 2.5]) | st.integers(1, 3)
size = st.none() | st.sampled_from([0, 100, 200]) | st.sampled_from([1.5, 300.0])
QUOTES = st.builds(
    MarketQuote,
    at=st.just(AT),
    **dict.fromkeys(PRICES.values(), price),
    **dict.fromkeys(SIZES.values(), size),
)


def told(contract, quote, before, traded_at=None, **how):
    """The messages of a change, each as its name and values."""
    how = {"delayed": False, "open_interest": True, **how}
    sheet, of_quote = tick_sheet(176, contract, quote, before, traded=traded_at is not None, **how)
    payloads = sheet.payloads(row_of(quote, 7, traded_at))
    assert all(text for payload in payloads for text in split(payload)), "no figure is left empty"
    return [
        (TICKS[split(p)[0]], REPLIES[TICKS[split(p)[0]]].parse(split(p)[1:], 176)) for p in payloads
    ], of_quote


def test_a_price_that_came_without_its_size_comes_again_with_it():
    before = MarketQuote(at=AT, bid=2.5, ask=2.6, ask_size=3)
    quote = before._replace(bid_size=5, ask_size=4)

    messages, _ = told(CALL, quote, before)

    assert [(name, values["type"], values["size"]) for name, values in messages] == [
        ("tick_price", 1, 5),
        ("tick_size", 3, 4),
    ]


def learnt(messages, known):
    """What a client makes of them."""
    for _, values in messages:
        kind = values["type"]
        if kind in PRICES:
            gone = values["price"] == -1.0
            known[PRICES[kind]] = None if gone else values["price"]
            if PRICES[kind] in SIZE_OF:
                known[SIZE_OF[PRICES[kind]]] = None if gone else values["size"]
        elif kind in SIZES:
            known[SIZES[kind]] = values["size"]
    return known


@given(before=QUOTES, quote=QUOTES)
def test_a_client_that_knew_the_quote_before_knows_the_present_one(before, quote):
    messages, _ = told(CALL, quote, before)

    known = learnt(messages, before._asdict())

    for name in ("bid", "ask", "last"):
        assert known[name] == getattr(quote, name)
        if None not in {getattr(quote, name), getattr(quote, SIZE_OF[name])}:
            assert known[SIZE_OF[name]] == getattr(quote, SIZE_OF[name])
    for name in ("volume", "high", "low", "close", "open", "open_interest"):
        assert known[name] == (
            getattr(before, name) if getattr(quote, name) is None else getattr(quote, name)
        )


@given(quote=QUOTES)
def test_of_what_stood_still_nothing_is_sent(quote):
    assert told(CALL, quote, quote) == ([], 0)


@given(before=QUOTES, quote=QUOTES)
def test_delayed_data_says_the_same_under_its_own_types_but_for_the_time_of_the_trade(before, quote):
    live, of_quote = told(CALL, quote, before)

    delayed, _ = told(CALL, quote, before, delayed=True)

    expected = [
        (name, {**values, "type": shown_type(values["type"], delayed=True)})
        for name, values in live[:of_quote]
    ]
    assert delayed == expected


def test_a_trade_brings_its_time_last():
    before = MarketQuote(at=AT, last=5.0, last_size=100, volume=100)
    quote = before._replace(at=AT + timedelta(seconds=1.5), last_size=200, volume=300)

    messages, of_quote = told(STOCK, quote, before, quote.at)

    assert [values["type"] for _, values in messages] == [5, 8, 45]
    assert messages[-1][1]["value"] == str(int(AT.timestamp()) + 1)
    assert of_quote == 2


def test_open_interest_is_for_those_who_asked():
    quote, before = MarketQuote(at=AT, open_interest=5), MarketQuote(at=AT)

    assert told(CALL, quote, before, open_interest=False) == ([], 0)
    assert [values["size"] for _, values in told(CALL, quote, before)[0]] == [5]


@given(
    rows=st.lists(
        st.tuples(st.integers(1, 10**6), st.floats(allow_nan=False), st.none() | st.floats(0, 10**6)),
        min_size=1,
    )
)
def test_a_sheet_says_what_its_forms_say_one_by_one(rows):
    price_form = REPLIES["tick_price"].form(176, {"type": 1, "mask": 0})
    size_form = REPLIES["tick_size"].form(176, {"type": 8})

    for row in rows:
        number, shown, amount = row
        sheet = Sheet([price_form, size_form], (0, 1, 2, 0, 2), [*map(type, row)])
        values = {"request_id": number, "price": shown, "size": amount}
        assert sheet.payloads(row) == [price_form.payload(values), size_form.payload(values)]


def test_a_price_without_end_is_written_as_the_gateway_does():
    form = REPLIES["tick_price"].form(176, {"request_id": 1, "type": 1, "size": 0, "mask": 0})

    [payload] = Sheet([form], (0,), [float]).payloads((math.inf,))

    assert split(payload)[4] == "Infinity"
