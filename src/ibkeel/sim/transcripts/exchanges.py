"""Which answer belongs to which request: by id where there is one, else by what asks for such answers."""

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from ibkeel.sim.transcripts.values import CLIENT, GATEWAY, Entry, Form, whole_number

_LONGEST_ID: Final = 10  # digits
_LISTS: Final = ("open_orders", "all_open_orders", "auto_open_orders")
_OF_ORDERS: Final = ("open_order", "order_status")
# Answers without an id of a request, and what asks for them; the latest one that was asked gets them.
_ASKED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "account_download_end": ("account_updates",),
    "account_time": ("account_updates",),
    "account_value": ("account_updates",),
    "completed_order": ("completed_orders",),
    "completed_orders_end": ("completed_orders",),
    "current_time": ("current_time",),
    "current_time_millis": ("current_time_millis",),
    "depth_exchanges": ("depth_exchanges",),
    "family_codes": ("family_codes",),
    "managed_accounts": ("managed_accounts", "start_api"),
    "market_rule": ("market_rule",),
    "news_providers": ("news_providers",),
    "next_valid_id": ("next_id", "start_api"),
    "open_order_end": _LISTS,
    "portfolio": ("account_updates",),
    "position": ("positions",),
    "position_end": ("positions",),
    "scanner_parameters": ("scanner_parameters",),
}
_SESSION: Final = "start_api"


@attrs.define(kw_only=True, eq=False)
class Exchange:
    """One message of a client, and what the Gateway said to it.

    Args:
        request: The message; a connection's first exchange is the one that starts the session, and gets
            whatever nobody asked for.
        answers: In the order in which they came.
    """

    request: Entry
    answers: list[Entry] = attrs.field(factory=list)

    @property
    def label(self) -> str:
        """The request in a few words, such as `market_data 4 SPY STK`."""
        fields = self.request.fields
        words = [self.request.name or f"message {self.request.texts[0]}"]
        words += [
            str(fields[key]) for key in ("request_id", "order_id", "symbol", "sec_type") if fields.get(key)
        ]
        return " ".join(words)


def number_of(entry: Entry) -> int | None:
    """The id of a request or an order that a message carries; None: it carries none."""
    fields = entry.fields
    texts = [fields.get("request_id"), fields.get("order_id")]
    numbers = [whole_number(text, _LONGEST_ID) for text in texts if isinstance(text, str)]
    return next((number for number in numbers if number is not None and number >= 0), None)


def exchanges(entries: Iterable[Entry]) -> tuple[Exchange, ...]:
    """The exchanges of one connection, in the order of the requests; empty when no session began."""
    pairing = _Pairing()
    for entry in entries:
        if entry.form is Form.MESSAGE:
            pairing.take(entry)
    return tuple(pairing.made)


class _Pairing:
    """What was asked so far on one connection."""

    def __init__(self) -> None:
        self.made: list[Exchange] = []
        self._latest: dict[str, Exchange] = {}  # by the name of the request
        self._numbered: dict[int, Exchange] = {}  # by id, what cancels left out
        self._cancels: dict[int, Exchange] = {}
        self._executions: dict[str, Exchange] = {}  # by the id of the execution
        self._listing: Exchange | None = None  # a list of orders that has not ended

    def take(self, entry: Entry) -> None:
        """Note a request, or add an answer to the one that it belongs to."""
        if entry.sender == CLIENT:
            self._ask(entry)
        elif entry.sender == GATEWAY and self.made:
            self._owner(entry).answers.append(entry)

    def _ask(self, entry: Entry) -> None:
        exchange = Exchange(request=entry)
        self.made.append(exchange)
        self._latest[entry.name] = exchange
        number = number_of(entry)
        if entry.name in _LISTS:
            self._listing = exchange
        if number is None:
            return
        is_cancel = entry.name.startswith("cancel_")
        if is_cancel:
            self._cancels[number] = exchange
        if not is_cancel or entry.name == "cancel_order":
            self._numbered[number] = exchange

    def _owner(self, entry: Entry) -> Exchange:
        session = self._latest.get(_SESSION, self.made[0])
        if entry.name == "open_order_end":
            listing, self._listing = self._listing, None
            return listing or session
        if entry.name in _OF_ORDERS and self._listing is not None:
            return self._listing
        if entry.name in _ASKED_BY:
            asked = [self._latest[name] for name in _ASKED_BY[entry.name] if name in self._latest]
            return max(asked, key=lambda each: each.request.at, default=session)
        return self._by_number(entry) or session

    def _by_number(self, entry: Entry) -> Exchange | None:
        number, fields = number_of(entry), entry.fields
        if entry.name == "commission_report":
            return self._executions.get(str(fields.get("exec_id")))
        if number is None:
            return None
        owner = self._numbered.get(number)
        if entry.name == "error":
            owner = self._cancels.get(number, owner)
        if entry.name == "execution" and owner is not None:
            self._executions[str(fields.get("exec_id"))] = owner
        return owner
