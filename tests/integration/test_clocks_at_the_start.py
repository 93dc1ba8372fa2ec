"""A run begins only after the Gateway's clock was seen."""

import asyncio

import pytest

from ibkeel.cli.live import agree_on_time
from ibkeel.errors import ConfigurationError, NotConnected, RequestTimeout
from ibkeel.sim import faults
from ibkeel.virtual import virtual_clock


async def test_a_gateway_that_does_not_tell_its_time_is_not_taken_to_agree(stage):
    async with stage() as on:
        await asyncio.sleep(2)
        on.gateway.inject(faults.Unanswered(when_request="current_time"))

        with pytest.raises((RequestTimeout, NotConnected)):
            await agree_on_time(on.broker, virtual_clock(), follow=False)


async def test_it_is_asked_once_more(stage):
    async with stage() as on:
        await asyncio.sleep(2)
        on.gateway.inject(faults.Unanswered(when_request="current_time", times=1))

        await agree_on_time(on.broker, virtual_clock(), follow=False)


async def test_a_clock_that_is_off_is_seen_also_where_the_first_answer_was_lost(stage):
    async with stage() as on:
        await asyncio.sleep(2)
        on.gateway.inject(faults.ClockSkew(seconds=90.0, duration=600.0))
        on.gateway.inject(faults.Unanswered(when_request="current_time", times=1))

        with pytest.raises(ConfigurationError, match="behind the Gateway's"):
            await agree_on_time(on.broker, virtual_clock(), follow=False)
