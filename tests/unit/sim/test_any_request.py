"""Whatever a client asks for, and in whatever order: an answer, an error or silence, never a failure."""

import asyncio
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ibkeel.sim import GatewaySettings, Limits, SimulatedGateway
from ibkeel.sim.codec import REQUESTS, Kind
from ibkeel.sim.codec.layout import Field, Given, Repeat
from ibkeel.sim.wire import GREETING, encode, frame
from ibkeel.virtual import run_virtual, virtual_clock

SHARED = [HealthCheck.function_scoped_fixture]  # a market never changes
KNOWN = {"symbol": "SPY", "sec_type": "STK", "exchange": "SMART", "currency": "USD"}
CALL = {**KNOWN, "sec_type": "OPT", "expiry": "20260109", "strike": 500.0, "right": "C"}
INDEX = {**KNOWN, "symbol": "VIX", "sec_type": "IND"}
WORDS = (
    "", "x", "SPY", "TRADES", "BID_ASK", "MIDPOINT", "SCHEDULE", "Last", "BidAsk", "1 D", "60 S", "1 min", "5 secs",
    "3 days", "1 day", "20260102-20:00:00", "20260102 15:00:00 US/Eastern", "20260102 25:00:00", "MOST_ACTIVE", "STK",
    "BUY", "SELL", "MKT", "LMT", "DU1234567", "NetLiquidation,BuyingPower", "100,101,104,106,165,221,233,236", "8229=PRICE",
)  # fmt: skip
VALUES = {
    Kind.TEXT: st.sampled_from(WORDS),
    Kind.ESCAPED: st.sampled_from(WORDS),
    Kind.INTEGER: st.none() | st.sampled_from([0, 1, 2, 3, 5, 26, 756733, -1, 2**31]),
    Kind.NUMBER: st.none() | st.sampled_from([0.0, 0.25, 1.0, 500.0, -3.0, 1e300, 1e308, 1e-320, math.inf]),
    Kind.SIZE: st.none() | st.sampled_from([0.0, 1.0, 2.5, -1.0]),
    Kind.FLAG: st.booleans(),
}


@st.composite
def values_of(draw, layout):
    values = {}
    for item in layout:
        if isinstance(item, Field):
            values[item.name] = draw(VALUES[item.kind])
        elif isinstance(item, Repeat):
            values[item.name] = draw(st.lists(values_of(item.items), max_size=2))
        elif isinstance(item, Given):
            values.update(draw(values_of(item.items)))
    return values


@st.composite
def requests(draw, message):
    """A request, most often about a contract that exists."""
    values = draw(values_of(message.layout))
    about = draw(st.sampled_from([KNOWN, CALL, INDEX, {}]))
    return {**values, **{name: value for name, value in about.items() if name in values}}


async def played(market, sink, version, messages):
    """A gateway after it has served raw messages, and the client that sent them has gone."""
    gateway = SimulatedGateway(
        market=market,
        clock=virtual_clock(),
        settings=GatewaySettings(limits=Limits.none(), messages_per_second=1000),
    )
    async with gateway.listening("127.0.0.1", 4002):
        client = gateway.reception.attach(sink)
        gateway.reception.receive(client, GREETING + frame(f"v100..{version}".encode()))
        gateway.reception.receive(client, encode(("71", "2", "9", "")))
        for fields, wait in messages:
            gateway.reception.receive(client, encode(fields))
            await asyncio.sleep(wait)
        gateway.drop(9)
    return gateway.counters


@pytest.mark.parametrize(
    "message", [m for m in REQUESTS.values() if m.name != "start_api"], ids=lambda m: m.name
)
@settings(max_examples=25, suppress_health_check=SHARED)
@given(data=st.data(), version=st.sampled_from([157, 176, 178, 200]))
def test_no_request_makes_the_gateway_fail(message, data, version, small_market, wire):
    asked = data.draw(requests(message))
    fields = message.build(asked, version)
    without_id = any(asked.get(name, 0) is None for name in ("request_id", "order_id"))

    counters = run_virtual(played(small_market, type(wire)(), version, [(fields, 12.0)]))

    assert (counters.failures, counters.malformed) == (0, without_id)
    assert (counters.open_lines, counters.open_histories) == (0, 0)


