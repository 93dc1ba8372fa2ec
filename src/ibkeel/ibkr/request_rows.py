"""What the Gateway's codes mean for the request they name."""

from typing import Final

from ibkeel.errors import (
    AmbiguousContract,
    CompetingSession,
    DataUnavailable,
    GatewayRejected,
    NoData,
    NotEntitled,
    PacingExceeded,
    RequestFailed,
    UnknownContract,
)
from ibkeel.ibkr.meaning import About, Effect, Meaning, Reaction

_OFFICIAL: Final = "TWS API, Message Codes"
_SEEN: Final = "seen in public logs; not in the official table"
_UNVERIFIED: Final = "in client libraries' lists; its text is unverified"
_CLIENT: Final = "raised by client libraries; a Gateway never sends it"

_SUBSCRIBE: Final = "subscribe to the data in Client Portal, or ask for delayed data"
_OTHER_SESSION: Final = "end the other session of this user, or wait until it ends"
_CLOSE_HISTORY: Final = "wait for some of the open historical requests"
_SEE: Final = "see the message"
_REPORT: Final = "a request id was used twice: report this"
_AGAIN: Final = "subscribe again"


def _ends(
    code: int,
    error: type[RequestFailed],
    remedy: str,
    *,
    text: str = "",
    reaction: Reaction = Reaction.NONE,
    counts: bool = False,
    source: str = _OFFICIAL,
) -> Meaning:
    return Meaning(
        code=code,
        about=About.REQUEST,
        pattern=text,
        effect=Effect.ENDS,
        error=error,
        remedy=remedy,
        reaction=reaction,
        counts=counts,
        source=source,
    )


def _goes_on(code: int, remedy: str, *, effect: Effect = Effect.NONE, source: str = _OFFICIAL) -> Meaning:
    return Meaning(code=code, about=About.REQUEST, effect=effect, remedy=remedy, source=source)


