"""Margin of short options: what covered ones can cost at worst, and a fraction for the rest.

Source:
    The rule that a covered spread is charged its greatest loss follows Regulation T; how a Gateway
    pairs legs, and stock with short calls, is unverified, and stock is not counted as cover here.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

import attrs

from ibkeel.sim.values import SimContract
from ibkeel.sim.venue.account import Holding

__all__ = ["Naked", "covered_margin", "paired"]


class Naked(NamedTuple):
    """Short options that no long option covers; `quantity` is below zero."""

    contract: SimContract
    quantity: float


class _Line(NamedTuple):
    strike: float
    right: str
    units: float  # shares' worth, signed

    def value(self, spot: float) -> float:
        above = spot - self.strike if self.right == "C" else self.strike - spot
        return self.units * max(0.0, above)


_Lines = dict[tuple[str, date | None], list[_Line]]


@attrs.define
class _Pool:
    """Long options that may still cover something."""

    contract: SimContract
    left: float

    def covers(self, short: SimContract) -> bool:
        mine = self.contract
        same = (mine.symbol, mine.right, mine.multiplier) == (short.symbol, short.right, short.multiplier)
        lasts = mine.expiry is not None and short.expiry is not None and mine.expiry >= short.expiry
        return self.left > 0 and same and lasts


def _cheapest_first(holding: Holding) -> tuple[str, float]:
    """The lowest call and the highest put cover best, and need cover most."""
    contract = holding.contract
    return contract.right, contract.strike if contract.right == "C" else -contract.strike


def paired(holdings: Iterable[Holding]) -> tuple[_Lines, list[Naked]]:
    """Short options with the long ones that cover them, by underlying and expiry; and the naked."""
    options = sorted((each for each in holdings if each.contract.sec_type == "OPT"), key=_cheapest_first)
    pools = [_Pool(each.contract, each.quantity) for each in options if each.quantity > 0]
    lines: _Lines = {}
    naked: list[Naked] = []
    for short in (each for each in options if each.quantity < 0):
        needed = -short.quantity
        group = lines.setdefault((short.contract.symbol, short.contract.expiry), [])
        for pool in pools:
            taken = min(needed, pool.left) if pool.covers(short.contract) else 0.0
            if taken:
                pool.left -= taken
                needed -= taken
                group += _pair(pool.contract, short.contract, taken)
        if needed:
            naked.append(Naked(short.contract, -needed))
    return lines, naked


def _pair(long: SimContract, short: SimContract, quantity: float) -> Iterator[_Line]:
    units = quantity * short.multiplier
    yield _Line(long.strike, long.right, units)
    yield _Line(short.strike, short.right, -units)


def covered_margin(lines: _Lines) -> float:
    """Dollars that the covered options can cost at worst, each expiry by itself."""
    return sum(_worst(group) for group in lines.values())


def _worst(group: list[_Line]) -> float:
    """Between strikes the value is linear, and beyond the last one it is level."""
    spots = {0.0, *(line.strike for line in group)}
    return max(0.0, *(-sum(line.value(spot) for line in group) for spot in spots))