def request_for(name, **values):
    """A request that is whole but for what is said of it."""
    usual = {
        "request_id": 4,
        "order_id": 4,
        "what": "TRADES",
        "bar_size": "1 min",
        "duration": "1 D",
        "count": 5,
    }
    message = next(message for message in REQUESTS.values() if message.name == name)
    return message.build({**KNOWN, **usual, **values}, 176)


ORDER = {
    "duration": None,
    "action": "BUY",
    "quantity": 1.0,
    "order_type": "LMT",
    "tif": "DAY",
    "account": "DU1234567",
}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (request_for("historical_data", duration="9" * 5000 + " S"), 321),
        (request_for("historical_data", end="00010101 00:00:00 Asia/Tokyo"), 10314),
        (request_for("historical_data", end="00010102-00:00:00", duration="1 Y", bar_size="1 day"), 10314),
        (request_for("historical_data", end="99991231 23:59:59 US/Pacific"), 10314),
        (request_for("historical_data", end="20260102 00:00:00 America"), 10314),
        (request_for("historical_ticks", start="00010101 00:00:00 Asia/Tokyo"), 10314),
        (request_for("historical_ticks", end="99991231-00:00:00"), 10314),
        (request_for("histogram", period="9" * 5000 + " days"), 321),
        (request_for("place_order", **ORDER, limit_price=1e308), 321),
        (request_for("option_price", **CALL, volatility=0.2, underlying_price=-500.0), 321),
        (request_for("option_price", **CALL, volatility=math.inf, underlying_price=500.0), 321),
        (request_for("option_price", **CALL, volatility=0.2, underlying_price=1e-320), 321),
        (request_for("implied_volatility", **CALL, option_price=math.inf, underlying_price=500.0), 321),
        (request_for("implied_volatility", **CALL, option_price=5.0, underlying_price=math.inf), 321),
    ],
)
def test_an_absurd_value_is_refused_as_any_bad_value_is(fields, code, small_market, wire):
    counters = run_virtual(played(small_market, wire, 176, [(fields, 12.0)]))

    assert counters.errors_sent[code] == 1
    assert counters.failures == 0
    assert b"nan" not in b"".join(wire.written)


@pytest.mark.parametrize("volatility", [1e-320, 1e308, -0.2])
def test_a_volatility_that_nothing_has_gives_no_price(volatility, small_market, wire):
    fields = request_for("option_price", **CALL, volatility=volatility, underlying_price=500.0)

    counters = run_virtual(played(small_market, wire, 176, [(fields, 12.0)]))

    assert (counters.failures, counters.errors_sent[321]) == (0, 0)
    assert b"nan" not in b"".join(wire.written)


STREAMS = {
    name: next(message for message in REQUESTS.values() if message.name == name)
    for name in (
        "market_data", "real_time_bars", "tick_by_tick", "market_depth", "historical_data", "head_timestamp",
        "scanner", "account_summary", "pnl", "pnl_single", "positions_multi", "account_updates_multi", "histogram",
    )
}  # fmt: skip
CANCELS = {message.name: message for message in REQUESTS.values() if message.name.startswith("cancel_")}
ASKED = {
    **KNOWN, "what": "TRADES", "kind": "Last", "bar_size": "1 min", "duration": "1800 S", "keep_up_to_date": True,
    "date_format": 1, "rows": 5, "instrument": "STK", "scan_code": "MOST_ACTIVE", "tags": "NetLiquidation",
    "con_id": 756733, "period": "1 day", "use_rth": True,
}  # fmt: skip
steps = st.lists(
    st.tuples(
        st.sampled_from(sorted(STREAMS)),
        st.booleans(),
        st.integers(1, 3),
        st.sampled_from([0.0, 0.1, 0.3, 6.0]),
    ),
    max_size=30,
)


@settings(max_examples=40, suppress_health_check=SHARED)
@given(steps)
def test_whatever_is_opened_and_cancelled_nothing_is_left_behind(small_market, wire, steps):
    messages = []
    for name, opens, number, wait in steps:
        message = STREAMS[name] if opens else CANCELS[f"cancel_{name}"]
        messages.append((message.build({**ASKED, "request_id": number}, 176), wait))

    counters = run_virtual(played(small_market, type(wire)(), 176, messages))

    assert counters.failures == 0
    assert (counters.open_lines, counters.open_histories) == (0, 0)
