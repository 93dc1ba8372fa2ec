import inspect
from collections.abc import AsyncGenerator
from typing import get_args, get_origin

import pytest

from ibkeel.ibkr import BlockingBroker, IBKRBroker, Stream
from ibkeel.model import Broker


def awaited(owner):
    """Names of the public methods that are awaited or iterated."""
    return {
        name
        for name, member in inspect.getmembers(owner, inspect.isfunction)
        if not name.startswith("_")
        and (inspect.iscoroutinefunction(member) or "AsyncGenerator" in str(inspect.signature(member)))
    }


TWINS = sorted(awaited(IBKRBroker) | awaited(Broker))


@pytest.mark.parametrize("name", TWINS)
def test_every_awaited_method_has_a_blocking_twin_with_the_same_parameters(name):
    theirs = inspect.signature(getattr(IBKRBroker, name)).parameters
    ours = inspect.signature(getattr(BlockingBroker, name)).parameters

    assert list(ours.values()) == list(theirs.values())
    assert not inspect.iscoroutinefunction(getattr(BlockingBroker, name))


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_gives_the_same_type(name):
    theirs = inspect.signature(getattr(IBKRBroker, name)).return_annotation
    ours = inspect.signature(getattr(BlockingBroker, name)).return_annotation

    if get_origin(theirs) is AsyncGenerator:
        assert (get_origin(ours), get_args(ours)) == (Stream, get_args(theirs)[:1])
    else:
        assert ours == theirs


def test_every_other_public_name_is_there_too():
    missing = [
        name for name in vars(IBKRBroker) if not name.startswith("_") and not hasattr(BlockingBroker, name)
    ]

    assert missing == []
    assert (
        inspect.signature(BlockingBroker).parameters.keys() == inspect.signature(IBKRBroker).parameters.keys()
    )
