"""What the Gateway's codes mean: for the order they name, for the request they name, or when they name neither.

REJECTED is evidence about an order that the venue has not accepted yet, and nothing else: see
`ibkeel.orders.OrderTruth`.
"""

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
from ibkeel.ibkr.codes import RECONCILE, About, Effect, ErrorTable, Farm, Meaning, Reaction
from ibkeel.orders import ErrorFate

_OFFICIAL: Final = "TWS API, Message Codes"
_SEEN: Final = "seen in public logs; not in the official table"
_UNVERIFIED: Final = "in client libraries' lists; its text is unverified"

_PRECAUTIONS: Final = "change the order, or set 'Bypass Order Precautions for API Orders' in the Gateway"
_WORKS_ON: Final = "the order works on as it was"
_CLIENT: Final = "raised by client libraries; a Gateway never sends it"

_SUBSCRIBE: Final = "subscribe to the data in Client Portal, or ask for delayed data"
_OTHER_SESSION: Final = "end the other session of this user, or wait until it ends"
_CLOSE_HISTORY: Final = "wait for some of the open historical requests"
_SEE: Final = "see the message"
_REPORT: Final = "a request id was used twice: report this"
_AGAIN: Final = "subscribe again"
_SYSTEM_CODES: Final = "TWS API, System Message Codes"

_WAIT: Final = "wait: it restores itself; outside the nightly reset, check the Gateway's network"


def _row(
    code: int,
    fate: ErrorFate,
    remedy: str,
    *,
    about: About = About.ORDER,
    text: str = "",
    source: str = _OFFICIAL,
) -> Meaning:
    return Meaning(code=code, about=about, pattern=text, fate=fate, remedy=remedy, source=source)


def _refused(code: int, remedy: str, *, text: str = "", source: str = _OFFICIAL) -> Meaning:
    return _row(code, ErrorFate.REJECTED, remedy, text=text, source=source)


def _notice(code: int, remedy: str, *, source: str = _OFFICIAL) -> Meaning:
    return _row(code, ErrorFate.NOTICE, remedy, source=source)


def _unclear(code: int, remedy: str = RECONCILE) -> Meaning:
    return _row(code, ErrorFate.UNCERTAIN, remedy)


def _not_cancelled(code: int) -> Meaning:
    return _row(code, ErrorFate.CANCEL_REFUSED, RECONCILE)


ORDER_ROWS: Final[tuple[Meaning, ...]] = (
    Meaning(
        code=100,
        about=About.ORDER,
        reaction=Reaction.SLOW_DOWN,
        counts=True,
        remedy="send fewer messages: 50 a second by default",
        source=_OFFICIAL,
    ),
    _unclear(103, "two orders have one id: read open_orders() before acting on either"),
    _notice(104, "it has filled, and stays so"),
    _notice(105, _WORKS_ON),
    _refused(106, "check type, time in force and exchange of the order"),
    _refused(107, "a field of the order is missing"),
    _refused(109, _PRECAUTIONS),
    _refused(110, "round the price to the contract's tick"),
    _unclear(135),
    _not_cancelled(136),
    _not_cancelled(161),
    _refused(163, _PRECAUTIONS),
    _refused(164, _PRECAUTIONS),
    _refused(200, "check symbol, expiry, strike, right and exchange"),
    _refused(201, "the message says what the venue wants otherwise"),
    _row(202, ErrorFate.CANCELLED, "place it again if it is still wanted"),
    _refused(203, "the account may not trade it; also given when the currency is missing"),
    _unclear(320),
    _refused(321, "turn off Read-Only API in the Gateway's settings", text="read-only", source=_SEEN),
    _refused(321, "a field is missing or wrong: see the message"),
    _unclear(322),
    _unclear(323),
    _refused(382, _PRECAUTIONS),
    _refused(383, _PRECAUTIONS),
    _notice(399, "often it says only that the order is held until the market opens"),
    _notice(404, "it is held until shares to sell short are found"),
    _refused(434, "order at least one"),
    _notice(492, _WORKS_ON, source=_UNVERIFIED),
    _notice(2102, "ask for the change again once the order is processed"),
    _notice(2109, "the order works; outside regular hours is ignored"),
    _notice(2137, "confirm crossing orders once in the Gateway's message settings"),
    _unclear(2168, "use a client library that does not send eTradeOnly"),
    _unclear(2169, "use a client library that does not send firmQuoteOnly"),
    _refused(10006, "send the parent first"),
    _unclear(10147),
    _not_cancelled(10148),
    _refused(10268, "use a client library that does not send eTradeOnly", source=_SEEN),
    _unclear(10285, "use a client library that speaks API version 163 or later"),
    _notice(10311, "it goes to one exchange directly, which can cost more"),
    Meaning(
        code=10328,
        about=About.ORDER,
        counts=True,
        remedy=RECONCILE,
        source=_OFFICIAL,
    ),
    _notice(10349, "a preset of the Gateway changed its time in force", source=_SEEN),
    # Any other row that refuses a new order only means, of a change, that nobody knows.
    _row(110, ErrorFate.NOTICE, "round the price to the tick; " + _WORKS_ON, about=About.CHANGE),
    _row(321, ErrorFate.NOTICE, "see the message; " + _WORKS_ON, about=About.CHANGE),
)
"""Sorted by what they speak of, then by code; of one code, those with a pattern come first."""

