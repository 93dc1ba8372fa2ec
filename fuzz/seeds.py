"""Inputs to begin with: each request that a client can make, as the tables of the simulator write it."""

from fuzz.gateway import BETWEEN, VERSIONS
from ibkeel.sim.codec import REQUESTS

__all__ = ["seeds"]

USUAL = {
    "request_id": 4,
    "order_id": 5,
    "symbol": "SPY",
    "sec_type": "STK",
    "exchange": "SMART",
    "currency": "USD",
    "action": "BUY",
    "quantity": 10,
    "order_type": "LMT",
    "limit_price": 1.0,
    "transmit": True,
    "bar_size": "5 mins",
    "duration": "1 D",
    "bar_seconds": 5,
    "date_format": 1,
    "count": 10,
    "kind": "Last",
    "subscribe": True,
    "group": "All",
    "tags": "NetLiquidation",
    "generic_ticks": "233",
    "rows": 5,
    "period": "1 day",
    "pattern": "SP",
    "type": 1,
}
WHAT = {"what": "TRADES"}
ODD = {"exercise_options": {"action": 1}, "place_order": {"duration": None}}  # where the usual does not fit


def seeds():
    """One input for each request and version, and one with all of them in a row."""
    for mark, version in enumerate(VERSIONS):
        head = bytes([64 + (mark - 64) % len(VERSIONS)])
        rows = [_payload(message, version) for message in REQUESTS.values() if message.name != "start_api"]
        yield from (head + row for row in rows)
        yield head + BETWEEN.join(rows)


def _payload(message, version):
    values = {**USUAL, **WHAT, **ODD.get(message.name, {})}
    return ("\0".join(message.build(values, version)) + "\0").encode()
