"""The messages of the wire protocol, server versions 157 to 200, as tables."""

from ibkeel.sim.codec.kinds import UNSET_DOUBLE, UNSET_INTEGER, Kind
from ibkeel.sim.codec.layout import Form, Message, Sheet, Values
from ibkeel.sim.codec.orders import COMPLETED_ORDER, OPEN_ORDER, PLACE_ORDER
from ibkeel.sim.codec.replies import REPLIES
from ibkeel.sim.codec.requests import REQUESTS

__all__ = [
    "COMPLETED_ORDER",
    "OPEN_ORDER",
    "PLACE_ORDER",
    "REPLIES",
    "REQUESTS",
    "UNSET_DOUBLE",
    "UNSET_INTEGER",
    "Form",
    "Kind",
    "Message",
    "Sheet",
    "Values",
]
