"""Answers that are of what was asked for, of now, and say what they are; also where the Gateway errs."""

import asyncio
from contextlib import aclosing

import attrs
import pytest

from ibkeel.errors import (
    AmbiguousContract,
    GatewayRejected,
    NoData,
    QuoteUnavailable,
    RequestTimeout,
    UnknownContract,
)
from ibkeel.ibkr import IBKRBroker, IBKRConfig
from ibkeel.model import BarSpec, Grade, OrderTicket, Stock
from ibkeel.sim import GatewaySettings, Latency, SimulatedGateway
from ibkeel.virtual import virtual_clock

SPY = Stock("SPY")
OTHER_SPY = Stock("SPY", con_id=999)  # equal to the other one, for its number plays no part in equality
BID, VOLUME = 1, 8
LOST, RESTORED = (
    (1100, "Connectivity between IB and TWS has been lost."),
    (1102, "restored - data maintained."),
)
BROKEN = 2103, "Market data farm connection is broken:usfarm"
WELL = 2104, "Market data farm connection is OK:usfarm"


def say_error(board, request_id, code, text):
    board.say("error", request_id=request_id, code=code, text=text, advanced_reject="", at_millis=0)


# What cannot be read.


async def test_a_balance_that_is_no_figure_is_a_typed_error(stage):
    async with stage(kept_back={"account_summary", "account_summary_end"}) as on:
        task = asyncio.create_task(on.broker.account())
        await asyncio.sleep(1)
        [asked] = on.board.asked("account_summary")
        row = {"account": "DU1234567", "tag": "NetLiquidation", "value": "N/A", "currency": "USD"}

        on.board.say("account_summary", request_id=asked["request_id"], **row)
        on.board.say("account_summary_end", request_id=asked["request_id"])

        with pytest.raises(GatewayRejected, match="the balances: the Gateway sent what cannot be read"):
            await task


@pytest.mark.parametrize(
    ("field", "value"),
    [("liquidHours", "20260105:0700-1830,1830-2330"), ("minTick", 0.0), ("timeZoneId", "JST")],
)
async def test_a_definition_that_cannot_be_read_is_a_typed_error(stage, field, value):
    async with stage() as on:
        hear = on.broker.ib.wrapper.contractDetails

        def spoiled(request_id, details):
            setattr(details, field, value)
            hear(request_id, details)

        on.broker.ib.wrapper.contractDetails = spoiled

        with pytest.raises(GatewayRejected):
            await on.broker.qualify(SPY)
