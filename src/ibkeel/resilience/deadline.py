"""How long each kind of request may take."""

from enum import StrEnum

import attrs

from ibkeel.errors import InvalidInput


class RequestKind(StrEnum):
    """Kinds of request, each with a deadline of its own."""

    CONNECT = "connect"
    PROBE = "probe"
    DEFINITIONS = "definitions"
    QUOTE = "quote"
    HISTORY = "history"
    ACCOUNT = "account"
    ORDERS = "orders"


def _seconds(_: object, attribute: "attrs.Attribute[float]", value: float) -> None:
    if not 0 < value <= 600:  # noqa: PLR2004 - ten minutes: longer is a hang
        raise InvalidInput(f"deadline {attribute.name} is {value!r} s; valid: above 0 and at most 600")


@attrs.frozen(kw_only=True)
class Deadlines:
    """Seconds after which a request is given up and cancelled at the server.

    Args:
        connect: Handshake and every start-up answer.
        probe: One server-time round trip.
        definitions: Contract details and option chains; ambiguous ones are throttled.
        quote: Above the 11 s after which the Gateway ends a snapshot.
        history: Historical bars.
        account: Positions and balances.
        orders: The venue's answer to a cancel, a modification or a list of orders.

    Source:
        TWS API, "Streaming Data Snapshots" (11 s window) and "Option Chains" (throttling); the
        other figures are ours.
    """

    connect: float = attrs.field(default=10.0, validator=_seconds)
    probe: float = attrs.field(default=5.0, validator=_seconds)
    definitions: float = attrs.field(default=30.0, validator=_seconds)
    quote: float = attrs.field(default=13.0, validator=_seconds)
    history: float = attrs.field(default=60.0, validator=_seconds)
    account: float = attrs.field(default=10.0, validator=_seconds)
    orders: float = attrs.field(default=10.0, validator=_seconds)

    def of(self, kind: RequestKind) -> float:
        """Seconds allowed for one kind of request."""
        seconds: float = getattr(self, kind.value)
        return seconds

    @classmethod
    def all(cls, seconds: float) -> "Deadlines":
        """The same deadline for every kind."""
        return cls(**dict.fromkeys((kind.value for kind in RequestKind), seconds))
