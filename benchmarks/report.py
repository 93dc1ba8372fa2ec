"""What a benchmark says: figures, bars, and a verdict that noise cannot buy."""

import json
import operator
from collections.abc import Callable
from typing import Any, Final

import attrs

__all__ = ["Bar", "Report"]

_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
}


@attrs.frozen(kw_only=True)
class Bar:
    """A figure that must hold.

    Args:
        name: As the work that asked for it names it.
        value: Measured; None when it could not be.
        op: `<=`, `>=` or `==`.
        limit: What it is compared with.
        strays: How far apart the two halves of the A/A pair were, in the unit of the value.
    """

    name: str
    value: float | None
    op: str
    limit: float
    strays: float = 0.0

    @property
    def ok(self) -> bool | None:
        """Whether it holds; None when the A/A pair strays by over a third of the margin."""
        if self.value is None or not _OPERATORS[self.op](self.value, self.limit):
            return False
        return None if self.strays > abs(self.limit - self.value) / 3 else True

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {"name": self.name, "value": self.value, "op": self.op, "limit": self.limit, "ok": self.ok}


@attrs.frozen(kw_only=True)
class Report:
    """All that one run has to say."""

    name: str
    figures: dict[str, Any]
    bars: tuple[Bar, ...]

    @property
    def holds(self) -> bool:
        """Whether every bar does."""
        return all(bar.ok is True for bar in self.bars)

    def json(self) -> str:
        """The whole, as one object."""
        plain = {"name": self.name, "figures": self.figures, "bars": [bar.plain() for bar in self.bars]}
        return json.dumps(plain, indent=2, sort_keys=False)

    def text(self) -> str:
        """The whole, for people."""
        verdicts = {True: "ok", False: "FAILS", None: "noisy"}
        lines = [f"{self.name}", "", *_figure_lines(self.figures, "  "), ""]
        for bar in self.bars:
            value = "none" if bar.value is None else f"{bar.value:.6g}"
            lines.append(f"  {verdicts[bar.ok]:6} {bar.name} = {value}, must be {bar.op} {bar.limit:g}")
        return "\n".join(lines)


def _figure_lines(figures: dict[str, Any], indent: str) -> list[str]:
    lines = []
    for name, value in figures.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}", *_figure_lines(value, indent + "  ")]
        else:
            lines.append(
                f"{indent}{name}: {value:.6g}" if isinstance(value, float) else f"{indent}{name}: {value}"
            )
    return lines
