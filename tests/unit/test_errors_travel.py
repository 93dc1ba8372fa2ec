"""Errors that cross from one process to another, as those of a pool's workers do."""

import copy
import inspect
import pickle

import pytest

from ibkeel import errors

MADE = [
    errors.AnotherProcess("held", pid=12, since=None),
    errors.CircuitOpen("history", wait=30.0, cause="TimeoutError: no answer"),
    errors.GatesShut("SPY", ("the market is closed",)),
    errors.JournalInUse("written", pid=None, since=None),
    errors.UnknownStrategy("scalpel", ("scalp",)),
    errors.UnreadableRecord("damaged", seq=7),
    errors.UnwritableRecord("not data", record={1}),
]
SPECIAL = {type(error) for error in MADE}
ALL = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.IbkeelError)
]


@pytest.mark.parametrize("error", [*MADE, *(kind("said") for kind in ALL if kind not in SPECIAL)], ids=repr)
@pytest.mark.parametrize(
    "travel", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))]
)
def test_an_error_arrives_as_it_was(error, travel):
    error.add_note("and why")

    arrived = travel(error)

    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)
    assert arrived.args == error.args
