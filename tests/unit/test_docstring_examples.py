"""Examples in docstrings are run."""

import doctest
import importlib
import pkgutil

import ibkeel


def modules():
    for found in pkgutil.walk_packages(ibkeel.__path__, "ibkeel."):
        yield importlib.import_module(found.name)


def test_every_example_in_a_docstring_holds():
    results = [doctest.testmod(module) for module in modules()]

    assert sum(result.failed for result in results) == 0
    assert sum(result.attempted for result in results) > 10
