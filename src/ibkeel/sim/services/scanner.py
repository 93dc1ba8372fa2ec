"""A small scanner: ranks the stocks of the market by what the feed shows of the day."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from ibkeel.sim.client import Client, Stream
from ibkeel.sim.disorder import Service
from ibkeel.sim.services.contracts import cancels, contract_values
from ibkeel.sim.values import MarketQuote, SimContract
from ibkeel.sim.world import Handler, Rejection, World

_KIND: Final = "scanner"
_MOST_ROWS: Final = 50
_REPEAT_SECONDS: Final = 30.0  # unverified
_INSTRUMENT: Final = "STK"


def _change(quote: MarketQuote) -> float | None:
    if quote.last is None or not quote.close:
        return None
    return quote.last / quote.close - 1.0


def _fall(quote: MarketQuote) -> float | None:
    change = _change(quote)
    return None if change is None else -change


def _volume(quote: MarketQuote) -> float | None:
    return quote.volume


def _turnover(quote: MarketQuote) -> float | None:
    return None if quote.volume is None or quote.last is None else quote.volume * quote.last


_SCANS: Final[Mapping[str, Callable[[MarketQuote], float | None]]] = {
    "MOST_ACTIVE": _volume,
    "MOST_ACTIVE_USD": _turnover,
    "TOP_PERC_GAIN": _change,
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


def _scanner(world: World, client: Client, values: dict[str, Any]) -> None:
    request_id = values["request_id"]
    if (_KIND, request_id) in client.streams:
        raise Rejection(385, "Duplicate ticker ID for API scanner subscription.")
    limit = world.settings.limits.scanners
    if limit is not None and world.running(_KIND) >= limit:
        world.counters.violated("scanners", client.client_id)
        text = f"Only {limit} simultaneous API scanner subscriptions requests allowed"
        raise Rejection(162, f"Historical Market Data Service error message:{text}")
    if values["scan_code"] not in _SCANS or values["instrument"] != _INSTRUMENT:
        # Served here: the scans of `_SCANS`. Code and text for others are unverified.
        text = f"No scanner of type {values['scan_code']} for {values['instrument']}"
        raise Rejection(162, f"Historical Market Data Service error message:{text}")
    stream = Stream(kind=_KIND, request_id=request_id)
    world.open_stream(client, stream)

    def scan(now: datetime) -> None:
        client.reply("scanner_data", request_id=request_id, rows=_rows(world, values, now))
        stream.ticket = world.answer(client, request_id, _REPEAT_SECONDS, scan)

    latency = world.settings.latency.history
    stream.ticket = world.answer(client, request_id, latency, scan, needs=Service.HISTORY)


def _rows(world: World, values: dict[str, Any], now: datetime) -> list[dict[str, Any]]:
    rank = _SCANS[values["scan_code"]]
    found: list[tuple[float, SimContract]] = []
    for contract in world.market.underlyings():
        quote = world.market.quote(contract, now)
        value = rank(quote)
        if contract.sec_type == _INSTRUMENT and value is not None and _passes(quote, values):
            found.append((value, contract))
    found.sort(key=lambda each: (-each[0], each[1].symbol))
    wanted = values["rows"]
    rows = _MOST_ROWS if wanted is None or wanted < 1 else min(wanted, _MOST_ROWS)
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
    "scanner_parameters": _parameters,
    "scanner": _scanner,
    "cancel_scanner": cancels(_KIND, (365, "No scanner subscription found for ticker id:")),
}
