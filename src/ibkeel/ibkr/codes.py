"""What the Gateway's message codes mean for a request.

One channel carries errors, warnings and notices, and one code can mean several things: a row is
found by its code and, where the text decides, by a pattern in it; rows with a pattern come first.
An order's codes are read in `ibkeel.ibkr.order_codes`, for there the same numbers mean other
things.
"""

from enum import Enum
from typing import Final

import attrs

from ibkeel.errors import (
    AmbiguousContract,
    GatewayRejected,
    NoData,
    NotEntitled,
    PacingExceeded,
    RequestFailed,
    UnknownContract,
)

__all__ = ["MEANINGS", "Effect", "Meaning", "classify"]


class Effect(Enum):
    """What a message does to the request it names."""

    ENDS = "ends it"
    NONE = "leaves it running"
    DELAYED = "its data are delayed from now on"


@attrs.frozen
class Meaning:
    """One row: a code, a pattern in its text, and what follows.

    Args:
        code: The Gateway's number.
        pattern: Lower-case text that must occur in the message; empty matches all.
        effect: What becomes of the request.
        error: Its typed error, when it ends.
        remedy: What a person can do.
        source: Where the meaning is written down.
    """

    code: int
    pattern: str
    effect: Effect
    error: type[RequestFailed] = GatewayRejected
    remedy: str = ""
    source: str = "TWS API, Message Codes"


_SUBSCRIBE: Final = "subscribe to the data in Client Portal, or ask for delayed data"
_SEEN: Final = "seen in public logs; not in the official table"

MEANINGS: Final[tuple[Meaning, ...]] = (
    Meaning(100, "", Effect.ENDS, PacingExceeded, "send fewer messages: 50 a second by default"),
    Meaning(101, "", Effect.ENDS, PacingExceeded, "close market data lines that are no longer needed"),
    Meaning(102, "", Effect.ENDS, GatewayRejected, "a request id was used twice: report this"),
    Meaning(162, "no data", Effect.ENDS, NoData, "check the span, the kind of bar and the trading hours"),
    Meaning(162, "pacing violation", Effect.ENDS, PacingExceeded, "wait up to ten minutes"),
    Meaning(162, "permission", Effect.ENDS, NotEntitled, _SUBSCRIBE, _SEEN),
    Meaning(162, "different ip", Effect.ENDS, NotEntitled, "end the other session of this user", _SEEN),
    Meaning(162, "", Effect.ENDS, GatewayRejected, "see the message"),
    Meaning(165, "", Effect.NONE),
    Meaning(166, "", Effect.ENDS, NoData, "the contract has expired"),
    Meaning(200, "ambiguous", Effect.ENDS, AmbiguousContract, "name exchange, currency or trading class"),
    Meaning(200, "", Effect.ENDS, UnknownContract, "check symbol, expiry, strike, right and exchange"),
    Meaning(203, "", Effect.ENDS, NotEntitled, "the account may not trade it"),
    Meaning(300, "", Effect.ENDS),
    Meaning(309, "", Effect.ENDS, PacingExceeded, "close a market depth subscription"),
    Meaning(310, "", Effect.NONE),
    Meaning(317, "", Effect.NONE),
    Meaning(320, "", Effect.ENDS),
    Meaning(321, "", Effect.ENDS, GatewayRejected, "a field is missing or wrong: see the message"),
    Meaning(322, "", Effect.ENDS, GatewayRejected, "see the message"),
    Meaning(323, "", Effect.ENDS, GatewayRejected, "see the message"),
    Meaning(354, "", Effect.ENDS, NotEntitled, _SUBSCRIBE),
    Meaning(366, "", Effect.ENDS),
    Meaning(414, "", Effect.ENDS, GatewayRejected, "a snapshot takes no generic ticks"),
    Meaning(420, "permission", Effect.ENDS, NotEntitled, _SUBSCRIBE, _SEEN),
    Meaning(420, "", Effect.ENDS, PacingExceeded, "wait 15 seconds"),
    Meaning(504, "", Effect.ENDS, GatewayRejected, "the client lost its connection"),
    Meaning(10089, "", Effect.ENDS, NotEntitled, _SUBSCRIBE),
    Meaning(10090, "", Effect.NONE, source=_SEEN),
    Meaning(10091, "", Effect.NONE, source=_SEEN),
    Meaning(10167, "", Effect.DELAYED, source=_SEEN),
    Meaning(10168, "", Effect.ENDS, NotEntitled, _SUBSCRIBE, _SEEN),
    Meaning(10186, "", Effect.ENDS, NotEntitled, _SUBSCRIBE),
    Meaning(10187, "", Effect.ENDS, NotEntitled, _SUBSCRIBE),
    Meaning(10189, "", Effect.ENDS, NotEntitled, _SUBSCRIBE),
    Meaning(10190, "", Effect.ENDS, PacingExceeded, "close a tick-by-tick subscription", _SEEN),
    Meaning(10197, "", Effect.ENDS, NotEntitled, "end the competing live session"),
    Meaning(10299, "", Effect.ENDS, GatewayRejected, "the message names the kind of bar to use"),
)

_NOTICES: Final = range(2100, 2200)


def classify(code: int, text: str) -> Meaning:
    """Meaning of a code for the request it names.

    A code from 2100 to 2199 that is not listed is a notice; any other that is not listed ends
    the request, for a request that waits for an answer which never comes is worse.

    Examples:
        >>> classify(162, "HMDS query returned no data: SPY").error.__name__
        'NoData'
    """
    lowered = text.lower()
    for row in MEANINGS:
        if row.code == code and row.pattern in lowered:
            return row
    return Meaning(code, "", Effect.NONE if code in _NOTICES else Effect.ENDS, source="not listed")
