"""Seeded heaps of calls under seeded troubles: in the end nothing is left, and what is told is what the venue's book says.

A seed that fails is played by hand with `Soak(seed=...)`: `faults` and `alarms` have what went wrong when.
"""

import asyncio
import os

import pytest

from .adapter_soak import Soak

SEEDS = range(400 if os.environ.get("IBKEEL_NIGHTLY") else 3)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_soak_of_calls_and_troubles_ends_well(market, listed_call, seed):
    await asyncio.sleep(600)
    soak = Soak(seed=seed, market=market, option=listed_call)

    assert (await soak.run(), soak.faults) == ([], soak.faults)
