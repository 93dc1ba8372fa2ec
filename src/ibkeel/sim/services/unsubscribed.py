"""What a Gateway says when it is asked for what the account has not subscribed to."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ibkeel.sim.client import Client
from ibkeel.sim.services.system import refuse
from ibkeel.sim.world import Handler, World


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

REFUSED: Final[Mapping[str, Refused]] = MappingProxyType(
    {
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
)


def _refuser(error: Refused) -> Handler:
    def answer(world: World, client: Client, values: dict[str, Any]) -> None:
        number = values.get("request_id")
        refuse(world, client, -1 if number is None else number, (error.code, error.text))

    return answer


def _soft_dollar_tiers(world: World, client: Client, values: dict[str, Any]) -> None:
    def answer(_now: datetime) -> None:
        client.reply("soft_dollar_tiers", request_id=values["request_id"], tiers=())

    world.answer(client, values["request_id"], world.settings.latency.local, answer)


def _display_groups(world: World, client: Client, values: dict[str, Any]) -> None:
    """A Gateway has no windows to group (unverified that it says so)."""

    def answer(_now: datetime) -> None:
        client.reply("display_groups", request_id=values["request_id"], groups="")

    world.answer(client, values["request_id"], world.settings.latency.local, answer)


def _ignore(_world: World, _client: Client, _values: dict[str, Any]) -> None:
    """What goes on with something that was never begun."""


HANDLERS: Final[Mapping[str, Handler]] = {
    **{name: _refuser(error) for name, error in REFUSED.items()},
    "soft_dollar_tiers": _soft_dollar_tiers,
    "display_groups": _display_groups,
    "display_group_events": _ignore,
    "update_display_group": _ignore,
    "cancel_display_group_events": _ignore,
    "cancel_fundamental_data": _ignore,
    "cancel_event_types": _ignore,
    "cancel_events": _ignore,
}
