import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name, walk_packages

import pytest

import ibkeel
from ibkeel.model import Broker

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
SITE = REFERENCE.parents[1] / "mkdocs.yml"

PACKAGES = [
    "ibkeel",
    *(module.name for module in walk_packages(ibkeel.__path__, "ibkeel.") if module.ispkg),
]
# The console script is documented by its commands, on a page written by hand.
PUBLIC = [name for name in PACKAGES if name.count(".") <= 1 and name != "ibkeel.cli"]


def isort_order(name):
    """Constants, then classes, then the rest; each group by the alphabet."""
    is_constant = name.isupper() and not name.startswith("_")
    return (0 if is_constant else 1 if name[0].isupper() else 2), name


def pages():
    """Names of what the reference renders, with the page of each."""
    return {
        name: page.relative_to(REFERENCE.parent).as_posix()
        for page in sorted(REFERENCE.glob("*.md"))
        for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_lists_its_names_in_order(package):
    names = import_module(package).__all__

    assert list(names) == sorted(names, key=isort_order)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_listed_name_can_be_imported(package):
    module = import_module(package)

    missing = [name for name in module.__all__ if not hasattr(module, name)]

    assert missing == []


@pytest.mark.parametrize("package", ["ibkeel", "ibkeel.ibkr", "ibkeel.testing"])
def test_a_prompt_completes_names_that_nobody_has_used_yet(package):
    code = f"import {package} as it; print(set(it.__all__) - set(dir(it)))"

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout == "set()\n"


@pytest.mark.parametrize("package", ["ibkeel", "ibkeel.ibkr", "ibkeel.testing"])
def test_a_package_that_imports_on_demand_still_refuses_what_it_has_not(package):
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = import_module(package).nonsense


@pytest.mark.parametrize(
    "name",
    [*PUBLIC, "ibkeel.clock", "ibkeel.errors", "ibkeel.system", "ibkeel.sim.market", "ibkeel.testing.plugin"],
)
def test_the_reference_has_a_page_that_documents_each_public_package(name):
    navigation = SITE.read_text(encoding="utf-8")

    page = pages().get(name)

    assert page is not None
    assert page in navigation


def test_the_page_of_the_adapter_has_every_method_of_every_role():
    page = (REFERENCE / "ibkr.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"ibkeel\.model\.(\w+)\] \| (.+?) \|$", page, re.MULTILINE))

    named = {role: set(re.findall(r"`(\w+)`", row)) for role, row in rows.items()}

    roles = [role for role in Broker.__mro__ if role.__module__ == Broker.__module__ and role is not Broker]
    assert named == {
        role.__name__: {name for name in vars(role) if not name.startswith("_")} for role in roles
    }


@pytest.mark.parametrize("package", [name for name in PACKAGES if name in pages()])
def test_a_name_that_a_module_of_the_package_has_too_is_documented_by_itself(package):
    """The reference takes it for the module, and leaves it out."""
    names = import_module(package).__all__

    hidden = {f"{package}.{name}.{name}" for name in names if find_spec(f"{package}.{name}")}

    assert hidden - set(pages()) == set()


def test_the_reference_documents_nothing_that_is_not_there():
    for name in pages():
        assert resolve_name(name)
