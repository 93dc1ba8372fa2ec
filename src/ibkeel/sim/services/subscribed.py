"""Subscriptions beside the quotes: single ticks, bars of five seconds, market depth, and a small scanner.

Depth shows the best prices as the feed shows them, and levels behind them that are made up. The scanner
ranks the stocks of the market by what the feed shows of the day.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import attrs

from ibkeel.sim.client import Client, Stream
from ibkeel.sim.disorder import Service
from ibkeel.sim.faults import CompetingSession, NotEntitled
from ibkeel.sim.services.contracts import NOT_FOUND, cancels, contract_values, permission, resolve
from ibkeel.sim.services.durations import OF_HISTORY
from ibkeel.sim.services.feed import Change, Trade, bar_of, follow, price_of, short_bars
from ibkeel.sim.services.past import latest, send_ticks, tick_of
from ibkeel.sim.services.quotes import COMPETING, IN_PART
from ibkeel.sim.values import MarketQuote, SimBar, SimContract
from ibkeel.sim.world import Handler, Rejection, World, error_321

_TICKS: Final = "tick_by_tick"
_NUMBERS: Final = {"LAST": 1, "ALLLAST": 2, "BIDASK": 3, "MIDPOINT": 4}
_WHATS: Final = {"LAST": "TRADES", "ALLLAST": "TRADES", "BIDASK": "BID_ASK", "MIDPOINT": "MIDPOINT"}
_FAILED: Final = "Failed to request tick-by-tick data."
_TOO_MANY: Final = "Max number of tick-by-tick requests has been reached."
_UNSERVED: Final = ("OPT", "BAG")  # documented: options have them in history only, combos never
_BARS: Final = "real_time_bars"
_SECONDS: Final = 5  # whatever size is asked for; the parameter is ignored, as documented
_BARS_OF: Final = ("TRADES", "MIDPOINT", "BID", "ASK")
_QUERY: Final = "Invalid Real-time Query:"
_DEPTH: Final = "market_depth"
_MOST_ROWS: Final = 20
_INSERT, _UPDATE, _DELETE = 0, 1, 2
_ASK, _BID = 0, 1
_NO_DEPTH: Final = "Deep market data is not supported for this combination of security type/exchange"
_SCANNER: Final = "scanner"
_MOST_RANKS: Final = 50
_REPEAT_SECONDS: Final = 30.0  # unverified
_INSTRUMENT: Final = "STK"


class _Level(NamedTuple):
    price: float
    size: float


_Book = dict[int, list[_Level]]


def _is_served(world: World, client: Client) -> bool:
    """Whether a client gets live data; raises where another session has it."""
    if world.disorder.first(CompetingSession) is not None:
        raise Rejection(10197, COMPETING)
    lacking = world.disorder.first(NotEntitled, client.client_id)
    return world.is_entitled(client) and (lacking is None or lacking.code == IN_PART)


def _tick_by_tick(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id, kind = values["request_id"], values["kind"].upper()
    if kind not in _NUMBERS:
        # The code is documented for bad parameters; the text is unverified.
        raise error_321("bU", f"Invalid tick-by-tick type {values['kind']!r}")
    contract = resolve(world, values)
    if contract.sec_type in _UNSERVED or not _is_served(world, client):
        raise Rejection(10189, _FAILED + permission(contract))
    _check_limits(world, contract)
    stream = world.open_stream(client, Stream(kind=_TICKS, request_id=request_id, contract=contract))

    def first(now: datetime) -> None:
        if values["count"]:
            ticks = latest(world, contract, _WHATS[kind], end=now, count=values["count"])
            send_ticks(client, request_id, _WHATS[kind], ticks, contract)
        quote = world.market.quote(contract, now)

        def show(change: Change) -> None:
            tick = tick_of(_WHATS[kind], change, ignore_size=values["ignore_size"])
            if tick is not None:
                tick["mid"] = tick.get("price")
                exchange = contract.primary_exchange or contract.exchange
                more = {"request_id": request_id, "kind": _NUMBERS[kind], "exchange": exchange}
                client.reply("tick_by_tick", **more, **tick)

        follow(world, client, stream, quote, show)

    latency = world.settings.latency.first_tick
    stream.ticket = world.answer(client, request_id, latency, first, needs=Service.MARKET_DATA)


def _check_limits(world: World, contract: SimContract) -> None:
    limits, settings = world.settings.limits, world.settings
    key = "tick by tick", contract.con_id
    if world.pacing.repeated(world.now().timestamp(), key, limits.tick_by_tick_repeat):
        raise Rejection(10190, _TOO_MANY, rule="tick_by_tick_repeat")
    if limits.tick_by_tick is None or settings.market_data_lines is None:
        return
    if world.running(_TICKS) >= max(1, int(settings.market_data_lines * limits.tick_by_tick)):
        raise Rejection(10190, _TOO_MANY, rule="tick_by_tick")


def _real_time_bars(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id, what = values["request_id"], values["what"].upper()
    if what not in _BARS_OF:
        # The code is documented for bad parameters; the text is unverified.
        raise error_321("bZ", f"{what!r} is not one of {_BARS_OF}")
    contract = resolve(world, values)
    if not _is_served(world, client):
        raise Rejection(420, _QUERY + permission(contract))
    if world.pacing.over_budget(world.now().timestamp()):
        raise Rejection(420, f"{_QUERY}Historical data request pacing violation", rule="histories")
    stream = Stream(kind=_BARS, request_id=request_id, contract=contract, holds_line=True)
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
            time = int(bar.at.timestamp())
            client.reply("real_time_bar", request_id=stream.request_id, time=time, **attrs.asdict(bar))
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


def _market_depth(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id = values["request_id"]
    contract = resolve(world, values)
    if contract.sec_type in {"IND", "BAG"}:
        raise Rejection(10092, _NO_DEPTH)
    if not _is_served(world, client):
        raise Rejection(354, "Requested market data is not subscribed.")
    limit = world.settings.limits.depth
    if limit is not None and world.running(_DEPTH) >= limit:
        text = f"Max number ({limit}) of market depth requests has been reached"
        raise Rejection(309, text, rule="depth")
    stream = world.open_stream(client, Stream(kind=_DEPTH, request_id=request_id, contract=contract))
    rows = min(max(values["rows"] or 1, 1), _MOST_ROWS)
    is_smart = values["is_smart"]
    shown: _Book = {_BID: [], _ASK: []}

    def show(change: Change) -> None:
        for side, levels in _levels(contract, change[1], rows).items():
            _send_book(client, request_id, side, shown[side], levels, is_smart=is_smart)
            shown[side] = levels

    def first(now: datetime) -> None:
        quote = world.market.quote(contract, now)
        if world.session_at(now) is not None:
            show((quote, quote))
        follow(world, client, stream, quote, show)

    latency = world.settings.latency.first_tick
    stream.ticket = world.answer(client, request_id, latency, first, needs=Service.MARKET_DATA)


def _levels(contract: SimContract, quote: MarketQuote, rows: int) -> _Book:
    """Each level behind the best is one tick worse, and as large again as the best one."""
    tick = contract.min_tick
    sides = {_BID: (quote.bid, quote.bid_size, -tick), _ASK: (quote.ask, quote.ask_size, tick)}
    return {
        side: []
        if price is None
        else [
            _Level(round(price + n * step, 4), (n + 1) * (size or 0))
            for n in range(rows)
            if price + n * step > 0
        ]
        for side, (price, size, step) in sides.items()
    }


def _send_book(
    client: Client, request_id: int, side: int, before: list[_Level], after: list[_Level], *, is_smart: bool
) -> None:
    """Send what turns one list of levels into another, the deletions from the end."""
    had, has = len(before), len(after)
    moves = [(position, _DELETE, _Level(0.0, 0)) for position in range(had - 1, has - 1, -1)]
    for position, level in enumerate(after):
        if position >= had or level != before[position]:
            moves.append((position, _INSERT if position >= had else _UPDATE, level))
    for position, operation, level in moves:
        client.reply(
            "market_depth_l2" if is_smart else "market_depth",
            request_id=request_id,
            position=position,
            market_maker="SMART",
            operation=operation,
            side=side,
            price=level.price,
            size=level.size,
            is_smart=is_smart,
        )


def _rise(quote: MarketQuote) -> float | None:
    if quote.last is None or not quote.close:
        return None
    return quote.last / quote.close - 1.0


def _fall(quote: MarketQuote) -> float | None:
    change = _rise(quote)
    return None if change is None else -change


def _turnover(quote: MarketQuote) -> float | None:
    return None if quote.volume is None or quote.last is None else quote.volume * quote.last


_SCANS: Final[Mapping[str, Callable[[MarketQuote], float | None]]] = {
    "MOST_ACTIVE": lambda quote: quote.volume,
    "MOST_ACTIVE_USD": _turnover,
    "TOP_PERC_GAIN": _rise,
    "TOP_PERC_LOSE": _fall,
}
_PARAMETERS: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<ScanParameterResponse><InstrumentList varName="instrumentList">'
    "<Instrument><name>US Stocks</name><type>STK</type></Instrument></InstrumentList>"
    '<LocationTree varName="locationTree"><Location><displayName>US Stocks</displayName>'
    "<locationCode>STK.US.MAJOR</locationCode><instruments>STK</instruments></Location></LocationTree>"
    '<ScanTypeList varName="scanTypeList">{scans}</ScanTypeList></ScanParameterResponse>'
)
_SCAN: Final = "<ScanType><scanCode>{code}</scanCode><instruments>STK</instruments></ScanType>"


def _parameters(world: World, client: Client, _values: dict[str, Any]) -> None:
    def answer(_now: datetime) -> None:
        scans = "".join(_SCAN.format(code=code) for code in _SCANS)
        client.reply("scanner_parameters", xml=_PARAMETERS.format(scans=scans))

    world.answer(client, -1, world.settings.latency.history, answer)


def _scan(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id = values["request_id"]
    if (_SCANNER, request_id) in client.streams:
        raise Rejection(385, "Duplicate ticker ID for API scanner subscription.")
    limit = world.settings.limits.scanners
    if limit is not None and world.running(_SCANNER) >= limit:
        text = f"Only {limit} simultaneous API scanner subscriptions requests allowed"
        raise Rejection(162, f"{OF_HISTORY}{text}", rule="scanners")
    if values["scan_code"] not in _SCANS or values["instrument"] != _INSTRUMENT:
        # Served here: the scans of `_SCANS`. Code and text for others are unverified.
        text = f"No scanner of type {values['scan_code']} for {values['instrument']}"
        raise Rejection(162, f"{OF_HISTORY}{text}")
    stream = world.open_stream(client, Stream(kind=_SCANNER, request_id=request_id))

    def scan(now: datetime) -> None:
        client.reply("scanner_data", request_id=request_id, rows=_ranked(world, values, now))
        stream.ticket = world.answer(client, request_id, _REPEAT_SECONDS, scan)

    latency = world.settings.latency.history
    stream.ticket = world.answer(client, request_id, latency, scan, needs=Service.HISTORY)


def _ranked(world: World, values: dict[str, Any], now: datetime) -> list[dict[str, Any]]:
    rank = _SCANS[values["scan_code"]]
    found: list[tuple[float, SimContract]] = []
    for contract in world.market.underlyings():
        quote = world.market.quote(contract, now)
        value = rank(quote)
        if contract.sec_type == _INSTRUMENT and value is not None and _passes(quote, values):
            found.append((value, contract))
    found.sort(key=lambda each: (-each[0], each[1].symbol))
    wanted = values["rows"]
    rows = _MOST_RANKS if wanted is None or wanted < 1 else min(wanted, _MOST_RANKS)
    return [
        {"rank": number, "market_name": contract.trading_class, **contract_values(contract)}
        for number, (_, contract) in enumerate(found[:rows])
    ]


def _passes(quote: MarketQuote, values: dict[str, Any]) -> bool:
    """Whether a stock is within the bounds that are served: price and volume."""
    least, most, volume = (values[name] for name in ("above_price", "below_price", "above_volume"))
    price = quote.last or 0.0
    return (
        (least is None or price >= least)
        and (most is None or price <= most)
        and (volume is None or (quote.volume or 0) >= volume)
    )


HANDLERS: Final[Mapping[str, Handler]] = {
    "tick_by_tick": _tick_by_tick,
    "cancel_tick_by_tick": cancels(_TICKS, NOT_FOUND),
    "real_time_bars": _real_time_bars,
    "cancel_real_time_bars": cancels(_BARS, NOT_FOUND),
    "market_depth": _market_depth,
    "cancel_market_depth": cancels(_DEPTH, (310, "Can't find the subscribed market depth with tickerId:")),
    "scanner_parameters": _parameters,
    "scanner": _scan,
    "cancel_scanner": cancels(_SCANNER, (365, "No scanner subscription found for ticker id:")),
}
