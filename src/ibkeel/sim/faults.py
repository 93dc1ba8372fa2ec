"""What can go wrong with a Gateway, as values: one class for each kind.

A fault says what goes wrong and when; it does nothing by itself. `SimulatedGateway.inject` and
scenarios bring it about. Where a docstring names no better source, the behaviour is in the
documentation of the API or in public logs of users; what neither shows is marked unverified.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import attrs
from attrs.validators import optional

from ibkeel.sim.fault import (
    ConnectionLost,
    Delayed,
    Duplicated,
    Fault,
    Garbage,
    Reordered,
    Truncated,
)
from ibkeel.sim.settings import (
    a_text,
    as_number,
    as_seconds,
    flag,
    interval,
    not_negative,
    one_of,
    positive,
    whole,
)

__all__ = [
    "KINDS",
    "AnsweredWith",
    "Bust",
    "ClockSkew",
    "CloseAtOnce",
    "CompetingSession",
    "ConnectionLost",
    "Crash",
    "Delayed",
    "Duplicated",
    "FarmBroken",
    "Fault",
    "Garbage",
    "HalfOpen",
    "IdInUse",
    "LostAcknowledgement",
    "Mute",
    "NotEntitled",
    "Notice",
    "PortClosed",
    "PortReset",
    "RejectsOverRate",
    "Reordered",
    "Restart",
    "SilentStreams",
    "Slow",
    "Truncated",
    "Unanswered",
    "UpstreamLost",
]


def _repeats(fault: Fault, attribute: "attrs.Attribute[Any]", seconds: float) -> None:
    """A validator: an interval, or 0 for none."""
    if seconds:
        interval(fault, attribute, seconds)


@attrs.frozen(kw_only=True)
class Restart(Fault):
    """Closes every connection and the port, and listens again after `duration` seconds.

    Orders stay at the venue; subscriptions are gone.

    Source: TWS API, "The IB Gateway" (daily restart); ids: QuantConnect/Lean.Brokerages.InteractiveBrokers#242;
    a reset by hand: TWS, "Reset API order ID sequence".
    """

    kind: ClassVar[str] = "restart"
    duration: float | None = attrs.field(default=60.0, converter=as_seconds, validator=positive)
    rolls_back_ids: bool = attrs.field(default=False, validator=flag)
    """Whether nextValidId issues again the ids of orders that the venue never saw."""
    ids_begin_at: int | None = attrs.field(default=None, validator=optional(whole(1)))
    """What nextValidId issues next, whatever the venue knows, as after a reset of the order ids."""


@attrs.frozen(kw_only=True)
class Crash(Fault):
    """As a restart, but connections are reset: what was under way is lost, orders that were kept too.

    Source: reports of Gateways that were killed, such as manhinhang/ib-gateway-docker#157; TWS API, "Intelligent
    Order Resubmission".
    """

    kind: ClassVar[str] = "crash"
    duration: float | None = attrs.field(default=60.0, converter=as_seconds, validator=positive)
    rolls_back_ids: bool = attrs.field(default=False, validator=flag)
    """Whether nextValidId issues again the ids of orders that the venue never saw."""
    ids_begin_at: int | None = attrs.field(default=None, validator=optional(whole(1)))
    """What nextValidId issues next, whatever the venue knows, as after a reset of the order ids."""


@attrs.frozen(kw_only=True)
class PortClosed(Fault):
    """New connections are refused; sessions go on.

    Source: TWS API, error 502; UnusualAlpha/ib-gateway-docker#52.
    """

    kind: ClassVar[str] = "port_closed"
    duration: float | None = attrs.field(default=60.0, converter=as_seconds, validator=positive)


@attrs.frozen(kw_only=True)
class UpstreamLost(Fault):
    """The Gateway loses Interactive Brokers: 1100, silence, then 1101 or 1102.

    Streams stop and data requests get no answer. Orders sent meanwhile are kept and sent at the end. Where
    reports wait, orders and account are told as they were.

    Source: TWS API, "System Message Codes" and "Intelligent Order Resubmission"; repeats of 1100
    and reports that pass: IbcAlpha/IBC#143, QuantConnect/Lean.Brokerages.InteractiveBrokers#249.
    """

    kind: ClassVar[str] = "upstream_lost"
    restores_as: int = attrs.field(default=1102, validator=whole(among=(1101, 1102)))
    """1101: subscriptions are gone until they are asked for again; 1102: they go on."""
    says_again_every: float = attrs.field(default=0.0, converter=as_number, validator=_repeats)
    """Seconds between repeats of 1100, 0.001 or more; 0: it is said once."""
    holds_reports: bool = attrs.field(default=True, validator=flag)
    """Whether reports about orders wait for the end; some Gateways were seen to pass them on."""


@attrs.frozen(kw_only=True)
class FarmBroken(Fault):
    """A data farm breaks (2103, 2105 or 2157) and returns (2104, 2106 or 2158).

    Source: TWS API, "System Message Codes"; streams that stay dead: nautechsystems/nautilus_trader#3968.
    """

    kind: ClassVar[str] = "farm_broken"
    service: str = attrs.field(
        default="market_data", validator=one_of(("market_data", "history", "definitions"))
    )
    """What the farm serves: `market_data`, `history` or `definitions`."""
    farm: str = attrs.field(default="", validator=a_text)
    """Its name, which the notice carries; empty: `usfarm`, `ushmds` or `secdefnj`, by the service."""
    revives: bool = attrs.field(default=True, validator=flag)
    """Whether streams go on when it returns; otherwise they are dead until asked for again."""


@attrs.frozen(kw_only=True)
class SilentStreams(Fault):
    """Market data and bars that are kept up to date stop without a word; requests are answered.

    Source: erdewit/ib_insync#256, QuantConnect/Lean#2504.
    """

    kind: ClassVar[str] = "silent_streams"


@attrs.frozen(kw_only=True)
class HalfOpen(Fault):
    """Connections stay, but nothing is read or answered; what came meanwhile is answered at the end.

    A client that hangs up meanwhile holds its id until then, and what it had sent is still acted on.

    Source: TraderAlice/OpenAlice#294 (a host that slept).
    """

    kind: ClassVar[str] = "half_open"


@attrs.frozen(kw_only=True)
class Mute(Fault):
    """New connections are accepted and never answered; sessions go on.

    Source: erdewit/ib_insync#386 and #578, gnzsnz/ib-gateway-docker#119.
    """

    kind: ClassVar[str] = "mute"


@attrs.frozen(kw_only=True)
class CloseAtOnce(Fault):
    """New connections are accepted and closed.

    Source: erdewit/ib_insync#386, a Gateway in a container.
    """

    kind: ClassVar[str] = "close_at_once"


@attrs.frozen(kw_only=True)
class IdInUse(Fault):
    """A session that nobody sees holds the client id: error 326, and the connection is closed.

    With `client_id` None it holds whichever id is asked for.

    Source: TWS API, error 326; erdewit/ib_insync#76.
    """

    kind: ClassVar[str] = "id_in_use"


@attrs.frozen(kw_only=True)
class Unanswered(Fault):
    """A request is taken and gets no answer; a subscription still holds its line.

    An order is lost on the way to the venue.

    Source: TWS API, "Error Handling" (requests before a farm is there may get no response).
    """

    kind: ClassVar[str] = "unanswered"
    strikes_requests: ClassVar[bool] = True


@attrs.frozen(kw_only=True)
class AnsweredWith(Fault):
    """A request gets an error instead of its answer; the error carries the request's or order's id.

    Source: TWS API, "Error Codes".
    """

    kind: ClassVar[str] = "answered_with"
    strikes_requests: ClassVar[bool] = True
    code: int = attrs.field(validator=whole())
    """Error code."""
    text: str = attrs.field(validator=a_text)
    """Its text."""


@attrs.frozen(kw_only=True)
class Slow(Fault):
    """Answers come later.

    Source: erdewit/ib_insync#268 (seconds to minutes for long histories).
    """

    kind: ClassVar[str] = "slow"
    strikes_requests: ClassVar[bool] = True
    delay: float = attrs.field(converter=as_number, validator=not_negative)
    """Seconds on top of the usual latency."""


@attrs.frozen(kw_only=True)
class LostAcknowledgement(Fault):
    """An order works, but its openOrder and orderStatus are never sent; fills are.

    What is healed, and a Gateway that restarts, tell of the order again from then on.

    Source: unverified; clients must survive it, because a connection can end at that moment.
    """

    kind: ClassVar[str] = "lost_acknowledgement"
    strikes_requests: ClassVar[bool] = True
    when_request: str | None = attrs.field(default="place_order", validator=one_of(("place_order",)))


@attrs.frozen(kw_only=True)
class Notice(Fault):
    """A notice to every client, with id -1.

    Source: TWS API, "System Message Codes".
    """

    kind: ClassVar[str] = "notice"
    is_momentary: ClassVar[bool] = True
    code: int = attrs.field(validator=whole())
    """Code."""
    text: str = attrs.field(validator=a_text)
    """Its text."""


@attrs.frozen(kw_only=True)
class CompetingSession(Fault):
    """A live session elsewhere takes the market data: 10197 to every stream, and to new ones.

    Source: QuantConnect/Lean.Brokerages.InteractiveBrokers#140 and #219; what happens to streams at
    the end is unverified.
    """

    kind: ClassVar[str] = "competing_session"
    revives: bool = attrs.field(default=False, validator=flag)
    """Whether streams go on at the end; otherwise they are dead until asked for again."""


@attrs.frozen(kw_only=True)
class NotEntitled(Fault):
    """New market data requests lack a subscription; what streams already goes on.

    10167 serves delayed data to whoever asked for it, and 10089 to others; 10090 is a remark about a
    part of the data, and the stream goes on; the others end the request. Real-time bars then get 420,
    ticks 10189, depth 354.

    Source: TWS API, "Error Codes"; 10090: wboayue/rust-ibapi#768.
    """

    kind: ClassVar[str] = "not_entitled"
    code: int = attrs.field(default=354, validator=whole(among=(354, 10089, 10090, 10167, 10168, 10186)))
    """Error code."""


@attrs.frozen(kw_only=True)
class Bust(Fault):
    """10225: bars that are kept up to date are deactivated; without any, market data is.

    Source: TWS API, error 10225.
    """

    kind: ClassVar[str] = "bust"
    is_momentary: ClassVar[bool] = True


@attrs.frozen(kw_only=True)
class PortReset(Fault):
    """1300, then every connection is closed; the Gateway may listen on another port.

    Source: TWS API, error 1300.
    """

    kind: ClassVar[str] = "port_reset"
    is_momentary: ClassVar[bool] = True
    port: int | None = attrs.field(default=None, validator=optional(whole(1, 65535)))
    """The new port; None: the same."""


@attrs.frozen(kw_only=True)
class ClockSkew(Fault):
    """The Gateway's clock is off: the greeting and the server time say so.

    Source: unverified; machines whose clock is not kept show it.
    """

    kind: ClassVar[str] = "clock_skew"
    seconds: float = attrs.field(converter=as_number)
    """How much it is ahead."""


@attrs.frozen(kw_only=True)
class RejectsOverRate(Fault):
    """Messages above the rate are refused with error 100; the third breach ends the session.

    Source: TWS API, "Pacing Behavior" (the setting that rejects instead of delaying).
    """

    kind: ClassVar[str] = "rejects_over_rate"


KINDS: Final[Mapping[str, type[Fault]]] = {
    each.kind: each
    for each in (
        Restart,
        Crash,
        ConnectionLost,
        PortClosed,
        PortReset,
        Mute,
        CloseAtOnce,
        IdInUse,
        HalfOpen,
        UpstreamLost,
        FarmBroken,
        SilentStreams,
        CompetingSession,
        NotEntitled,
        Bust,
        Notice,
        Unanswered,
        AnsweredWith,
        Slow,
        LostAcknowledgement,
        RejectsOverRate,
        ClockSkew,
        Duplicated,
        Delayed,
        Reordered,
        Truncated,
        Garbage,
    )
}
"""The class of each kind, by its name in a scenario."""
