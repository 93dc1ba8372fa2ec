"""The client library: the one place that knows which it is, reads its private attributes, and taps what it hears.

ib_insync is archived, ib_async is its successor with the same surface; the adapter uses what both
have. Everything that is not part of their documented surface is read here, and nowhere else.

The library's own bookkeeping guesses (it declares live orders cancelled, it ends failed requests
with an empty list, it never forgets a snapshot), so ours is fed from the wire. A tap replaces
methods on one wrapper object only; the library's classes are not touched.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from functools import cache
from importlib import import_module
from typing import Any, Final

from ibkeel.errors import OrderRefused
from ibkeel.ibkr.library import LIBRARY, choose_library, import_with_loop, library
from ibkeel.telemetry import RedactingFilter

__all__ = [
    "BAR_FIELDS",
    "LIBRARY",
    "Tap",
    "adopt_running_loop",
    "choose_library",
    "end_request",
    "forget_tickers",
    "frame_writer",
    "give_types",
    "hear_bytes",
    "hear_history",
    "hear_undecoded",
    "import_with_loop",
    "is_waited_for",
    "keep_orders_back",
    "keep_summaries_back",
    "library",
    "loop_of",
    "next_request_id",
    "note_order_id",
    "numeric_unset",
    "replace_sender",
    "take_queue",
    "when_given_up",
]

# The library writes whole orders and positions into its log, account ids included.
for _part in ("Decoder", "client", "ib", "wrapper"):
    logging.getLogger(f"{LIBRARY}.{_part}").addFilter(RedactingFilter())

# Source: the text form of the socket protocol: number, id, first and last instant, how many bars; then of
# each date, open, high, low, close, volume, average and count.
_HISTORY_MESSAGE: Final = 17
_BEFORE_BARS: Final = 5
BAR_FIELDS: Final = 8
"""Fields of a historical bar."""

UNSET_DOUBLE: Final[float] = sys.float_info.max


def numeric_unset(value: float | None) -> bool:
    """Whether a number is one of the wire's ways to say that there is none."""
    return value is None or value != value or abs(value) >= UNSET_DOUBLE  # noqa: PLR0124 - NaN


def adopt_running_loop() -> None:
    """Make the running loop the thread's own: the library asks for that one, not for the one that runs."""
    asyncio.set_event_loop(asyncio.get_running_loop())


def keep_orders_back(client: Any) -> None:
    """Let no order leave through this client, not even past the adapter, by the library's own calls."""

    def refuse(*_: object, **__: object) -> None:
        raise OrderRefused("orders is DRY_RUN, so nothing is sent; set IBKRConfig.orders to PAPER or LIVE")

    for call in ("placeOrder", "cancelOrder", "reqGlobalCancel", "exerciseOptions"):
        setattr(client, call, refuse)


def keep_summaries_back(ib: Any) -> None:
    """Let the library subscribe to no account summary after a 1102: it ends none, and only two may be open."""
    ib.errorEvent -= ib._onError


def next_request_id(ib: Any) -> int:
    """A request id that neither we nor the library used before on this connection."""
    request_id: int = ib.client.getReqId()
    return request_id


def note_order_id(ib: Any, order_id: int) -> None:
    """Keep the library's counter above an id that is in use."""
    ib.client.updateReqId(order_id + 1)


def frame_writer(client: Any) -> Callable[[str], None]:
    """What turns a message into bytes and hands them to the socket, past the library's own queue."""
    connection, prefix, logger = client.conn, client._prefix, client._logger

    def write(text: str) -> None:
        connection.sendMsg(prefix(text.encode()))
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug(">>> %s", text[:-1].replace("\0", ","))

    return write


def replace_sender(
    client: Any, *, send: Callable[[str], None], reset: Callable[[], None]
) -> Callable[[], None]:
    """Send by our own function in place of the library's queue, and switch its own limit off; returns what undoes it.

    Each message goes to `send` before it is framed. `reset` is called before the library forgets a session, which
    it does when one ends.
    """
    forget = client.reset

    def both() -> None:
        reset()
        forget()

    client.sendMsg, client.reset, client.MaxRequests = send, both, 0

    def undo() -> None:
        for name in ("sendMsg", "reset", "MaxRequests"):
            vars(client).pop(name, None)

    return undo


def take_queue(client: Any) -> list[str]:
    """Messages that wait behind the library's own limit; it forgets them."""
    queue = client._msgQ
    texts = list(queue)
    queue.clear()
    return texts


