"""Messages that are written with some of their values beforehand."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkeel.errors import WireError
from ibkeel.sim.codec import REPLIES, Kind
from ibkeel.sim.codec.layout import Constant, Field
from ibkeel.sim.wire import encode, frame, framed

FLAT = [
    message
    for message in REPLIES.values()
    if all(isinstance(item, Constant | Field) for item in message.layout)
]
NUMBERS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**12), 10**12), st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = {
    Kind.TEXT: st.one_of(st.none(), st.integers(), st.text("ab%s{}é inf", max_size=5)),
    Kind.ESCAPED: st.one_of(st.none(), st.text("a\0é", max_size=3)),
    Kind.INTEGER: NUMBERS,
    Kind.NUMBER: st.one_of(NUMBERS, st.sampled_from([math.inf, -math.inf])),
    Kind.SIZE: NUMBERS,
    Kind.FLAG: st.one_of(st.none(), st.booleans()),
}


@pytest.mark.parametrize("message", FLAT, ids=lambda message: message.name)
@settings(max_examples=15)
@given(data=st.data(), version=st.sampled_from([157, 176, 200]))
def test_a_form_says_what_the_whole_message_says_field_by_field(message, data, version):
    named = {item.name: item.kind for item in message.layout if isinstance(item, Field)}
    values = {name: data.draw(VALUES[kind]) for name, kind in named.items() if data.draw(st.booleans())}
    beforehand = {name: value for name, value in values.items() if data.draw(st.booleans())}
    expected = encode(message.build(values, version))

    form = message.form(version, beforehand)

    rest = {name: value for name, value in values.items() if name not in beforehand}
    assert frame(form.payload(rest)) == expected
    assert frame(message.payload(values, version)) == expected


def test_a_text_that_holds_a_nul_is_refused():
    form = REPLIES["tick_string"].form(176, {"request_id": 1, "type": 45})

    with pytest.raises(WireError, match="NUL"):
        form.payload({"value": "1\0002"})


def test_a_message_with_rows_that_hold_a_nul_is_refused():
    with pytest.raises(WireError, match="NUL"):
        REPLIES["family_codes"].payload({"codes": [{"account": "a\0b", "code": ""}]}, 176)


def test_no_payloads_make_no_frames():
    assert framed([]) == []
