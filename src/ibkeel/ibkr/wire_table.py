"""Messages that a client sends: what each counts as, where its id stands, what ends it.

Source:
    The text form of the socket protocol, server versions 157 to 200, as both client libraries
    write it: fields separated by NUL, the message's number first.
"""

from types import MappingProxyType
from typing import Final

import attrs

from ibkeel.guards import Ask
from ibkeel.model.bars import BAR_SIZES
from ibkeel.resilience import Lane, Request, RequestKind

_MESSAGE: Final = "message"
_LONG_BAR: Final = 60  # seconds: from here on the limits for small bars are lifted
_CONTRACT_FIELDS: Final = 12
_EXCHANGE: Final = 7  # in the order in which a contract is written


@attrs.frozen(kw_only=True)
class Message:
    """One kind of message.

    Args:
        name: The library's name of the call that writes it.
        kind: What the limits call it.
        lane: How urgent it is, unless the caller says otherwise.
        id_at: Field of its request or order id, from 0; None when it has none.
        contract_at: First field of its contract; None when no limit asks for it.
        feed_at: Field that names the kind of data.
        bar_at: Field that names the size of a bar.
        is_open: Whether it counts until something ends it.
        goes_on_at: Field that says that it goes on after its answer, from the end.
        cancels: Name of the message that it ends.
    """

    name: str
    kind: str = _MESSAGE
    lane: Lane = Lane.QUOTES
    id_at: int | None = None
    contract_at: int | None = None
    feed_at: int | None = None
    bar_at: int | None = None
    is_open: bool = False
    goes_on_at: int | None = None
    cancels: str = ""

    @property
    def plain(self) -> Request:
        """The request that it amounts to when nothing in it matters."""
        return Request(kind=self.kind, lane=self.lane)


def _cancel(name: str, of: str, id_at: int = 2, lane: Lane = Lane.QUOTES) -> Message:
    # In turn with the quotes: those that wait for a line are held by that limit, and not by this message.
    return Message(name=name, lane=lane, id_at=id_at, cancels=of)


_HISTORY: Final = Message(
    name="reqHistoricalData",
    kind=Ask.HISTORY,
    lane=Lane.HISTORY,
    id_at=1,
    contract_at=2,
    feed_at=19,
    bar_at=16,
    is_open=True,
    goes_on_at=-3,
)

