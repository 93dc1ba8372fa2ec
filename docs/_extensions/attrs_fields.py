"""Shows the fields of attrs classes as parameters, which static analysis does not see by itself."""

from typing import Any, Final, TypeGuard

from griffe import (
    Attribute,
    Class,
    Expr,
    ExprCall,
    ExprKeyword,
    Extension,
    Function,
    Parameter,
    ParameterKind,
    Parameters,
)
from typing_extensions import override

__all__ = ["AttrsFields"]

_DECORATORS: Final = frozenset({"attrs.define", "attrs.frozen", "attrs.mutable"})


class AttrsFields(Extension):
    """Gives each attrs class the `__init__` that attrs will make for it."""

    @override
    def on_class(self, *, cls: Class, **_: Any) -> None:
        """A class was read."""
        decorator = next((row for row in cls.decorators if row.callable_path in _DECORATORS), None)
        if decorator is None or "__init__" in cls.members:
            return
        keyword_only = _keywords(decorator.value).get("kw_only") == "True"
        kind = ParameterKind.keyword_only if keyword_only else ParameterKind.positional_or_keyword
        fields = [_parameter(member, kind) for member in cls.members.values() if _is_field(member)]
        receiver = Parameter("self", kind=ParameterKind.positional_or_keyword)
        cls.set_member("__init__", Function("__init__", parameters=Parameters(receiver, *fields)))


def _is_field(member: Any) -> TypeGuard[Attribute]:
    return (
        isinstance(member, Attribute)
        and member.annotation is not None
        and "property" not in member.labels
        and _keywords(member.value).get("init") != "False"
    )


def _parameter(field: Attribute, kind: ParameterKind) -> Parameter:
    return Parameter(field.name.lstrip("_"), annotation=field.annotation, kind=kind, default=_default(field))


def _default(field: Attribute) -> Any:
    """What the signature shows: a plain value, the value of `default=`, or a call of `factory=`."""
    if not isinstance(field.value, ExprCall) or field.value.canonical_path != "attrs.field":
        return field.value
    keywords = _keywords(field.value)
    if "factory" in keywords:
        made = keywords["factory"]
        return f"{made}()" if isinstance(made, str) or "lambda" not in str(made) else "..."
    return keywords.get("default")


def _keywords(call: Any) -> dict[str, str | Expr]:
    if not isinstance(call, ExprCall):
        return {}
    return {
        argument.name: argument.value if isinstance(argument.value, Expr) else str(argument.value)
        for argument in call.arguments
        if isinstance(argument, ExprKeyword)
    }
