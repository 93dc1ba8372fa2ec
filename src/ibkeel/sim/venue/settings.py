"""What can be varied about the venue, and how it stands for one order."""

import hashlib
from typing import Any, Final

import attrs

from ibkeel.sim.checks import not_negative, number, optional
from ibkeel.sim.values import SimOrder

_at_least_one: Final = optional(number("1 or more, or None", lambda value: value >= 1))
_FORMS: Final = (
    "status_before_execution",
    "straight_to_submitted",
    "skips_pending_cancel",
    "repeats_status",
)


@attrs.frozen(kw_only=True)
class CommissionPlan:
    """Charge per contract or share, with a minimum for the whole order; in US dollars.

    Source:
        IBKR Pro fixed pricing for US stocks and options, without exchange, regulatory and
        clearing fees and without the ceiling of 1 % of the trade's value: unverified.
    """

    per_unit: float = attrs.field(validator=not_negative)
    minimum: float = attrs.field(validator=not_negative)

    def charged(self, quantity: float) -> float:
        """Commission on an order of which `quantity` units have filled; 0.0 for none."""
        return max(self.minimum, self.per_unit * quantity) if quantity > 0 else 0.0


@attrs.frozen(kw_only=True)
class VenueSettings:
    """How the venue fills, charges and answers.

    The answers that a live Gateway gives in more than one form can be chosen here; the defaults
    are the forms seen most.

    Attributes:
        displayed_size_limits: A fill takes at most the size shown on its side of the quote, and
            what was taken is shown again when the quote may next change. False: every fill is
            complete.
        status_before_execution: orderStatus Filled precedes execDetails.
        straight_to_submitted: A limit order that rests is never shown as PreSubmitted.
        skips_pending_cancel: A cancel is answered without the PendingCancel step.
        repeats_status: What is said of a resting or filled order is said twice.
        varies: Each order draws the four forms above by the venue's seed, as live sequences vary.
        older_cancel_codes: A cancel that cannot be done gives 135 or 161, not 10147 or 10148.
        cancels_across_clients: A client may cancel a GTC order of another by its order id, and
            the statuses then carry the cancelling client's id, as seen on a live Gateway. IBKR's
            documentation says that only the owner can.
        settles_expiries: Options that end are exercised, assigned or dropped at the close of their last
            session, as executions without an order, which client 0 and the master client hear of; False
            leaves them until `Venue.settle`.
        queues_limits: A limit that rests at the best price also fills from trades at that price, once the
            size shown when it joined has traded; False: only when the other side comes to it.
        price_precaution: A limit price worse than the other side of the quote by more than this
            fraction is refused with advice how to insist, in JSON; the same order with that advice as
            its advanced error override is taken. None: prices are not looked at.
        active_orders_limit: Working orders allowed for a contract and side; None: no limit.
        stock_commission: What a share costs.
        option_commission: What an option contract costs.
        stock_initial_margin: Fraction of a stock position's value.
        stock_maintenance_margin: Fraction of a stock position's value.
        short_option_margin: Fraction of strike times multiplier, held on top of its value for each
            short option that no long one covers; covered ones are charged what they can cost at worst.
        buying_power_factor: Buying power for each dollar of available funds.

    Source:
        Advanced rejects: TWS API, "Advanced Order Rejection"; the JSON's fields are unverified.
        Order sequences: live captures of a paper Gateway. Limit of 20: TWS API, "Order
        Limitations". Margin fractions and the buying power factor follow Regulation T and are
        unverified against a Gateway.
    """

    displayed_size_limits: bool = True
    status_before_execution: bool = False
    straight_to_submitted: bool = False
    skips_pending_cancel: bool = False
    repeats_status: bool = False
    varies: bool = False
    older_cancel_codes: bool = False
    cancels_across_clients: bool = False
    settles_expiries: bool = False
    queues_limits: bool = False
    price_precaution: float | None = attrs.field(
        default=None, validator=optional(number("above 0, or None", lambda value: value > 0))
    )
    active_orders_limit: int | None = attrs.field(default=20, validator=_at_least_one)
    stock_commission: CommissionPlan = CommissionPlan(per_unit=0.005, minimum=1.0)
    option_commission: CommissionPlan = CommissionPlan(per_unit=0.65, minimum=1.0)
    stock_initial_margin: float = attrs.field(default=0.50, validator=not_negative)
    stock_maintenance_margin: float = attrs.field(default=0.25, validator=not_negative)
    short_option_margin: float = attrs.field(default=0.20, validator=not_negative)
    buying_power_factor: float = attrs.field(default=4.0, validator=not_negative)

    def commission_plan(self, sec_type: str) -> CommissionPlan:
        """The plan for a security type."""
        return self.option_commission if sec_type == "OPT" else self.stock_commission


class Habits:
    """In which of its observed forms the Gateway tells the story of one order.

    Where they vary, each order draws each form by the seed and its own ids, so that a story does not
    depend on what other orders do.
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