MESSAGES: Final = MappingProxyType(
    {
        **{
            number: Message(name=name, id_at=id_at)
            for number, name, id_at in (
                ("6", "reqAccountUpdates", None),
                ("24", "reqScannerParameters", None),
                ("52", "reqFundamentalData", 2),
                ("54", "calculateImpliedVolatility", 2),
                ("55", "calculateOptionPrice", 2),
                ("76", "reqAccountUpdatesMulti", 2),
                ("82", "reqMktDepthExchanges", None),
                ("83", "reqSmartComponents", 1),
                ("84", "reqNewsArticle", 1),
                ("85", "reqNewsProviders", None),
                ("86", "reqHistoricalNews", 1),
                ("88", "reqHistogramData", 1),
            )
        },
        "1": Message(name="reqMktData", kind=Ask.MARKET_DATA, id_at=2, contract_at=3, is_open=True),
        "2": _cancel("cancelMktData", "reqMktData"),
        "3": Message(name="placeOrder", kind="order", lane=Lane.OPENING, id_at=1),
        "4": _cancel("cancelOrder", "placeOrder", lane=Lane.CLOSING),
        "5": Message(name="reqOpenOrders", lane=Lane.PROBE),
        "7": Message(name="reqExecutions", lane=Lane.PROBE, id_at=2),
        "8": Message(name="reqIds", lane=Lane.PROBE),
        "9": Message(name="reqContractDetails", id_at=2),
        "10": Message(name="reqMktDepth", kind=Ask.DEPTH, id_at=2, contract_at=3, is_open=True),
        "11": _cancel("cancelMktDepth", "reqMktDepth"),
        "16": Message(name="reqAllOpenOrders", lane=Lane.PROBE),
        "17": Message(name="reqManagedAccts", lane=Lane.PROBE),
        "20": _HISTORY,
        "21": Message(name="exerciseOptions", kind="order", lane=Lane.OPENING, id_at=2),
        "22": Message(name="reqScannerSubscription", kind=Ask.SCANNER, id_at=1, is_open=True),
        "23": _cancel("cancelScannerSubscription", "reqScannerSubscription"),
        "25": _cancel("cancelHistoricalData", "reqHistoricalData"),
        "49": Message(name="reqCurrentTime", lane=Lane.PROBE),
        "50": Message(
            name="reqRealTimeBars",
            kind=Ask.REAL_TIME_BARS,
            id_at=2,
            contract_at=3,
            feed_at=16,
            is_open=True,
        ),
        "51": _cancel("cancelRealTimeBars", "reqRealTimeBars"),
        "58": Message(name="reqGlobalCancel", lane=Lane.CLOSING),
        "61": Message(name="reqPositions", lane=Lane.PROBE),
        "62": Message(name="reqAccountSummary", kind=Ask.ACCOUNT_SUMMARY, id_at=2, is_open=True),
        "63": _cancel("cancelAccountSummary", "reqAccountSummary"),
        "71": Message(name="startApi", lane=Lane.PROBE),
        "78": Message(name="reqSecDefOptParams", id_at=1),
        "81": Message(name="reqMatchingSymbols", kind=Ask.MATCHING_SYMBOLS, id_at=1),
        "87": Message(
            name="reqHeadTimeStamp",
            kind=Ask.HEAD_TIMESTAMP,
            lane=Lane.HISTORY,
            id_at=1,
            contract_at=2,
            feed_at=16,
            is_open=True,
            goes_on_at=0,
        ),
        "90": _cancel("cancelHeadTimeStamp", "reqHeadTimeStamp", id_at=1),
        "96": Message(
            name="reqHistoricalTicks",
            kind=Ask.HISTORY,
            lane=Lane.HISTORY,
            id_at=1,
            contract_at=2,
            feed_at=18,
            is_open=True,
        ),
        "97": Message(name="reqTickByTickData", kind=Ask.TICK_BY_TICK, id_at=1, contract_at=2, is_open=True),
        "98": _cancel("cancelTickByTickData", "reqTickByTickData", id_at=1),
        "99": Message(name="reqCompletedOrders", lane=Lane.PROBE),
    }
)
"""By number; a message that is not listed counts as a message like all."""

ENDINGS: Final = MappingProxyType(
    {
        "historicalDataEnd": "reqHistoricalData",
        "tickSnapshotEnd": "reqMktData",
        "historicalTicks": "reqHistoricalTicks",
        "historicalTicksBidAsk": "reqHistoricalTicks",
        "historicalTicksLast": "reqHistoricalTicks",
        "historicalSchedule": "reqHistoricalData",
    }
)
"""Answers after which a request no longer counts as open, and what they answer."""

OPEN_MESSAGES: Final = tuple(message.name for message in MESSAGES.values() if message.is_open)
"""Names of those that count while they are open."""

SUBSCRIPTIONS: Final = frozenset({"reqMktData", "reqMktDepth", "reqRealTimeBars", "reqTickByTickData"})
"""Names of those that the Gateway forgets when its servers lose the data (1101)."""

KINDS: Final = MappingProxyType(
    {
        "placeOrder": RequestKind.ORDERS,  # a preview: no other is waited for
        "reqAccountSummary": RequestKind.ACCOUNT,
        "reqAccountUpdates": RequestKind.ACCOUNT,
        "reqAccountUpdatesMulti": RequestKind.ACCOUNT,
        "reqAllOpenOrders": RequestKind.ORDERS,
        "reqCompletedOrders": RequestKind.ORDERS,
        "reqCurrentTime": RequestKind.PROBE,
        "reqExecutions": RequestKind.ORDERS,
        "reqHeadTimeStamp": RequestKind.HISTORY,
        "reqHistoricalData": RequestKind.HISTORY,
        "reqHistoricalTicks": RequestKind.HISTORY,
        "reqMktData": RequestKind.QUOTE,
        "reqOpenOrders": RequestKind.ORDERS,
        "reqPositions": RequestKind.ACCOUNT,
    }
)
"""Deadlines of the calls; all others have that of definitions."""

