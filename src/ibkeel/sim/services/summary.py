"""Account summaries: chosen account values, told again when they change."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ibkeel.sim.client import Client, Stream
from ibkeel.sim.services.streams import cancels
from ibkeel.sim.world import Handler, Rejection, World

_KIND: Final = "account_summary"


def _account_summary(world: World, client: Client, values: dict[str, Any]) -> None:
    limit = world.settings.limits.account_summaries
    if limit is not None and world.running(_KIND) >= limit:
        world.counters.violated("account_summaries", client.client_id)
        text = "Maximum number of account summary requests exceeded"
        raise Rejection(322, f"Error processing request.-'bO' : cause - {text}")
    request_id = values["request_id"]
    tags = set(filter(None, values["tags"].replace(" ", "").split(",")))
    stream = Stream(kind=_KIND, request_id=request_id)
    world.open_stream(client, stream)
    sent: dict[str, str] = {}

    def show(now: datetime, *, is_first: bool) -> None:
        for key, value, currency in world.venue.account_values(now):
            if key in tags and sent.get(key) != value:
                sent[key] = value
                client.reply(
                    "account_summary",
                    request_id=request_id,
                    account=world.account,
                    tag=key,
                    value=value,
                    currency=currency,
                )
        if is_first:
            client.reply("account_summary_end", request_id=request_id)
        seconds = world.settings.account_update_seconds
        stream.ticket = world.answer(client, request_id, seconds, lambda then: show(then, is_first=False))

    latency = world.settings.latency.account
    stream.ticket = world.answer(client, request_id, latency, lambda now: show(now, is_first=True))


HANDLERS: Final[Mapping[str, Handler]] = {
    "account_summary": _account_summary,
    "cancel_account_summary": cancels(_KIND),
}
