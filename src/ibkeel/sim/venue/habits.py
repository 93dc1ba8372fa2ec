"""In which of its observed forms the Gateway tells the story of an order."""

import hashlib
from typing import Any, Final

import attrs

from ibkeel.sim.values import SimOrder
from ibkeel.sim.venue.settings import VenueSettings

__all__ = ["Habits"]

_FORMS: Final = (
    "status_before_execution",
    "straight_to_submitted",
    "skips_pending_cancel",
    "repeats_status",
)


class Habits:
    """The settings as they hold for one order.

    Where they vary, each order draws each form by the seed and its own ids, so that a story does not
    depend on what other orders do.

    Args:
        settings: Choices among the forms.
        seed: Of the draws.
    """

    def __init__(self, settings: VenueSettings, seed: int) -> None:
        self._settings, self._seed = settings, seed

    def of(self, order: SimOrder) -> VenueSettings:
        """The forms in which this order is told."""
        if not self._settings.varies:
            return self._settings
        name = f"{self._seed} {order.client_id} {order.order_id}".encode()
        bits = hashlib.blake2b(name, digest_size=1).digest()[0]
        drawn: dict[str, Any] = {form: bool(bits >> place & 1) for place, form in enumerate(_FORMS)}
        return attrs.evolve(self._settings, **drawn)
