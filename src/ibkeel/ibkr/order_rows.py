"""What the Gateway's codes mean for the order they name.

REJECTED is evidence about an order that the venue has not accepted yet, and nothing else: see
`ibkeel.orders.OrderTruth`.
"""

from typing import Final

from ibkeel.ibkr.meaning import About, Meaning, Reaction
from ibkeel.orders import ErrorFate

RECONCILE: Final = "read open_orders() and executions() before acting on it"
"""Remedy when nobody knows what became of an order."""

_OFFICIAL: Final = "TWS API, Message Codes"
_SEEN: Final = "seen in public logs; not in the official table"
_UNVERIFIED: Final = "in client libraries' lists; its text is unverified"

_PRECAUTIONS: Final = "change the order, or set 'Bypass Order Precautions for API Orders' in the Gateway"
_WORKS_ON: Final = "the order works on as it was"


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


def _unclear(code: int, remedy: str = RECONCILE, *, source: str = _OFFICIAL) -> Meaning:
    return _row(code, ErrorFate.UNCERTAIN, remedy, source=source)


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
