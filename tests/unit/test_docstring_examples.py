"""Examples in docstrings are run."""

import doctest
import importlib
import inspect
import pkgutil

import ibkeel


def modules():
    for found in pkgutil.walk_packages(ibkeel.__path__, "ibkeel."):
        yield importlib.import_module(found.name)


def test_every_example_in_a_docstring_holds():
    # Where no line begins one, the search for them, which takes longest, would find none.
    results = [doctest.testmod(module) for module in modules() if ">>>" in inspect.getsource(module)]

    assert sum(result.failed for result in results) == 0
    assert sum(result.attempted for result in results) > 10
