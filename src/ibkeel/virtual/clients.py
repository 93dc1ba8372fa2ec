"""What the client libraries need to run twice alike.

`ib_insync` and `ib_async` keep the tickers that changed in a `set`. Its members hash by address,
so the order in which a bot sees them differs from run to run, whatever PYTHONHASHSEED says. While
virtual time runs, the libraries' `wrapper` module finds an ordered set under the name `set`; the
libraries themselves are not touched.
"""

import sys
from collections.abc import Iterable, Iterator, MutableSet
from typing import Any, Final, TypeVar

from typing_extensions import override

T = TypeVar("T")

_MODULES: Final = ("ib_insync.wrapper", "ib_async.wrapper")


class OrderedSet(MutableSet[T]):
    """A set that iterates in the order of insertion."""

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._items: dict[T, None] = dict.fromkeys(items)

    @override
    def __contains__(self, item: object) -> bool:
        return item in self._items

    @override
    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    @override
    def __len__(self) -> int:
        return len(self._items)

    @override
    def add(self, value: T) -> None:
        self._items[value] = None

    @override
    def discard(self, value: T) -> None:
        self._items.pop(value, None)

    def copy(self) -> "OrderedSet[T]":
        """Another set with the same members in the same order."""
        return OrderedSet(self)

    def update(self, *others: Iterable[T]) -> None:
        """Add the members of others, in their order."""
        for other in others:
            for item in other:
                self.add(item)

    @override
    def __repr__(self) -> str:
        return f"OrderedSet({list(self)!r})"


def order_sets() -> None:
    """Give every client library that is loaded by now an ordered `set`."""
    for module in _wrappers():
        module.set = OrderedSet


def restore_sets() -> None:
    """Give the libraries the built-in `set` back."""
    for module in _wrappers():
        vars(module).pop("set", None)


def _wrappers() -> list[Any]:
    return [sys.modules[name] for name in _MODULES if name in sys.modules]
