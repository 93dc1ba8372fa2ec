"""What the Gateway's codes mean when they name neither a request nor an order."""

from typing import Final

from ibkeel.ibkr.meaning import About, Farm, Meaning, Reaction

_OFFICIAL: Final = "TWS API, System Message Codes"
_CODES: Final = "TWS API, Message Codes"
_SEEN: Final = "seen in public logs; not in the official table"
_UNVERIFIED: Final = "in client libraries' lists; its text is unverified"
_CLIENT: Final = "raised by client libraries; a Gateway never sends it"

_WAIT: Final = "wait: it restores itself; outside the nightly reset, check the Gateway's network"


def _row(
    code: int, reaction: Reaction, remedy: str, *, counts: bool = False, source: str = _OFFICIAL
) -> Meaning:
    return Meaning(
        code=code, about=About.SYSTEM, reaction=reaction, remedy=remedy, counts=counts, source=source
    )


def _farm(code: int, reaction: Reaction, farm: Farm, *, source: str = _OFFICIAL) -> Meaning:
    remedy = "wait for the farm" if reaction in {Reaction.FARM_BROKEN, Reaction.FARM_CONNECTING} else ""
    return Meaning(code=code, about=About.SYSTEM, reaction=reaction, farm=farm, remedy=remedy, source=source)


def _client(code: int, reaction: Reaction, remedy: str, *, counts: bool = True) -> Meaning:
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
    _row(
        100,
        Reaction.SLOW_DOWN,
        "send fewer messages: 50 a second by default",
        counts=True,
        source=_CODES,
    ),
    _row(
        321,
        Reaction.NONE,
        "a message without an id was refused: see the text, and Read-Only API in the Gateway's settings",
        source=_CODES,
    ),
    _row(
        326,
        Reaction.WAIT_FOR_CLIENT_ID,
        "end the other program with this client id, or wait a minute if it just ended",
        counts=True,
        source=_CODES,
    ),
    _client(501, Reaction.NONE, "it is connected already", counts=False),
    _client(502, Reaction.RECONNECT, "start the Gateway; check port, API setting and trusted addresses"),
    _client(503, Reaction.GIVE_UP, "update the Gateway", counts=False),
    _client(504, Reaction.RECONNECT, "connect first: nothing was sent"),
    _client(507, Reaction.RECONNECT, "the Gateway closed the socket: check the client id"),
    _client(509, Reaction.RECONNECT, "the socket could not be read: check the Gateway"),
    _row(1100, Reaction.UPSTREAM_LOST, _WAIT),
    _row(1101, Reaction.RESTORED_DATA_LOST, "subscribe again, and read the open orders"),
    _row(1102, Reaction.RESTORED_DATA_KEPT, "nothing to do"),
    _row(1300, Reaction.RECONNECT, "set the port that the message names", counts=True),
    _row(2100, Reaction.NONE, "another account's updates replaced this subscription"),
    _row(2101, Reaction.NONE, "another client receives this account's updates"),
    _farm(2103, Reaction.FARM_BROKEN, Farm.MARKET_DATA),
    _farm(2104, Reaction.FARM_OK, Farm.MARKET_DATA),
    _farm(2105, Reaction.FARM_BROKEN, Farm.HISTORY),
    _farm(2106, Reaction.FARM_OK, Farm.HISTORY),
    _farm(2107, Reaction.FARM_IDLE, Farm.HISTORY),
    _farm(2108, Reaction.FARM_IDLE, Farm.MARKET_DATA),
    _row(2110, Reaction.UPSTREAM_LOST, _WAIT),
    _farm(2119, Reaction.FARM_CONNECTING, Farm.MARKET_DATA),
    _row(2148, Reaction.NONE, "see the message", source=_UNVERIFIED),
    _row(2150, Reaction.NONE, "nothing to do: there is no price to value a position", source=_SEEN),
    _row(2152, Reaction.NONE, "nothing to do: it lists the exchanges whose depth is shown", source=_CODES),
    _farm(2157, Reaction.FARM_BROKEN, Farm.DEFINITIONS, source=_SEEN),
    _farm(2158, Reaction.FARM_OK, Farm.DEFINITIONS),
    _row(2159, Reaction.NONE, "see the message", source=_UNVERIFIED),
    _row(
        10328,
        Reaction.RECONCILE,
        "read open_orders() and executions() before acting on any order",
        counts=True,
        source=_CODES,
    ),
)
"""Sorted by code."""
