"""Public names say in their docstrings what a reader of the reference has to know."""

import ast
import inspect
import re
import textwrap
from functools import cache
from importlib import import_module
from itertools import pairwise
from pkgutil import walk_packages

import attrs
import pytest

import ibkeel

PACKAGES = [
    "ibkeel.errors",
    *(
        module.name
        for module in walk_packages(ibkeel.__path__, "ibkeel.")
        if module.ispkg and module.name.count(".") == 1 and module.name != "ibkeel.cli"
    ),
]
# Numbers whose name is their unit, or that have none and mean one thing everywhere.
PLAIN = {
    "at",
    "client_id",
    "code",
    "conid",
    "con_id",
    "index",
    "now",
    "order_id",
    "perm_id",
    "request_id",
    "seconds",
}
NUMBER = re.compile(r"\b(float|int|Decimal)\b")
# Raised where only a fault of ibkeel, or the protocol of Python, leads.
NOT_TOLD = {"AssertionError", "AttributeError", "KeyError", "NotImplementedError", "StopIteration"}


def public_objects(package):
    """What a package publishes and ibkeel wrote, by name."""
    module = import_module(package)
    found = {name: getattr(module, name) for name in module.__all__}
    return {
        name: o
        for name, o in found.items()
        if callable(o) and getattr(o, "__module__", "").startswith("ibkeel")
    }


def methods_of(cls):
    """Public methods and properties that a class itself defines, as plain functions."""
    for name, member in vars(cls).items():
        plain = getattr(member, "__func__", None) or getattr(member, "fget", None) or member
        plain = inspect.unwrap(plain) if callable(plain) else plain
        if not name.startswith("_") and inspect.isfunction(plain) and plain.__module__.startswith("ibkeel"):
            yield name, plain


@cache
def functions(package):
    """Every public function and method, with its name, its docstring, and that of its class."""
    return tuple(_functions(package))


def _functions(package):
    for name, found in public_objects(package).items():
        if inspect.isclass(found):
            for method, plain in methods_of(found):
                yield (
                    f"{name}.{method}",
                    plain,
                    inspect.getdoc(getattr(found, method)) or "",
                    inspect.getdoc(found) or "",
                )
        elif inspect.isfunction(inspect.unwrap(found)):
            yield name, inspect.unwrap(found), inspect.getdoc(found) or "", ""


def raised_by(function):
    """Names of the exceptions that a function's own text raises."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    errors = (node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None)
    names = (ast.unparse(e.func if isinstance(e, ast.Call) else e).rpartition(".")[2] for e in errors)
    return {name for name in names if name[0].isupper()} - NOT_TOLD


def is_number(annotation):
    return bool(NUMBER.search(str(annotation))) and "NewType" not in str(annotation)


def lacks(doc, name):
    return name.lstrip("_") not in PLAIN and not re.search(rf"\b{name.lstrip('_')}\b", doc)


@pytest.mark.parametrize("package", PACKAGES)
def test_everything_public_says_what_it_is(package):
    silent = [name for name, found in public_objects(package).items() if not inspect.getdoc(found)]
    silent += [name for name, _, doc, _ in functions(package) if not doc]

    assert silent == []


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_public_function_raises_is_in_its_docstring(package):
    untold = [
        f"{name}: {error}"
        for name, function, doc, of_class in functions(package)
        for error in sorted(raised_by(function))
        if error not in doc + of_class
    ]

    assert untold == []


@pytest.mark.parametrize("package", PACKAGES)
def test_the_numbers_that_a_public_function_takes_are_explained(package):
    unexplained = [
        f"{name}: {parameter.name}"
        for name, function, doc, _ in functions(package)
        for parameter in inspect.signature(function).parameters.values()
        if is_number(parameter.annotation) and lacks(doc, parameter.name)
    ]

    assert unexplained == []


@pytest.mark.parametrize("package", PACKAGES)
def test_the_numbers_that_a_public_value_holds_are_explained(package):
    unexplained = [
        f"{name}: {field.name}"
        for name, found in public_objects(package).items()
        if inspect.isclass(found) and attrs.has(found)
        for field in attrs.fields(found)
        if field.init and is_number(field.type) and lacks(inspect.getdoc(found) + notes_of(found), field.name)
    ]

    assert unexplained == []


def notes_of(cls):
    """Names of the fields under which a docstring stands."""
    bodies = [
        ast.parse(textwrap.dedent(inspect.getsource(one))).body[0].body
        for one in cls.__mro__
        if attrs.has(one)
    ]
    pairs = ((a, b) for body in bodies for a, b in pairwise(body))
    noted = [a.target.id for a, b in pairs if isinstance(a, ast.AnnAssign) and isinstance(b, ast.Expr)]
    inherited = " ".join(inspect.getdoc(one) or "" for one in cls.__mro__[1:] if attrs.has(one))
    return " ".join(noted) + inherited