WAITS_UNDER: Final = MappingProxyType(
    {
        "reqAccountUpdates": "accountValues",
        "reqAllOpenOrders": "openOrders",
        "reqCompletedOrders": "completedOrders",
        "reqCurrentTime": "currentTime",
        "reqMktDepthExchanges": "mktDepthExchanges",
        "reqNewsProviders": "newsProviders",
        "reqOpenOrders": "openOrders",
        "reqPositions": "positions",
        "reqScannerParameters": "scannerParams",
    }
)
"""Requests without an id, and the name under which the library waits for their answer."""

_OTHER: Final = Message(name="other")
_SAME: Final[dict[Request, Request]] = {}
# One value for all that are equal: what looks them up need not compare them.
_PLAIN: Final = {
    number: _SAME.setdefault(message.plain, message.plain) for number, message in MESSAGES.items()
}
_OTHER_PLAIN: Final = _OTHER.plain


@attrs.frozen(kw_only=True)
class Reading:
    """What a message says."""

    message: Message
    request: Request
    key: int | None = None
    goes_on: bool = False


_READ_PLAIN: Final = {
    number: Reading(message=message, request=_PLAIN[number])
    for number, message in MESSAGES.items()
    if message.id_at is None
}
_READ_OTHER: Final = Reading(message=_OTHER, request=_OTHER_PLAIN)


def read(text: str, lane: Lane | None = None) -> Reading:
    """Read a message before it is framed; a caller may know its urgency better than it tells."""
    number = text.partition("\0")[0]
    message = MESSAGES.get(number, _OTHER)
    if message.id_at is None:
        plain = _READ_PLAIN.get(number, _READ_OTHER)
        return plain if lane is None else attrs.evolve(plain, request=attrs.evolve(plain.request, lane=lane))
    fields = text.split("\0")
    request = _PLAIN[number] if message.contract_at is None else _about_a_contract(message, fields)
    if lane is not None:
        request = attrs.evolve(request, lane=lane)
    return Reading(
        message=message,
        request=request,
        key=_number(fields, message.id_at),
        goes_on=_goes_on(message, fields),
    )


def _number(fields: list[str], at: int) -> int | None:
    text = fields[at] if at < len(fields) else ""
    return int(text) if text.isdecimal() else None


def _goes_on(message: Message, fields: list[str]) -> bool:
    at = message.goes_on_at
    if at is None:
        return False
    return at == 0 or fields[max(at, -len(fields))] == "1"


def _about_a_contract(message: Message, fields: list[str]) -> Request:
    start = message.contract_at or 0
    contract = fields[start : start + _CONTRACT_FIELDS]
    return Request(
        kind=message.kind,
        lane=message.lane,
        subject=_subject(contract),
        feed=_field(fields, message.feed_at),
        # All that is asked for, without the id under which it is asked.
        identity="\0".join(fields[start:]) if message.feed_at is not None else "",
        is_bulky=BAR_SIZES.get(_field(fields, message.bar_at), 0) >= _LONG_BAR,
    )


def _field(fields: list[str], at: int | None) -> str:
    return fields[at] if at is not None and at < len(fields) else ""


def _subject(contract: list[str]) -> str:
    """A contract as it was named, for people: number or description, and the exchange."""
    con_id, *described = contract[:_EXCHANGE] or [""]
    exchange = contract[_EXCHANGE] if len(contract) > _EXCHANGE else ""
    words = " ".join(word for word in described if word not in {"", "0.0", "0"})
    name = words if con_id in {"", "0"} else f"{words} #{con_id}".strip()
    return f"{name} on {exchange}"
