"""What to trade in order to be out of a structure."""

from collections.abc import Mapping

import attrs

from ibkeel.errors import InvalidInput, RequestFailed
from ibkeel.model import Contract, Quote, Side
from ibkeel.options.structures import Leg, Structure


def closing(structure: Structure, quotes: Mapping[Contract, Quote | RequestFailed]) -> Structure:
    """The other side of a structure, without the legs that nobody would buy.

    A wing far out of the money may have an offer and no bid. It is worth nothing, and an order that
    has it as a leg has no price: so it is kept, and expires. What is owed is always bought back.

    Args:
        structure: As it is held.
        quotes: What `Broker.quotes` answered for its legs. A leg without any quote stays in: that it is
            worthless is not known.

    Raises:
        InvalidInput: No leg is left: nothing is owed, and nobody bids.
    """
    opposite = structure.opposite()
    legs = [leg for leg in opposite.legs if not _is_worthless(leg, quotes.get(leg.contract))]
    if not legs:
        raise InvalidInput(f"{opposite.name}: nobody bids for any leg; there is nothing to close")
    return attrs.evolve(opposite, legs=legs)


def _is_worthless(leg: Leg, quote: Quote | RequestFailed | None) -> bool:
    if not isinstance(quote, Quote) or leg.side is Side.BUY:
        return False
    return quote.bid is None and quote.ask is not None
