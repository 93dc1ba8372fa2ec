"""What can go wrong between a client and a Gateway that is well: connections and messages."""

from collections.abc import Iterable
from typing import ClassVar, Final

import attrs
from attrs import validators

from ibkeel.sim.codec import REPLIES
from ibkeel.sim.fault import Fault, as_number, one_of

_REPLIES: Final = tuple(sorted(REPLIES))
_flag: Final = validators.instance_of(bool)


def _names(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.frozen(kw_only=True)
class ConnectionLost(Fault):
    """Connections are reset, and the Gateway goes on: orders that it has read go to the venue.

    Source: TWS API, "Connectivity"; what a network does between a client and its Gateway.
    """

    kind: ClassVar[str] = "connection_lost"
    is_momentary: ClassVar[bool] = True


@attrs.frozen(kw_only=True)
class Duplicated(Fault):
    """Messages arrive twice.

    Source: TWS API, "Order Status" (duplicates are normal); for other messages unverified.
    """

    kind: ClassVar[str] = "duplicated"
    messages: tuple[str, ...] = attrs.field(default=(), converter=_names, validator=one_of(_REPLIES))
    """Names of the messages, as in `ibkeel.sim.codec`; empty: all."""


@attrs.frozen(kw_only=True)
class Delayed(Fault):
    """Messages arrive later, in their order; those under way at the end arrive first.

    Source: unverified; any network between a client and its Gateway can do so.
    """

    kind: ClassVar[str] = "delayed"
    delay: float = attrs.field(converter=as_number, validator=validators.gt(0.0))
    """Seconds."""


@attrs.frozen(kw_only=True)
class Reordered(Fault):
    """The messages of one instant arrive in the opposite order.

    Source: unverified; the order of openOrder, orderStatus and execDetails is not promised.
    """

    kind: ClassVar[str] = "reordered"
    messages: tuple[str, ...] = attrs.field(default=(), converter=_names, validator=one_of(_REPLIES))
    """Names of the messages that change places, as in `ibkeel.sim.codec`; empty: all."""


@attrs.frozen(kw_only=True)
class Truncated(Fault):
    """The next message is cut in half, and the connection ends there.

    Source: unverified; a connection can end at any byte.
    """

    kind: ClassVar[str] = "truncated"
    is_momentary: ClassVar[bool] = True


@attrs.frozen(kw_only=True)
class Garbage(Fault):
    """Something that is no message: in a frame of its own, or bytes that break the framing.

    Source: unverified.
    """

    kind: ClassVar[str] = "garbage"
    is_momentary: ClassVar[bool] = True
    framed: bool = attrs.field(default=True, validator=_flag)
    """Whether it has a frame, so that what follows can be read."""
