"""On which line of a TOML file each key stands: `tomllib` keeps no positions."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["lines_of"]

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
