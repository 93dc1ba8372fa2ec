"""Children whose parent the venue refused."""

import re
from typing import Final

import attrs

from ibkeel.ibkr.meaning import Meaning, Reaction
from ibkeel.model import OrderReport, OrderState
from ibkeel.orders import ErrorFate, OrderTruth

NOT_FOUND: Final = frozenset({135, 10147})
"""Codes that name an order to say that there is none. Source: TWS API, "Message Codes"."""

_NO_PARENT: Final = 135
_LAST_NUMBER: Final = re.compile(r"(\d+)\D*$")


def of_orphan(meaning: Meaning, text: str, child: OrderTruth, parent: OrderReport | None) -> Meaning:
    """What a code means for a child: 135 that names its refused parent refuses the child, too.

    Alone, 135 proves nothing, for it is also said of an order that works. Here the venue has refused
    the entry, never accepted the child, and names the entry as what it cannot find.

    Args:
        meaning: As the table has it.
        text: Of the error.
        child: What is known of the order that the error is about.
        parent: The entry that it protects; None for an order that is no child.
    """
    is_unclear = meaning.code == _NO_PARENT and meaning.fate is ErrorFate.UNCERTAIN
    if not is_unclear or parent is None or child.may_work:
        return meaning
    named = _LAST_NUMBER.search(text)
    is_refused = parent.state is OrderState.REJECTED and not parent.filled
    if not is_refused or named is None or int(named[1]) != parent.order_id:
        return meaning
    return attrs.evolve(
        meaning, fate=ErrorFate.REJECTED, reaction=Reaction.NONE, remedy="its entry was refused"
    )
