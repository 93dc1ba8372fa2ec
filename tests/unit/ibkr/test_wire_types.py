"""What the library decoded gets the types that the library itself would give it."""

from dataclasses import asdict
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.ibkr.client import give_types
from ibkeel.ibkr.library import LIBRARY, library

Contract, Order, OrderState = library.Contract, library.Order, library.OrderState
Decoder = import_module(f"{LIBRARY}.decoder").Decoder

TEXTS = {
    int: st.sampled_from(["", "0", "7", "-1", "2147483647"]),
    float: st.sampled_from(["", "0", "0.0", "2.5", "1.7976931348623157E308", "inf"]),
    bool: st.sampled_from(["", "0", "1"]),
    str: st.sampled_from(["", "SPY", "0"]),
}


@given(kind=st.sampled_from([Order, Contract, OrderState]), data=st.data())
def test_every_field_is_what_the_library_makes_of_it(kind, data):
    ours, theirs = kind(), kind()
    for name, default in vars(kind()).items():
        if type(default) in TEXTS and data.draw(st.booleans()):
            text = data.draw(TEXTS[type(default)])
            setattr(ours, name, text)
            setattr(theirs, name, text)

    give_types(ours)
    Decoder(None, 176).parse(theirs)

    assert asdict(ours) == asdict(theirs)
    assert [*map(type, vars(ours).values())] == [*map(type, vars(theirs).values())]


def test_a_text_that_is_no_number_is_an_error():
    order = Order()
    order.totalQuantity = "many"

    with pytest.raises(ValueError, match="many"):
        give_types(order)
