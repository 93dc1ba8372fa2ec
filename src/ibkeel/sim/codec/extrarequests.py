"""Requests for what needs a subscription, an advisor's account or a window.

What follows the fields named here is not read: none of it changes the answer.

Source: layouts read in ib_insync 0.9.86, ib_async 2.1.0 and ibapi 10.51.1.
"""

from typing import Final

from ibkeel.sim.codec.kinds import Kind
from ibkeel.sim.codec.layout import Constant, Field, Item, Message

__all__ = ["EXTRA_REQUESTS"]

_ID = Field(name="request_id", kind=Kind.INTEGER)
_DATA_KIND = Field(name="data_kind", kind=Kind.INTEGER)
_GROUP = Field(name="group_id", kind=Kind.INTEGER)


def _message(number: int, name: str, *items: Item, version: str = "") -> Message:
    head = (Constant(text=version),) if version else ()
    return Message(number=number, name=name, layout=(*head, *items))


EXTRA_REQUESTS: Final[tuple[Message, ...]] = (
    _message(18, "advisor_data", _DATA_KIND, version="1"),
    _message(19, "replace_advisor_data", _DATA_KIND, Field(name="xml"), _ID, version="1"),
    _message(52, "fundamental_data", _ID, version="2"),
    _message(53, "cancel_fundamental_data", _ID, version="1"),
    _message(67, "display_groups", _ID, version="1"),
    _message(68, "display_group_events", _ID, _GROUP, version="1"),
    _message(69, "update_display_group", _ID, Field(name="contract"), version="1"),
    _message(70, "cancel_display_group_events", _ID, version="1"),
    _message(79, "soft_dollar_tiers", _ID),
    _message(84, "news_article", _ID, Field(name="provider"), Field(name="article_id")),
    _message(86, "historical_news", _ID, Field(name="con_id", kind=Kind.INTEGER), Field(name="providers")),
    _message(100, "event_types", _ID),
    _message(101, "cancel_event_types", _ID),
    _message(102, "events", _ID, Field(name="con_id", kind=Kind.INTEGER)),
    _message(103, "cancel_events", _ID),
)