REQUEST_ROWS: Final[tuple[Meaning, ...]] = (
    _ends(
        100,
        PacingExceeded,
        "send fewer messages: 50 a second by default",
        reaction=Reaction.SLOW_DOWN,
        counts=True,
    ),
    _ends(
        101,
        PacingExceeded,
        "close market data lines that are no longer needed",
        reaction=Reaction.FREE_LINES,
    ),
    _ends(102, GatewayRejected, _REPORT),
    _ends(162, NoData, "check the span, the kind of bar and the trading hours", text="no data"),
    _ends(
        162, PacingExceeded, "wait up to ten minutes", text="pacing violation", reaction=Reaction.HOLD_HISTORY
    ),
    _ends(162, PacingExceeded, _CLOSE_HISTORY, text="simultaneous api historical", source=_SEEN),
    _ends(
        162,
        CompetingSession,
        _OTHER_SESSION,
        text="different ip",
        reaction=Reaction.WAIT_COMPETING,
        source=_SEEN,
    ),
    _ends(162, NotEntitled, _SUBSCRIBE, text="permission", source=_SEEN),
    _ends(162, GatewayRejected, "it was cancelled, by this client or by the server", text="query cancel"),
    _ends(162, GatewayRejected, "choose a bar size that fits the span", text="invalid step", source=_SEEN),
    _ends(162, GatewayRejected, _SEE),
    _goes_on(165, "nothing to do: rows that exist still come"),
    _ends(166, NoData, "the contract has expired"),
    _ends(200, AmbiguousContract, "name exchange, currency or trading class", text="ambiguous"),
    _ends(200, UnknownContract, "check symbol, expiry, strike, right and exchange"),
    _ends(203, NotEntitled, "the account may not trade it; also given when the currency is missing"),
    _ends(300, GatewayRejected, "the Gateway has no such subscription any more: ask again"),
    _ends(309, PacingExceeded, "close a market depth subscription", reaction=Reaction.FREE_LINES),
    _ends(310, GatewayRejected, "the Gateway has no such depth subscription any more: ask again"),
    _ends(316, DataUnavailable, _AGAIN, reaction=Reaction.RESUBSCRIBE),
    _goes_on(317, "nothing to do: the book starts empty again"),
    _goes_on(318, _SEE, source=_UNVERIFIED),
    _ends(320, GatewayRejected, _SEE, counts=True),
    _ends(
        321,
        GatewayRejected,
        "turn off Read-Only API in the Gateway's settings",
        text="read-only",
        source=_SEEN,
    ),
    _ends(321, GatewayRejected, "a field is missing or wrong: see the message"),
    _ends(322, GatewayRejected, _REPORT, text="duplicate"),
    _ends(
        322,
        PacingExceeded,
        "close a tick-by-tick subscription",
        text="tick-by-tick",
        reaction=Reaction.FREE_LINES,
        source=_SEEN,
    ),
    _ends(322, PacingExceeded, _CLOSE_HISTORY, text="simultaneous api historical", source=_SEEN),
    _ends(322, GatewayRejected, _SEE, counts=True),
    _ends(323, GatewayRejected, _SEE, counts=True),
    _ends(354, NotEntitled, _SUBSCRIBE),
    _ends(366, GatewayRejected, "the Gateway has no such historical request any more: ask again"),
    _ends(385, GatewayRejected, _REPORT),
    _ends(386, GatewayRejected, _REPORT),
    _ends(414, GatewayRejected, "a snapshot takes no generic ticks"),
    _ends(420, NotEntitled, _SUBSCRIBE, text="permission", source=_SEEN),
    _ends(420, PacingExceeded, "wait 15 seconds"),
    Meaning(
        code=504,
        about=About.REQUEST,
        remedy="connect first: nothing was sent",
        reaction=Reaction.RECONNECT,
        counts=True,
        from_client=True,
        source=_CLIENT,
    ),
    _goes_on(2150, "nothing to do: there is no price to value the position", source=_SEEN),
    _goes_on(2152, "nothing to do: it lists the exchanges whose depth is shown"),
    _ends(10089, NotEntitled, _SUBSCRIBE),
    _goes_on(10090, "some ticks need another subscription; the others come", source=_SEEN),
    _goes_on(10091, "some ticks need another subscription; the others come", source=_SEEN),
    _ends(10092, GatewayRejected, "this exchange has no market depth of it", source=_SEEN),
    _goes_on(10167, _SUBSCRIBE, effect=Effect.DELAYED, source=_SEEN),
    _ends(10168, NotEntitled, _SUBSCRIBE, source=_SEEN),
    _ends(10182, DataUnavailable, _AGAIN, reaction=Reaction.RESUBSCRIBE, source=_SEEN),
    _goes_on(10185, "nothing to do: it answers the cancel of a subscription", source=_UNVERIFIED),
    _ends(10186, NotEntitled, _SUBSCRIBE),
    _ends(10187, NotEntitled, _SUBSCRIBE),
    _ends(10189, CompetingSession, _OTHER_SESSION, text="different ip", reaction=Reaction.WAIT_COMPETING),
    _ends(10189, NotEntitled, _SUBSCRIBE),
    _ends(
        10190,
        PacingExceeded,
        "close a tick-by-tick subscription",
        reaction=Reaction.FREE_LINES,
        source=_SEEN,
    ),
    _ends(10197, CompetingSession, _OTHER_SESSION, reaction=Reaction.WAIT_COMPETING),
    _ends(10225, DataUnavailable, _AGAIN, reaction=Reaction.RESUBSCRIBE),
    _ends(10230, GatewayRejected, "save or undo the open changes of the advisor's set-up, then ask again"),
    _ends(10285, GatewayRejected, "use a client library that speaks API version 163 or later"),
    _ends(10299, GatewayRejected, "the message names the kind of bar to use"),
)
"""Sorted by code; of one code, those with a pattern come first."""
