"""Decorators written as calls: mutmut mutates no function that is decorated, and so no property."""

import ast
from typing import Final

__all__ = ["MARK", "undecorated"]

MARK: Final = "# was a decorator"
"""Ends every line that stands for a decorator."""

_LEFT_AS_THEY_ARE: Final = frozenset({"classmethod", "staticmethod", "overload"})


def undecorated(source: str) -> str:
    """The same module, with `f = property(f)` below a function instead of `@property` above it."""
    lines = source.splitlines()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    decorated = [function for function in functions if _is_to_change(function.decorator_list)]
    for function in sorted(decorated, key=lambda function: function.lineno, reverse=True):
        indent = " " * function.col_offset
        calls = [
            f"{indent}{function.name} = {ast.unparse(decorator)}({function.name})  {MARK}"
            for decorator in reversed(function.decorator_list)
        ]
        lines[function.end_lineno : function.end_lineno] = calls
        first = function.decorator_list[0].lineno - 1
        lines[first : function.lineno - 1] = []
    return "\n".join(lines) + "\n"


def _is_to_change(decorators: list[ast.expr]) -> bool:
    names = {ast.unparse(decorator) for decorator in decorators}
    # A setter needs the property of the same name, which a plain function would hide.
    return bool(names) and not names & _LEFT_AS_THEY_ARE and not any(".setter" in name for name in names)
