"""A Gateway that says anything at all: each call of the broker ends in a value or a typed error.

What must hold for every input: no call hangs beyond its deadline, no exception but our own, no task whose
exception nobody reads; and the broker can be closed.
"""

import asyncio
import logging
from datetime import timedelta

from fuzz.gateway import BETWEEN, MARKET, OPENING
from ibkeel.errors import IbkeelError
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import BarSpec, Stock
from ibkeel.resilience import Deadlines
from ibkeel.sim import SimulatedGateway
from ibkeel.sim.codec import REPLIES
from ibkeel.sim.wire import frame
from ibkeel.virtual import run_virtual, virtual_clock

__all__ = ["hears", "seeds"]

SPY = Stock("SPY")
DEADLINES = Deadlines(quote=5.0, history=5.0, definitions=5.0, account=5.0, orders=5.0, probe=5.0)
LONGEST = 300.0  # virtual seconds for everything
VERSION = 176


def seeds():
    """One input for each message of the Gateway, with values that fit, framed."""
    values = {"request_id": 4, "order_id": 5, "code": 1100, "type": 1, "price": 1.5, "size": 3, "kind": 1}
    for message in REPLIES.values():
        yield b"\x80" + ("\0".join(message.build(values, VERSION)) + "\0").encode()


def hears(data):
    """Let a connected broker hear one input; raises where it does not stand it."""
    if not data:
        return
    framed = data[0] >= 64
    pieces = [frame(piece) for piece in data[1:].split(BETWEEN)] if framed else [data[1:]]
    logging.disable(logging.CRITICAL)
    try:
        run_virtual(_session(pieces), start=OPENING + timedelta(minutes=10))
    finally:
        logging.disable(logging.NOTSET)


async def _session(pieces):
    unread = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unread.append(context))
    clock = virtual_clock()
    gateway = SimulatedGateway(market=MARKET, clock=clock)
    config = IBKRConfig(port=4002, deadlines=DEADLINES)
    async with (
        asyncio.timeout(LONGEST),
        gateway.listening("127.0.0.1", 4002),
        IBKRBroker(config, clock=clock, jitter=lambda: 0.0) as broker,
    ):
        calls = [broker.quote(SPY), broker.bars(SPY, BarSpec()), broker.positions(), broker.account()]
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.sleep(0.3)
        for piece in pieces:
            for client in gateway.reception.connections:
                client.raw(piece)
            gateway.reception.flush()
            await asyncio.sleep(0.05)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    odd = [each for each in outcomes if isinstance(each, BaseException) and not isinstance(each, IbkeelError)]
    assert not odd, odd
    lost = [context for context in unread if "never retrieved" in context["message"]]
    assert not lost, lost
