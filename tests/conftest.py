"""Async tests run on virtual time: a coroutine function is a test like any other."""

import inspect

import pytest

from ibkeel.virtual import run_virtual


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    run_virtual(pyfuncitem.obj(**arguments))
    return True
