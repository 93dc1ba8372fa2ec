"""What is wrong with a configuration: each problem with its key, value, origin and what is valid."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs
from typing_extensions import override

from ibkeel.errors import ConfigurationError
from ibkeel.model import mask_account
from ibkeel.telemetry import redact

ACCOUNTS = ("gateway.live_account",)
"""Keys of account ids: masked, and still told apart."""


@attrs.frozen(kw_only=True)
class ConfigurationProblem:
    """One thing that is wrong with a configuration.

    Args:
        key: Dotted, such as `runner.interval`; empty when it concerns the file as a whole.
        value: What was given, as it is shown: account ids masked.
        valid: What is wrong with it and what is valid, in words.
        origin: `bot.toml:12`, the name of a variable of the environment, or `default`.
    """

    key: str
    value: str = ""
    valid: str
    origin: str

    @classmethod
    def of(cls, key: str, value: object, valid: str, origin: str) -> "ConfigurationProblem":
        """A problem with a value, fit to be shown."""
        shown = mask_account(value) if key in ACCOUNTS and isinstance(value, str) else redact(repr(value))
        return cls(key=key, value=shown, valid=redact(valid), origin=origin)

    @override
    def __str__(self) -> str:
        if not self.key:
            return f"{self.origin}: {self.valid}"
        return f"{self.key} = {self.value} ({self.origin}): {self.valid}"


def refuse(problems: Iterable[ConfigurationProblem]) -> None:
    """Refuse a configuration that has problems, all of them in one sentence.

    Raises:
        ConfigurationError: There is at least one.
    """
    found = tuple(problems)
    if found:
        raise ConfigurationError("; ".join(map(str, found)))


if TYPE_CHECKING:
    from tree_sitter import Node

_TABLES = ("table", "table_array_element")
_KEYS = ("bare_key", "quoted_key")


def lines_of(text: str) -> dict[str, int]:
    r"""Line of each key, by its dotted path; a table's own line too.

    Args:
        text: TOML that `tomllib` accepts.

    Examples:
        >>> lines_of("[runner]\ninterval = 60")
        {'runner': 1, 'runner.interval': 2}
    """
    import tree_sitter_toml  # noqa: PLC0415 - an extra
    from tree_sitter import Language, Parser  # noqa: PLC0415 - an extra

    tree = Parser(Language(tree_sitter_toml.language())).parse(text.encode())
    lines: dict[str, int] = {}
    for node in tree.root_node.children:
        _enter(node, "", lines)
    return lines


def _enter(node: "Node", section: str, lines: dict[str, int]) -> None:
    if node.type != "pair" and node.type not in _TABLES:
        return
    named = next(child for child in node.children if child.type in {*_KEYS, "dotted_key"})
    path = ".".join(filter(None, (section, _path(named))))
    lines.setdefault(path, node.start_point[0] + 1)
    if node.type in _TABLES:
        for child in node.children:
            _enter(child, path, lines)


def _path(node: "Node") -> str:
    if node.type in _KEYS:
        return (node.text or b"").decode().strip("\"'")
    return ".".join(_path(child) for child in node.children if child.type in {*_KEYS, "dotted_key"})
