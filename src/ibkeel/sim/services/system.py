"""Session start, server time, ids, settings of the session, what a Gateway knows by heart, and what it refuses."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

import attrs

from ibkeel.sim.client import Client
from ibkeel.sim.faults import FarmBroken, UpstreamLost
from ibkeel.sim.world import Handler, Rejection, World

_UPSTREAM_BROKEN: Final = "Connectivity between TWS and server is broken. It will be restored automatically."


@attrs.frozen(kw_only=True)
class Farm:
    """A kind of data farm, and the notices about it."""

    title: str
    usual: str
    ok_code: int
    broken_code: int


FARMS: Final[Mapping[str, Farm]] = {
    "market_data": Farm(title="Market data", usual="usfarm", ok_code=2104, broken_code=2103),
    "history": Farm(title="HMDS data", usual="ushmds", ok_code=2106, broken_code=2105),
    "definitions": Farm(title="Sec-def data", usual="secdefnj", ok_code=2158, broken_code=2157),
}


def start(world: World, client: Client) -> None:
    """Send what a live Gateway sends after startApi, in its order: accounts, id, farm notices."""
    now = world.now()
    _accounts(world, client, now)
    _next_id(world, client, now)
    for code, text in _notices(world):
        client.error(-1, code, text, at=now)


def _notices(world: World) -> Iterator[tuple[int, str]]:
    """How the farms are; what a client is told that connects in an outage is unverified."""
    if world.disorder.first(UpstreamLost) is not None:
        yield 2110, _UPSTREAM_BROKEN
        return
    broken = {fault.service: fault for fault in world.disorder.every(FarmBroken)}
    for service, farm in FARMS.items():
        fault = broken.get(service)
        if fault is None:
            yield farm.ok_code, f"{farm.title} farm connection is OK:{farm.usual}"
        else:
            yield farm.broken_code, f"{farm.title} farm connection is broken:{fault.farm or farm.usual}"


def refuse(world: World, client: Client, request_id: int, error: tuple[int, str]) -> None:
    """Answer a request with an error."""

    def answer(_now: datetime) -> None:
        raise Rejection(*error)

    world.answer(client, request_id, world.settings.latency.local, answer)


class Refused(NamedTuple):
    """The error that answers a request."""

    code: int
    text: str
    source: str


_CODES = "TWS API, 'Error Codes': number and meaning; the wording is unverified"
_SEEN = "seen in public logs of accounts without the subscription; unverified here"
_NO_ADVISOR = Refused(
    321, "Error validating request.-'ca' : cause - FA data operations ignored for non FA customers.", _SEEN
)
_NO_FEED = Refused(10276, "News feed is not allowed.", _CODES)


REFUSED: Final[Mapping[str, Refused]] = {
    "advisor_data": _NO_ADVISOR,
    "replace_advisor_data": _NO_ADVISOR,
    "fundamental_data": Refused(10358, "Fundamentals data is not allowed", _SEEN),
    "news_article": Refused(
        10172, "Failed to request news article:No data available for the selected article", _CODES
    ),
    "historical_news": Refused(
        321, "Error validating request.-'cD' : cause - Incorrect or not subscribed news provider", _SEEN
    ),
    "event_types": _NO_FEED,
    "events": _NO_FEED,
}


def _accounts(world: World, client: Client, _now: datetime) -> None:
    client.reply("managed_accounts", accounts=",".join(world.accounts))


def _next_id(world: World, client: Client, _now: datetime) -> None:
    client.reply("next_valid_id", order_id=world.next_order_id(client.client_id))


def _current_time(world: World, client: Client, now: datetime) -> None:
    client.reply("current_time", seconds=int(world.shown(now).timestamp()))


def _current_time_millis(world: World, client: Client, now: datetime) -> None:
    client.reply("current_time_millis", milliseconds=int(world.shown(now).timestamp() * 1000))


def _family_codes(world: World, client: Client, _now: datetime) -> None:
    client.reply("family_codes", codes=[{"account": each, "code": ""} for each in world.accounts])


def _known(say: Callable[[World, Client, datetime], None]) -> Handler:
    """A handler that says what the Gateway knows itself."""

    def handle(world: World, client: Client, _values: dict[str, Any]) -> None:
        world.answer(client, -1, world.settings.latency.local, partial(say, world, client))

    return handle


def _ignore(_world: World, _client: Client, _values: dict[str, Any]) -> None:
    """What a Gateway obeys in silence, or what goes on with something that was never begun."""


def _refuser(error: Refused) -> Handler:
    def answer(world: World, client: Client, values: dict[str, Any]) -> None:
        refuse(world, client, values.get("request_id", -1), (error.code, error.text))

    return answer


def _always(name: str, said: Mapping[str, Any]) -> Handler:
    def handle(world: World, client: Client, values: dict[str, Any]) -> None:
        request_id = values.get("request_id", -1)

        def answer(_now: datetime) -> None:
            client.reply(name, request_id=request_id, **said)

        world.answer(client, request_id, world.settings.latency.local, answer)

    return handle


# What is said to everybody, by the name of request and reply.
_ALWAYS: Final[Mapping[str, Mapping[str, object]]] = {
    "depth_exchanges": {
        "rows": [
            {"exchange": exchange, "sec_type": "STK", "service": service, "agg_group": 1}
            for exchange, service in (
                ("ARCA", "Deep2"),
                ("ISLAND", "Deep2"),
                ("NASDAQ", "Deep2"),
                ("NYSE", "Deep"),
            )
        ]
    },
    # A Gateway has no windows to group (unverified that it says so).
    "display_groups": {"groups": ""},
    "news_providers": {"providers": ()},
    "smart_components": {
        "rows": [
            {"bit": 0, "exchange": "ARCA", "letter": "P"},
            {"bit": 1, "exchange": "ISLAND", "letter": "Q"},
            {"bit": 2, "exchange": "NYSE", "letter": "N"},
            {"bit": 3, "exchange": "CBOE", "letter": "C"},
        ]
    },
    "soft_dollar_tiers": {"tiers": ()},
    "user_info": {"white_branding_id": ""},
}


HANDLERS: Final[Mapping[str, Handler]] = {
    "managed_accounts": _known(_accounts),
    "next_id": _known(_next_id),
    "current_time": _known(_current_time),
    "current_time_millis": _known(_current_time_millis),
    "server_log_level": _ignore,
    **{name: _refuser(error) for name, error in REFUSED.items()},
    **{name: _always(name, said) for name, said in _ALWAYS.items()},
    "family_codes": _known(_family_codes),
    "news_bulletins": _ignore,
    "cancel_news_bulletins": _ignore,
    "display_group_events": _ignore,
    "update_display_group": _ignore,
    "cancel_display_group_events": _ignore,
    "cancel_fundamental_data": _ignore,
    "cancel_event_types": _ignore,
    "cancel_events": _ignore,
}
