"""A structure and its payoff, as a table for a terminal; needs the extra `[bot]`."""

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal

from rich.console import Group
from rich.table import Table

from ibkeel.cli.screen import table
from ibkeel.model import OrderPreview
from ibkeel.options import Payoff, Structure, payoff

__all__ = ["payoff_table"]


def payoff_table(
    structure: Structure,
    *,
    spot: float | Decimal | None = None,
    spots: Sequence[float | Decimal] | None = None,
    preview: OrderPreview | None = None,
) -> Group:
    """Legs, figures and payoff of a structure whose options expire together.

    Args:
        structure: With prices.
        spot: Price of the underlying per share, now; gets a row of its own.
        spots: Prices to show the profit at; None takes strikes, break-evens and `spot`.
        preview: What the broker said of it, for the margin; None leaves it out.
    """
    exact = payoff(structure)
    asked = [Decimal(str(each)) for each in spots or ()]
    rows = asked or [
        *exact.spots[1:],
        *exact.break_evens,
        *([Decimal(str(spot))] if spot is not None else []),
    ]
    return Group(
        _legs(structure), _figures(structure, exact, preview), _profits(exact, rows, _notes(exact, spot))
    )


def _legs(structure: Structure) -> Table:
    rows = table("leg", "side", "ratio", "price", title=f"{structure.underlying} {structure.name}")
    for leg in structure.legs:
        rows.add_row(str(leg.contract), leg.side.value, str(leg.ratio), f"{leg.price:f}")
    return rows


def _figures(structure: Structure, exact: Payoff, preview: OrderPreview | None) -> Table:
    net = structure.net
    word, amount = ("net credit", net.credit) if net.per_share < 0 else ("net debit", net.debit)
    rows = table("", "per share", "per contract")
    rows.add_row(word, _money(amount), _money(amount * net.multiplier))
    rows.add_row("max gain", _money(exact.max_gain), _money(exact.max_gain_per_contract))
    rows.add_row("max loss", _money(exact.max_loss), _money(exact.max_loss_per_contract))
    for zero in exact.break_evens:
        rows.add_row("break-even", _money(zero), "")
    for name, value in _margin(preview):
        rows.add_row(name, "", value)
    return rows


def _margin(preview: OrderPreview | None) -> Iterator[tuple[str, str]]:
    """Of the order that was asked about, whatever its quantity."""
    if preview is not None:
        told = (
            ("initial margin", preview.initial_margin.change),
            ("maintenance margin", preview.maintenance_margin.change),
            ("commission", preview.commission),
        )
        of = "" if preview.ticket.quantity == 1 else f" of {preview.ticket.quantity}"
        yield from ((f"{name}{of}", _money(value)) for name, value in told if value is not None)


def _notes(exact: Payoff, spot: float | Decimal | None) -> dict[Decimal, str]:
    notes = dict.fromkeys(exact.spots, "strike") | dict.fromkeys(exact.break_evens, "break-even")
    if spot is not None:
        notes[Decimal(str(spot))] = "now"
    return notes


def _profits(exact: Payoff, spots: Sequence[Decimal], notes: dict[Decimal, str]) -> Table:
    rows = table("at expiry", "per share", "per contract", "")
    for spot in sorted(set(spots)):
        profit = exact.exactly_at(spot)
        colour = "green" if profit > 0 else "red" if profit < 0 else "default"
        whole = f"[{colour}]{_money(profit * exact.multiplier)}[/]"
        rows.add_row(_money(spot), f"[{colour}]{_money(profit)}[/]", whole, notes.get(spot, ""))
    return rows


def _money(value: float | Decimal) -> str:
    return f"{value:,.2f}" if math.isfinite(value) else "unbounded"
