"""What the gates are told by the adapter, on a simulated Gateway."""

import asyncio

import attrs
import pytest

from ibkeel.model import OrderTicket
from ibkeel.orders import GateKind
from ibkeel.resilience import Rule
from ibkeel.runner.doorkeeper import Doorkeeper, Lookout
from ibkeel.sim import GatewaySettings, faults
from ibkeel.virtual import virtual_clock


async def refusals(on, quantity=1, quote=None):
    quote = quote or await on.broker.quote(on.option)
    ticket = OrderTicket(
        contract=on.option, side="BUY", quantity=quantity, order_type="LMT", limit_price=f"{quote.ask:.2f}"
    )
    standing = await Lookout(on.broker, virtual_clock()).standing(ticket)
    found = Doorkeeper(virtual_clock()).refusals(ticket, quote, (), standing)
    return {row.kind: row for row in found if row.kind is not GateKind.TICK}


async def test_on_a_good_day_nothing_is_refused(stage):
    async with stage() as on:
        assert await refusals(on) == {}


async def test_an_order_that_the_account_cannot_carry_is_refused_by_the_venues_own_figures(stage):
    async with stage() as on:
        found = await refusals(on, quantity=1000)

    assert GateKind.BUYING_POWER in found


async def test_what_another_client_has_at_work_counts_for_the_accounts_limit(stage):
    async with stage() as on:
        quote = await on.broker.quote(on.option)
        ticket = OrderTicket(contract=on.option, side="BUY", quantity=1, order_type="LMT", limit_price="0.10")
        await on.broker.place(ticket)
        (ours,) = on.gateway.venue.open_orders()
        for number in range(1, 20):
            theirs = attrs.evolve(ours, client_id=9, order_id=number, order_ref="")
            on.gateway.venue.submit(theirs, virtual_clock().now())

        working = await Lookout(on.broker, virtual_clock()).working()

        found = Doorkeeper(virtual_clock()).refusals(ticket, quote, working)
        assert "open_orders: 20 work for this contract and side; needed: fewer than 20" in map(str, found)


async def test_a_read_only_gateway_is_known_for_one_once_it_has_refused(stage):
    async with stage(settings=GatewaySettings(is_read_only=True)) as on:
        first, second = await refusals(on), await refusals(on)

    assert list(first) == [GateKind.BUYING_POWER]
    assert list(second) == [GateKind.READ_ONLY]


async def test_while_the_servers_are_out_of_reach_the_session_is_no_good(stage):
    async with stage() as on:
        quote = await on.broker.quote(on.option)
        on.gateway.inject(faults.UpstreamLost(duration=60))
        await asyncio.sleep(5)
        ticket = OrderTicket(contract=on.option, side="BUY", quantity=1)
        standing = await Lookout(on.broker, virtual_clock()).standing(ticket)

    found = Doorkeeper(virtual_clock()).refusals(ticket, quote, (), standing)
    assert GateKind.SESSION in {row.kind for row in found}
    assert "upstream" in standing.session_refusal


async def test_when_the_contract_does_not_trade_no_order_leaves(stage):
    async with stage() as on:
        await asyncio.sleep(7 * 3600)
        ticket = OrderTicket(contract=on.option, side="BUY", quantity=1)
        standing = await Lookout(on.broker, virtual_clock()).standing(ticket)

    assert not standing.market_open


@pytest.mark.parametrize("seconds", [-3600, -180, 180, 3600])
async def test_while_the_clocks_disagree_no_entry_leaves(stage, seconds):
    async with stage() as on:
        on.gateway.inject(faults.ClockSkew(seconds=float(seconds), duration=60))
        await asyncio.sleep(2)
        found = await refusals(on)

    assert list(found) == [GateKind.HEALTH]
    assert "this machine's clock is" in found[GateKind.HEALTH].value


async def test_a_clock_that_is_a_little_off_keeps_no_entry_back(stage):
    async with stage() as on:
        on.gateway.inject(faults.ClockSkew(seconds=30.0, duration=60))
        await asyncio.sleep(2)

        assert await refusals(on) == {}


async def test_a_clock_that_our_own_limits_keep_from_being_seen_is_not_taken_to_agree(stage):
    rule = Rule(name="mine", limit=30, seconds=5.0, source="a program's own")
    async with stage(pacing_rules=(rule,), pacing_patience=3.0) as on:
        quote = await on.broker.quote(on.option)
        await asyncio.sleep(2)
        on.gateway.inject(faults.ClockSkew(seconds=180.0, duration=600.0))
        for _ in range(40):
            on.broker.ib.client.reqIds(1)

        (refusal,) = (await refusals(on, quote=quote)).values()

    assert (refusal.kind, "behind the limit mine" in str(refusal)) == (GateKind.HEALTH, True)
