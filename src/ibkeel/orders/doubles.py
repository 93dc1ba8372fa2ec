"""Two live orders of one intent: what a change during an outage, or a Gateway that resends, can leave."""

from collections.abc import Iterable, Mapping

from ibkeel.model import ClientOrderId, OrderReport


def doubled_orders(orders: Iterable[OrderReport]) -> Mapping[ClientOrderId, tuple[OrderReport, ...]]:
    """Orders that bear the name of another one that is alive, by that name: those to be cancelled.

    The one that has filled most stays, else the oldest.

    Args:
        orders: Of ours, in any order; ended ones are left out, and so are those without a name.
    """
    families: dict[ClientOrderId, dict[tuple[int, int, int], OrderReport]] = {}
    for order in orders:
        if order.client_order_id and not order.state.is_final:
            family = families.setdefault(order.client_order_id, {})
            family[order.client_id, order.order_id, order.perm_id] = order
    return {
        name: tuple(sorted(family.values(), key=_precedence)[1:])
        for name, family in families.items()
        if len(family) > 1
    }


def _precedence(order: OrderReport) -> tuple[float, int, int]:
    return -order.filled, order.perm_id or 2**62, order.order_id
