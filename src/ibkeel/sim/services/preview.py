"""What-if orders: what an order would cost, without placing it."""

from typing import Any, Final

from ibkeel.sim.venue import MarginPreview

__all__ = ["preview_values"]

_FIGURES: Final = (
    ("initial_margin", "initial"),
    ("maintenance_margin", "maintenance"),
    ("equity_with_loan", "equity_with_loan"),
)


def preview_values(preview: MarginPreview, currency: str) -> dict[str, Any]:
    """Margins before and after an order, to the cent, by the names of openOrder's fields."""
    made: dict[str, Any] = {
        "what_if": True,
        "commission": preview.commission,
        "commission_currency": currency,
    }
    for name, figure in _FIGURES:
        before, after = getattr(preview.before, figure), getattr(preview.after, figure)
        made[f"{name}_before"] = round(before, 2)
        made[f"{name}_change"] = round(after - before, 2)
        made[f"{name}_after"] = round(after, 2)
    return made
