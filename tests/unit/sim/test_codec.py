"""The message tables, at every server version."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkeel.errors import WireError
from ibkeel.sim.codec import COMPLETED_ORDER, OPEN_ORDER, PLACE_ORDER, REPLIES, REQUESTS, Kind
from ibkeel.sim.codec.kinds import read, writer
from ibkeel.sim.codec.layout import Constant, Field, Given, Repeat
from ibkeel.sim.services import HANDLERS

versions = st.integers(157, 200).filter(lambda version: version != 158)
texts = st.text("abcXYZ 12", min_size=1, max_size=6)
VALUES = {
    Kind.TEXT: texts,
    Kind.ESCAPED: st.text(
        st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=6
    ),
    Kind.INTEGER: st.integers(-1000, 10**9),
    Kind.NUMBER: st.floats(-1e6, 1e6),
    Kind.SIZE: st.floats(-1e6, 1e6),
    Kind.FLAG: st.booleans(),
}


@st.composite
def values_of(draw, layout):
    """Any values that a layout can carry, its conditional parts included."""
    values = {}
    for item in layout:
        if isinstance(item, Field):
            values[item.name] = draw(VALUES[item.kind])
        elif isinstance(item, Repeat):
            values[item.name] = draw(st.lists(values_of(item.items), max_size=2))
        elif isinstance(item, Given):
            values.update(draw(values_of(item.items)))
    return values


def without_version(texts):
    return texts[1:]


@pytest.mark.parametrize("message", [*REPLIES.values(), *REQUESTS.values()], ids=lambda m: m.name)
@settings(max_examples=20)
@given(data=st.data(), version=versions)
def test_what_is_built_is_parsed_back(message, data, version):
    values = data.draw(values_of(message.layout))

    wire = message.build(values, version)
    parsed = message.parse(wire[1:], version)

    assert message.build(parsed, version) == wire
    carried = {name: carried_by(message.layout, name, values[name], version) for name in parsed}
    assert {name: value for name, value in parsed.items() if name not in NESTED} == {
        name: value for name, value in carried.items() if name not in NESTED
    }


# Rows whose own conditional fields are absent come back smaller than they were drawn.
NESTED = {"conditions"}


def carried_by(layout, name, value, version):
    """A value without those fields of its rows that a version does not have."""
    item = next((item for item in layout if isinstance(item, Repeat) and item.name == name), None)
    if item is None:
        return value
    names = {each.name for each in item.items if each.admits(version) and not isinstance(each, Constant)}
    return [{key: cell for key, cell in row.items() if key in names} for row in value]


def test_no_two_messages_share_a_number_or_a_name():
    for messages in (REPLIES.values(), REQUESTS.values()):
        assert len({message.number for message in messages}) == len(messages)
        assert len({message.name for message in messages}) == len(messages)


def test_every_request_has_a_handler():
    served = {message.name for message in REQUESTS.values()} - {"start_api"}

    assert set(HANDLERS) == served


order_values = st.fixed_dictionaries(
    {
        "order_type": st.sampled_from(["LMT", "PEG BENCH", "VOL", "TRAIL"]),
        "limit_price": st.floats(0.01, 1e5),
        "hedge_type": st.sampled_from(["", "D"]),
        "hedge_param": st.just("beta=1"),
        "dn_order_type": st.sampled_from(["", "MKT"]),
        "dn_con_id": st.integers(1, 9),
        "algo_strategy": st.sampled_from(["", "Adaptive"]),
        "algo_parameters": st.just([{"tag": "adaptivePriority", "value": "Normal"}]),
        "scale_price_increment": st.sampled_from([None, 0.5]),
        "scale_profit_offset": st.floats(0, 9),
        "conditions": st.lists(
            st.one_of(
                st.just(
                    {
                        "type": 1,
                        "conjunction": "a",
                        "is_more": "1",
                        "price": "12.5",
                        "con_id": "1",
                        "exchange": "SMART",
                        "trigger_method": "0",
                    }
                ),
                st.just({"type": 3, "conjunction": "o", "is_more": "0", "time": "20260105 15:00:00"}),
                st.just(
                    {"type": 5, "conjunction": "a", "sec_type": "STK", "exchange": "SMART", "symbol": "SPY"}
                ),
            ),
            max_size=3,
        ),
        "conditions_cancel_order": st.booleans(),
        "outside_rth": st.booleans(),
        "order_ref": texts,
        "duration": st.none() | st.integers(1, 100),
        "customer_account": texts,
    }
)


@given(order_values, versions)
def test_what_a_client_places_is_carried_back_unchanged(order, version):
    sent = PLACE_ORDER.build({**order, "order_id": 7}, version)
    placed = PLACE_ORDER.parse(sent[1:], version)

    echoed = OPEN_ORDER.parse(OPEN_ORDER.build(placed, version)[1:], version)

    shared = set(placed) & set(echoed)
    kept = {name: placed[name] for name in shared if placed[name] not in (None, "")}
    assert {name: echoed[name] for name in kept} == kept
    assert echoed["order_id"] == 7


def test_a_completed_order_has_the_103_fields_of_a_captured_one():
    wire = COMPLETED_ORDER.build({"symbol": "SPY", "order_type": "LMT"}, 200)

    assert len(wire) == 103


@pytest.mark.parametrize(
    ("version", "fields"),
    [(157, 128), (159, 129), (160, 130), (162, 131), (170, 136), (177, 135), (183, 136), (184, 137),
     (185, 138), (189, 139), (193, 141), (195, 154), (198, 155), (199, 156), (200, 156)],
)  # fmt: skip
def test_open_orders_grow_at_the_documented_versions(version, fields):
    assert len(OPEN_ORDER.build({}, version)) == fields


def test_a_recorded_position_is_written_as_recorded():
    values = {
        "account": "ACCOUNT_ID", "con_id": 265598, "symbol": "AAPL", "sec_type": "STK",
        "strike": 0.0, "exchange": "NASDAQ", "currency": "USD", "local_symbol": "AAPL",
        "trading_class": "NMS", "position": -110.0, "average_cost": 201.8829709,
    }  # fmt: skip

    wire = REPLIES["position"].build(values, 173)

    recorded = [
        "61",
        "3",
        "ACCOUNT_ID",
        "265598",
        "AAPL",
        "STK",
        "",
        "0.0",
        "",
        "",
        "NASDAQ",
        "USD",
        "AAPL",
        "NMS",
        "-110",
        "201.8829709",
    ]
    assert list(wire) == recorded


@pytest.mark.parametrize(
    ("version", "wire"),
    [
        (157, ("4", "2", "5", "200", "no")),
        (166, ("4", "2", "5", "200", "no", "")),
        (194, ("4", "5", "200", "no", "", "1700000000000")),
    ],
)
def test_errors_change_their_shape_with_the_version(version, wire):
    values = {"request_id": 5, "code": 200, "text": "no", "at_millis": 1_700_000_000_000}

    assert REPLIES["error"].build(values, version) == wire


@pytest.mark.parametrize(
    "unset",
    ["", "2147483647", "1.7976931348623157e+308", "1.7976931348623157E308",
     "170141183460469231731687303715884105727"],
)  # fmt: skip
def test_every_form_of_unset_is_none(unset):
    assert read(Kind.NUMBER, unset) is None


@pytest.mark.parametrize("infinite", ["Infinite", "Infinity"])
def test_both_spellings_of_infinity_are_read(infinite):
    assert read(Kind.NUMBER, infinite) == math.inf


@pytest.mark.parametrize("bad", ["nan", "1,5", "abc", "--3"])
def test_numbers_that_are_none_are_refused(bad):
    with pytest.raises(WireError, match="is not a valid"):
        read(Kind.NUMBER, bad)


@pytest.mark.parametrize("text", ["9" * 5000, "9" * 4000, "99999999999999999999", "-1e308"])
def test_a_whole_number_that_no_gateway_keeps_is_refused_in_a_short_sentence(text):
    with pytest.raises(WireError, match="is not a valid integer") as refused:
        read(Kind.INTEGER, text)

    assert len(str(refused.value)) < 100


def test_an_infinite_price_step_of_a_scale_is_read():
    values = {"scale_price_increment": math.inf, "action": "BUY", "quantity": 1.0, "order_type": "LMT"}
    texts = REQUESTS[3].build({"contract": {}, **values}, 176)
    spelt = ["Infinite" if text == "Infinity" else text for text in texts[1:]]

    assert REQUESTS[3].parse(spelt, 176)["scale_price_increment"] == math.inf


@pytest.mark.parametrize(("size", "text"), [(10.0, "10"), (0.0, "0"), (0.5, "0.5"), (-1, "-1")])
def test_integral_sizes_carry_no_fraction(size, text):
    assert writer(Kind.SIZE)(size) == text


def test_a_message_that_ends_early_says_where():
    with pytest.raises(WireError, match=r"market_data\.symbol: the message ends early"):
        REQUESTS[1].parse(("11", "5", "0"), 176)


def test_constants_are_skipped_in_reading():
    message = REQUESTS[49]

    assert isinstance(message.layout[0], Constant)
    assert message.parse(("2",), 176) == {}
