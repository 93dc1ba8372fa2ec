"""The pytest plugin: fixtures for tests of bots; it imports nothing but pytest until one is used."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ibkeel.testing import FakeBroker, GatewayMaker

__all__ = ["ibkeel_broker", "ibkeel_gateway", "ibkeel_virtual_time"]


@pytest.fixture
def ibkeel_virtual_time() -> Callable[..., Any]:
    """`run_virtual`: runs a coroutine on a loop whose time jumps, and returns its result."""
    from ibkeel.virtual import run_virtual  # the plugin is loaded in every suite

    return run_virtual


@pytest.fixture
def ibkeel_broker() -> "type[FakeBroker]":
    """`FakeBroker`: makes a broker from quotes, bars, chains and positions."""
    from ibkeel.testing.fake import FakeBroker  # the plugin is loaded in every suite

    return FakeBroker


@pytest.fixture
def ibkeel_gateway() -> "Iterator[GatewayMaker]":
    """`GatewayMaker`: `play("nightly-restart")` puts the test on virtual time with a Gateway in trouble."""
    from ibkeel.testing.gateways import GatewayMaker  # the plugin is loaded in every suite

    with ExitStack() as stack:
        yield GatewayMaker(stack)