def loop_of(ib: Any) -> asyncio.AbstractEventLoop:
    """The loop that runs, else the one that the object's library would run in this thread."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        home = type(ib.client).__module__.partition(".")[0]
        loop: asyncio.AbstractEventLoop = import_module(f"{home}.util").getLoop()
        return loop


def is_waited_for(wrapper: Any, key: int | str) -> bool:
    """Whether the library waits for the answer to a request, by its id or its name."""
    future = wrapper._futures.get(key)
    return future is not None and not future.done()


def when_given_up(wrapper: Any, key: int, do: Callable[[], object]) -> None:
    """Call a function when the caller of a request that is waited for gives it up."""
    if is_waited_for(wrapper, key):
        future = wrapper._futures[key]
        future.add_done_callback(lambda done: done.cancelled() and do())


def end_request(wrapper: Any, key: int | str, error: Exception) -> bool:
    """End a request that the library waits for with an error; False when it waits for none of that key."""
    if not is_waited_for(wrapper, key):
        return False
    wrapper._endReq(key, error, success=False)
    return True


def forget_tickers(wrapper: Any, keys: Iterable[int]) -> int:
    """Drop the tickers of market data requests that have ended, unless another request feeds them; returns how many."""
    ended = [ticker for key in keys if (ticker := wrapper.reqId2Ticker.pop(key, None)) is not None]
    alive = {id(ticker) for ticker in wrapper.reqId2Ticker.values()}
    gone = {id(ticker): ticker for ticker in ended if id(ticker) not in alive}
    for requests in wrapper.ticker2ReqId.values():
        for ticker in gone.values():
            requests.pop(ticker, None)
    for key in [key for key, ticker in wrapper.tickers.items() if id(ticker) in gone]:
        del wrapper.tickers[key]
    return len(gone)


def hear_bytes(ib: Any, hearer: Callable[[bytes], None]) -> None:
    """Hand over bytes when they have come, before they are decoded."""
    event, decode = ib.client.conn.hasData, ib.client._onSocketHasData

    def both(data: bytes) -> None:
        try:
            hearer(data)
        finally:
            decode(data)

    event -= decode
    event += both


def hear_history(ib: Any, hearer: Callable[[int, list[str]], bool]) -> None:
    """Hand over the bars of an answer as they were sent, before the library makes objects of them.

    Only if all of an answer is bars, each of eight fields. Where the hearer, which is told the id of the request
    and the fields, says True, the library hears no more of it than its end.
    """
    handlers, wrapper = ib.client.decoder.handlers, ib.wrapper
    original = handlers[_HISTORY_MESSAGE]

    def handler(fields: list[str]) -> None:
        bars = fields[_BEFORE_BARS:]
        is_known_form = (
            len(fields) >= _BEFORE_BARS and len(bars) == int(fields[_BEFORE_BARS - 1]) * BAR_FIELDS
        )
        if is_known_form and hearer(int(fields[1]), bars):
            wrapper.historicalDataEnd(int(fields[1]), fields[2], fields[3])
        else:
            original(fields)

    handlers[_HISTORY_MESSAGE] = handler


def hear_undecoded(
    ib: Any, messages: Mapping[int, str], hearer: Callable[[list[str], Exception], None]
) -> None:
    """Hand over the fields of a message that the library cannot decode: it only writes a line into its log.

    Messages are given by number, each with the wrapper's method.
    """
    handlers, heard = ib.client.decoder.handlers, list[bool]()

    def watched(decode: Callable[[list[str]], None]) -> Callable[[list[str]], None]:
        def handler(fields: list[str]) -> None:
            heard.clear()
            try:
                decode(fields)
            except Exception as error:
                if not heard:  # else it was decoded, and who was told of it failed
                    hearer(fields, error)
                raise

        return handler

    for number, message in messages.items():
        Tap(ib.wrapper).hear(message, lambda *_: heard.append(True))
        handlers[number] = watched(handlers[number])


_Column = tuple[str, Any, Callable[[Any], Any]]
"""Name of a field, its default, and what makes a value of the wire's text."""

Hearer = Callable[..., bool | None]


def give_types(decoded: Any) -> None:
    """Turn the texts of numbers and flags into numbers and flags; an empty one becomes the default."""
    values = vars(decoded)
    kind: type = type(decoded)
    for name, default, made_of in _columns(kind):
        value = values[name]
        if value is not default:
            values[name] = made_of(value) if value else default


class Tap:
    """Calls hearers before the library's own handler; a hearer that returns True keeps the message."""

    def __init__(self, wrapper: Any) -> None:
        self._wrapper = wrapper
        self._hearers: dict[str, list[Hearer]] = {}

    def hear(self, message: str, hearer: Hearer) -> None:
        """Tell `hearer` of every message of a wrapper method, such as `orderStatus`, with the decoder's arguments."""
        if message not in self._hearers:
            self._hearers[message] = []
            self._install(message)
        self._hearers[message].append(hearer)

    def _install(self, message: str) -> None:
        original = getattr(self._wrapper, message)
        hearers = self._hearers[message]

        def handler(*args: Any, **kwargs: Any) -> Any:
            kept = False
            for hearer in hearers:
                kept = bool(hearer(*args, **kwargs)) or kept
            return None if kept else original(*args, **kwargs)

        setattr(self._wrapper, message, handler)

    def remove(self) -> None:
        """Give the library its own methods back."""
        for message in self._hearers:
            vars(self._wrapper).pop(message, None)
        self._hearers.clear()


@cache  # the library looks them up for each object anew, and an order has some 130
def _columns(kind: type) -> tuple[_Column, ...]:
    made: dict[type, Callable[[Any], Any]] = {int: int, float: float, bool: _flag}
    return tuple(
        (field.name, field.default, made[type(field.default)])
        for field in fields(kind)
        if type(field.default) in made
    )


def _flag(text: Any) -> bool:
    return bool(int(text))
