"""What all faults share: when they strike, how often, for how long; the record of a strike; and those of the wire."""

from datetime import datetime, time
from typing import ClassVar, Final

import attrs
from attrs.validators import optional

from ibkeel.errors import InvalidInput
from ibkeel.sim.codec import REPLIES, REQUESTS
from ibkeel.sim.settings import (
    above_zero,
    as_number,
    as_seconds,
    as_several,
    flag,
    interval,
    not_negative,
    number,
    one_of,
    whole,
)

WHAT_IF: Final = "what_if_order"
"""The kind of a `place_order` that asks for margin alone: what is meant for orders spares it."""
_REQUESTS: Final = tuple(sorted((WHAT_IF, *(message.name for message in REQUESTS.values()))))
_REPLIES: Final = tuple(sorted(REPLIES))
_not_negative: Final = optional(not_negative)


def _local(value: object) -> time | None:
    """A time of day; a text such as 23:45 will do."""
    if value is None or isinstance(value, time):
        at = value
    else:
        try:
            at = time.fromisoformat(str(value))
        except ValueError as error:
            raise InvalidInput(f"{value!r} is not a time of day; 23:45:00 would be") from error
    if at is not None and at.tzinfo is not None:
        raise InvalidInput(f"{at} has a time zone; times of day are in the Gateway's own")
    return at


@attrs.frozen(kw_only=True)
class Fault:
    """What all faults share: when they strike, how often, and for how long.

    An occasion is an instant of the clock or, with `when_request`, a request of that name. Of the
    occasions the first `skip` pass; each of the others strikes with probability `chance`, until
    there were `times` strikes. Faults of requests (`strikes_requests`) treat only the requests that
    arrive in their window, which opens at `after` or `at` and lasts for `duration`.
    """

    kind: ClassVar[str]
    strikes_requests: ClassVar[bool] = False
    is_momentary: ClassVar[bool] = False

    after: float | None = attrs.field(default=None, converter=as_seconds, validator=_not_negative)
    """Seconds since the Gateway first listened, or since the fault was injected."""
    at: time | None = attrs.field(default=None, converter=_local)
    """Time of day in the Gateway's zone; with `times` above 1 it comes again every day."""
    when_request: str | None = attrs.field(default=None, validator=optional(one_of(_REQUESTS)))
    """Name of the request that is the occasion; `place_order` is no what-if, which is `what_if_order`."""
    skip: int = attrs.field(default=0, validator=whole(0))
    """So many occasions pass first."""
    times: int | None = attrs.field(default=None, validator=optional(whole(1)))
    """The most strikes; None: one, but without end with `every` and for faults of requests."""
    chance: float = attrs.field(
        default=1.0, converter=as_number, validator=number("0 to 1", lambda value: 0 <= value <= 1)
    )
    """Probability that an occasion strikes; drawn from the scenario's seed."""
    every: float | None = attrs.field(default=None, converter=as_seconds)
    """Seconds between occasions of the clock, 0.001 or more."""
    wait: float = attrs.field(default=0.0, converter=as_number, validator=not_negative)
    """Seconds from the occasion to the strike."""
    duration: float | None = attrs.field(default=None, converter=as_seconds, validator=_not_negative)
    """Seconds until it ends by itself; None: never."""
    client_id: int | None = attrs.field(default=None, validator=optional(whole()))
    """The client concerned, where a fault can tell; None: every one."""

    def __attrs_post_init__(self) -> None:
        if self.after is not None and self.at is not None:
            raise InvalidInput(f"{self.kind}: `after` and `at` exclude each other; give one of them")
        if self.every is not None:
            interval(self, attrs.fields(Fault).every, self.every)
            if self.at is not None or self.when_request is not None or self.strikes_requests:
                raise InvalidInput(
                    f"{self.kind}: `every` counts from `after`; not with `at` or `when_request`"
                )
        if self.is_momentary and self.duration is not None:
            raise InvalidInput(f"{self.kind} happens in an instant; it has no `duration`")

    @property
    def limit(self) -> int | None:
        """The most strikes; None: without end."""
        if self.times is not None:
            return self.times
        return None if self.strikes_requests or self.every is not None else 1

    def concerns(self, client_id: int) -> bool:
        """Whether it has to do with that client; -1 is one that has not started."""
        return self.client_id in {None, client_id}


@attrs.frozen(kw_only=True)
class FaultSeen:
    """One strike, as the Gateway recorded it."""

    kind: str
    at: datetime
    """When it struck."""
    ended_at: datetime | None = None
    """When it was over; None: it lasts."""
    detail: str = ""
    """The request concerned, by name and id, where there is one."""


# Connections and messages, between a client and a Gateway that is well.


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
    messages: tuple[str, ...] = attrs.field(default=(), converter=as_several, validator=one_of(_REPLIES))
    """Names of the messages, as in `ibkeel.sim.codec`; empty: all."""


@attrs.frozen(kw_only=True)
class Delayed(Fault):
    """Messages arrive later, in their order; those under way at the end arrive first.

    Source: unverified; any network between a client and its Gateway can do so.
    """

    kind: ClassVar[str] = "delayed"
    delay: float = attrs.field(converter=as_number, validator=above_zero)
    """Seconds."""


@attrs.frozen(kw_only=True)
class Reordered(Fault):
    """The messages of one instant arrive in the opposite order.

    Source: unverified; the order of openOrder, orderStatus and execDetails is not promised.
    """

    kind: ClassVar[str] = "reordered"
    messages: tuple[str, ...] = attrs.field(default=(), converter=as_several, validator=one_of(_REPLIES))
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
    framed: bool = attrs.field(default=True, validator=flag)
    """Whether it has a frame, so that what follows can be read."""
