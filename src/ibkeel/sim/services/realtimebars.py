"""Bars of five seconds, as they end."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from ibkeel.sim.client import Client, Stream
from ibkeel.sim.disorder import Service
from ibkeel.sim.services.contracts import resolve
from ibkeel.sim.services.feed import Trade, bar_of, price_of, short_bars
from ibkeel.sim.services.streams import NOT_FOUND, cancels, permission
from ibkeel.sim.values import SimBar, SimContract
from ibkeel.sim.world import Handler, Rejection, World

_KIND: Final = "real_time_bars"
_SECONDS: Final = 5  # whatever size is asked for; the parameter is ignored, as documented
_WHATS: Final = ("TRADES", "MIDPOINT", "BID", "ASK")
_QUERY: Final = "Invalid Real-time Query:"


def _real_time_bars(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id, what = values["request_id"], values["what"].upper()
    if what not in _WHATS:
        # The code is documented for bad parameters; the text is unverified.
        raise Rejection(321, f"Error validating request.-'bZ' : cause - {what!r} is not one of {_WHATS}")
    contract = resolve(world, values)
    if not world.is_entitled:
        raise Rejection(420, _QUERY + permission(contract))
    stream = Stream(kind=_KIND, request_id=request_id, contract=contract, holds_line=True)
    if world.pacing.over_budget(world.now().timestamp()):
        world.counters.violated("histories", client.client_id)
        raise Rejection(420, f"{_QUERY}Historical data request pacing violation")
    world.open_stream(client, stream)
    _plan(world, client, stream, contract, what)


def _plan(world: World, client: Client, stream: Stream, contract: SimContract, what: str) -> None:
    """Send the bar that runs now when it has ended."""
    now = world.now()
    into = now.timestamp() % _SECONDS

    def ended(then: datetime) -> None:
        until = then.replace(microsecond=0)
        is_heard = not world.disorder.silences(Service.MARKET_DATA, client.client_id)
        bar = _bar(world, contract, until - timedelta(seconds=until.timestamp() % _SECONDS), what)
        if bar is not None and is_heard:
            _send(client, stream.request_id, bar)
        _plan(world, client, stream, contract, what)

    stream.ticket = world.answer(client, stream.request_id, _SECONDS - into, ended)


def _bar(world: World, contract: SimContract, end: datetime, what: str) -> SimBar | None:
    """The bar that ended at an instant; without a trade it stands still; None outside the session."""
    start = end - timedelta(seconds=_SECONDS)
    if world.session_at(start) is None:
        return None
    bars = short_bars(world.market, contract, start=start, end=end, seconds=_SECONDS, what=what)
    if bars:
        return bars[0]
    quote = world.market.quote(contract, start)
    price = quote.last if what == "TRADES" else price_of(quote, what)
    return None if price is None else bar_of(start, [Trade(price, 0.0)], traded=what == "TRADES")


def _send(client: Client, request_id: int, bar: SimBar) -> None:
    client.reply(
        "real_time_bar",
        request_id=request_id,
        time=int(bar.at.timestamp()),
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=bar.volume,
        wap=bar.wap,
        count=bar.count,
    )


HANDLERS: Final[Mapping[str, Handler]] = {
    "real_time_bars": _real_time_bars,
    "cancel_real_time_bars": cancels(_KIND, NOT_FOUND),
}
