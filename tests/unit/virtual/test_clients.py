"""The ordered set that the client libraries see on virtual time."""

from importlib import import_module

from hypothesis import given
from hypothesis import strategies as st

from ibkeel.ibkr.library import LIBRARY
from ibkeel.virtual import run_virtual
from ibkeel.virtual.loop import OrderedSet

wrapper = import_module(f"{LIBRARY}.wrapper")


@given(st.lists(st.integers()))
def test_an_ordered_set_iterates_in_the_order_of_insertion(items):
    ordered = OrderedSet()
    ordered.update(items)

    assert list(ordered) == list(dict.fromkeys(items))
    assert set(ordered) == set(items)
    assert len(ordered) == len(set(items))
    assert list(ordered.copy()) == list(ordered)


def test_it_discards_and_clears():
    ordered = OrderedSet("abc")

    ordered.discard("b")
    ordered.discard("z")
    left = repr(ordered)
    ordered.clear()

    assert left == "OrderedSet(['a', 'c'])"
    assert not ordered


def test_the_libraries_get_their_own_set_back():
    async def main():
        return wrapper.set

    inside = run_virtual(main())

    assert inside is OrderedSet
    assert "set" not in vars(wrapper)
