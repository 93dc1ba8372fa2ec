"""A Gateway that talks nonsense: each call of the broker ends in a value or a typed error."""

import asyncio
import logging
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkeel.errors import IbkeelError
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import BarSpec, Stock
from ibkeel.resilience import Deadlines
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.codec import REPLIES
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.wire import frame
from ibkeel.virtual import run_virtual, virtual_clock

MARKET = SeededMarket(7)
START = MARKET.sessions(MARKET.session_date, MARKET.session_date)[0].opens_at + timedelta(minutes=10)
SPY = Stock("SPY")
DEADLINES = Deadlines(quote=5.0, history=5.0, definitions=5.0, account=5.0, orders=5.0, probe=5.0)
LONGEST = 300.0  # virtual seconds
VALUES = {"request_id": 4, "order_id": 5, "code": 1100, "type": 1, "price": 1.5, "size": 3, "kind": 1}

words = st.sampled_from(
    ["", "-1", "4", "5", "6", "7", "99999999999999999999", "nan", "x", "1e400", "1101", "326"]
)


@st.composite
def nearly_replies(draw):
    """A message as the Gateway would send it, but for some of its fields."""
    texts = list(REPLIES[draw(st.sampled_from(sorted(REPLIES)))].build(VALUES, 176))
    for _ in range(draw(st.integers(0, 3))):
        texts[draw(st.integers(0, len(texts) - 1))] = draw(words)
    return frame(("\0".join(texts[: draw(st.integers(1, len(texts)))]) + "\0").encode())


said = st.lists(
    st.one_of(nearly_replies(), st.binary(max_size=30).map(frame), st.binary(max_size=30)), max_size=4
)


@pytest.fixture(autouse=True)
def _quiet():
    """The client library logs every message that it cannot read."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def session(pieces):
    unread = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unread.append(context["message"]))
    clock = virtual_clock()
    gateway = SimulatedGateway(market=MARKET, clock=clock)
    config = IBKRConfig(port=4002, deadlines=DEADLINES)
    async with (
        asyncio.timeout(LONGEST),
        gateway.listening("127.0.0.1", 4002),
        IBKRBroker(config, clock=clock, jitter=lambda: 0.0) as broker,
    ):
        calls = (broker.quote(SPY), broker.bars(SPY, BarSpec()), broker.positions(), broker.account())
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.sleep(0.1)
        for piece in pieces:
            for client in gateway.reception.connections:
                client.raw(piece)
            gateway.reception.flush()
            await asyncio.sleep(0.1)
        return await asyncio.gather(*tasks, return_exceptions=True), unread


@settings(max_examples=60)
@given(said)
def test_no_call_hangs_and_no_error_is_without_a_type(pieces):
    outcomes, unread = run_virtual(session(pieces), start=START)

    errors = [each for each in outcomes if isinstance(each, BaseException)]
    assert [each for each in errors if not isinstance(each, IbkeelError)] == []
    assert [message for message in unread if "never retrieved" in message] == []