REFUSED_CHANGES: Final = frozenset({104, 105, 110, 321, 2102})
"""Codes by which a change is refused, and the order stays as it was; the rows above call them notices."""


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
    _ends(322, PacingExceeded, "end programs that keep theirs open", text="account summary", source=_SEEN),
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


def _system_row(
    code: int, reaction: Reaction, remedy: str, *, counts: bool = False, source: str = _SYSTEM_CODES
) -> Meaning:
    return Meaning(
        code=code, about=About.SYSTEM, reaction=reaction, remedy=remedy, counts=counts, source=source
    )


def _farm(code: int, reaction: Reaction, farm: Farm, *, source: str = _SYSTEM_CODES) -> Meaning:
    remedy = "wait for the farm" if reaction in {Reaction.FARM_BROKEN, Reaction.FARM_CONNECTING} else ""
    return Meaning(code=code, about=About.SYSTEM, reaction=reaction, farm=farm, remedy=remedy, source=source)


def _of_client(code: int, reaction: Reaction, remedy: str, *, counts: bool = True) -> Meaning:
    return Meaning(
        code=code,
        about=About.SYSTEM,
        reaction=reaction,
        remedy=remedy,
        counts=counts,
        from_client=True,
        source=_CLIENT,
    )


SYSTEM_ROWS: Final[tuple[Meaning, ...]] = (
    _system_row(
        100,
        Reaction.SLOW_DOWN,
        "send fewer messages: 50 a second by default",
        counts=True,
        source=_OFFICIAL,
    ),
    _system_row(
        321,
        Reaction.NONE,
        "a message without an id was refused: see the text, and Read-Only API in the Gateway's settings",
        source=_OFFICIAL,
    ),
    _system_row(
        326,
        Reaction.WAIT_FOR_CLIENT_ID,
        "end the other program with this client id, or wait a minute if it just ended",
        counts=True,
        source=_OFFICIAL,
    ),
    _of_client(501, Reaction.NONE, "it is connected already", counts=False),
    _of_client(502, Reaction.RECONNECT, "start the Gateway; check port, API setting and trusted addresses"),
    _of_client(503, Reaction.GIVE_UP, "update the Gateway", counts=False),
    _of_client(504, Reaction.RECONNECT, "connect first: nothing was sent"),
    _of_client(507, Reaction.RECONNECT, "the Gateway closed the socket: check the client id"),
    _of_client(509, Reaction.RECONNECT, "the socket could not be read: check the Gateway"),
    _system_row(1100, Reaction.UPSTREAM_LOST, _WAIT),
    _system_row(1101, Reaction.RESTORED_DATA_LOST, "subscribe again, and read the open orders"),
    _system_row(1102, Reaction.RESTORED_DATA_KEPT, "nothing to do"),
    _system_row(1300, Reaction.RECONNECT, "set the port that the message names", counts=True),
    _system_row(2100, Reaction.NONE, "another account's updates replaced this subscription"),
    _system_row(2101, Reaction.NONE, "another client watches another account: refused"),
    _farm(2103, Reaction.FARM_BROKEN, Farm.MARKET_DATA),
    _farm(2104, Reaction.FARM_OK, Farm.MARKET_DATA),
    _farm(2105, Reaction.FARM_BROKEN, Farm.HISTORY),
    _farm(2106, Reaction.FARM_OK, Farm.HISTORY),
    _farm(2107, Reaction.FARM_IDLE, Farm.HISTORY),
    _farm(2108, Reaction.FARM_IDLE, Farm.MARKET_DATA),
    _system_row(2110, Reaction.UPSTREAM_LOST, _WAIT),
    _farm(2119, Reaction.FARM_CONNECTING, Farm.MARKET_DATA),
    _system_row(2148, Reaction.NONE, "see the message", source=_UNVERIFIED),
    _system_row(2150, Reaction.NONE, "nothing to do: there is no price to value a position", source=_SEEN),
    _system_row(
        2152, Reaction.NONE, "nothing to do: it lists the exchanges whose depth is shown", source=_OFFICIAL
    ),
    _farm(2157, Reaction.FARM_BROKEN, Farm.DEFINITIONS, source=_SEEN),
    _farm(2158, Reaction.FARM_OK, Farm.DEFINITIONS),
    _system_row(2159, Reaction.NONE, "see the message", source=_UNVERIFIED),
    _system_row(
        10328,
        Reaction.RECONCILE,
        "read open_orders() and executions() before acting on any order",
        counts=True,
        source=_OFFICIAL,
    ),
)
"""Sorted by code."""

ERROR_TABLE: Final = ErrorTable((*REQUEST_ROWS, *ORDER_ROWS, *SYSTEM_ROWS))
"""What is known of the Gateway's codes, each row with its source."""
