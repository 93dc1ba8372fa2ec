"""Sitting out cycles after repeated failures of one symbol: a pure rule."""

from typing import Self

import attrs

__all__ = ["SymbolBackoff"]


@attrs.frozen(kw_only=True)
class SymbolBackoff:
    """How often a symbol failed in a row, and how many cycles it still sits out.

    Args:
        threshold: Consecutive failures after which it sits out.
        skip_cycles: How many cycles.
        failures: Consecutive failures so far.
        cycles_left: Cycles still to be sat out.
    """

    threshold: int = 3
    skip_cycles: int = 2
    failures: int = 0
    cycles_left: int = 0

    def begin(self) -> tuple[Self, bool]:
        """Begin a cycle; tells whether the symbol is looked at in it."""
        if self.cycles_left == 0:
            return self, True
        return attrs.evolve(self, cycles_left=self.cycles_left - 1), False

    def failed(self) -> Self:
        """Record a cycle that ended in a data failure."""
        failures = self.failures + 1
        left = self.skip_cycles if failures >= self.threshold else 0
        return attrs.evolve(self, failures=failures, cycles_left=left)

    def succeeded(self) -> Self:
        """Record a cycle that had its data."""
        return attrs.evolve(self, failures=0)
