"""Many backtests that differ in their settings, on any executor."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from typing import Any, Protocol, TypeVar

import attrs

from ibkeel.backtest.figures import Figures
from ibkeel.backtest.report import BacktestReport
from ibkeel.errors import IbkeelError, InvalidInput

T = TypeVar("T", bound="Trial")


class Trial(Protocol):
    """A backtest as a value: an attrs class that can be pickled, such as `MarketTrial`."""

    def run(self) -> BacktestReport:
        """Play it."""
        ...


@attrs.frozen(kw_only=True)
class SweepRow:
    """What one combination came to.

    Args:
        settings: What was set, by dotted key.
        figures: The table; None when it failed.
        counts: What was counted.
        error: Why it failed; empty when it did not.
    """

    settings: Mapping[str, Any]
    figures: Figures | None = None
    counts: Mapping[str, int] = attrs.field(factory=dict)
    error: str = ""

    def as_data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "settings": {key: _plain(value) for key, value in self.settings.items()},
            "figures": None if self.figures is None else self.figures.as_data(),
            "counts": dict(self.counts),
            "error": self.error,
        }


@attrs.frozen(kw_only=True)
class Sweep:
    """Every combination of a grid, in its order: the last key varies fastest."""

    rows: tuple[SweepRow, ...]

    def best(self, figure: str = "net_profit") -> SweepRow:
        """The row with the highest value of a figure; the first of equal ones.

        Args:
            figure: A field of `Figures`; name one where more is better.

        Raises:
            InvalidInput: There is no such figure, or no row has it.
        """
        if figure not in {field.name for field in attrs.fields(Figures)}:
            names = ", ".join(field.name for field in attrs.fields(Figures))
            raise InvalidInput(f"no figure {figure!r}; valid: {names}")
        ranked = [
            (value, row) for row in self.rows if (value := getattr(row.figures, figure, None)) is not None
        ]
        if not ranked:
            raise InvalidInput(f"no combination of {len(self.rows)} has a value of {figure}")
        return max(ranked, key=lambda pair: pair[0])[1]

    def as_data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {"rows": [row.as_data() for row in self.rows]}


def sweep(
    trial: Trial,
    grid: Mapping[str, Sequence[Any]],
    *,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Sweep:
    """Run a backtest with every combination of settings.

    Each combination is one task, so that any executor will do: processes of this machine
    (`ProcessPoolExecutor`), or a cluster's (`dask.distributed.Client.get_executor()`). A combination
    that fails for a reason of its own, such as a parameter out of range, a strategy that raises or a
    process that ends, says so in its row, and the others go on.

    Args:
        trial: What to vary.
        grid: Values by dotted key, such as `strategy.fast` or `risk.stop_fraction`; an entry of a
            dictionary counts as a field, and so does the number of one in a row, as in `strategy.confirms.0.ratio`.
        executor: Where to run; None runs here, one after another.
        progress: Called with how many are done and how many there are, in any order of tasks.

    Returns:
        The rows in the order of the grid, whatever the order in which they were done.

    Raises:
        InvalidInput: A key names no field of the trial, or has no values.
    """
    combinations = _combinations(trial, grid)
    told = progress or _nobody
    if executor is None:
        rows = []
        for done, (settings, made) in enumerate(combinations, 1):
            rows.append(_row(settings, made))
            told(done, len(combinations))
        return Sweep(rows=tuple(rows))
    futures: list[Future[SweepRow]] = [executor.submit(_row, *combination) for combination in combinations]
    try:
        for done, _ in enumerate(as_completed(futures), 1):
            told(done, len(futures))
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    return Sweep(
        rows=tuple(
            _failed(settings, error) if (error := future.exception()) else future.result()
            for (settings, _), future in zip(combinations, futures, strict=True)
        )
    )


def _nobody(_: int, __: int) -> None:
    """Nobody asked how far it is."""


def _combinations(
    trial: Trial, grid: Mapping[str, Sequence[Any]]
) -> tuple[tuple[dict[str, Any], Trial | str], ...]:
    """Settings with the trial that has them, or with the reason why there can be none."""
    for key, values in grid.items():
        if not len(values):
            raise InvalidInput(f"the grid has no values of {key}; valid: one at least")
        _look_up(trial, key)
    rows = itertools.product(*grid.values())
    return tuple(_made(trial, dict(zip(grid, values, strict=True))) for values in rows)


def _made(trial: Trial, settings: dict[str, Any]) -> tuple[dict[str, Any], Trial | str]:
    """All keys of a section are set at once, so that values that only fit together are let through."""
    try:
        return settings, _evolved(trial, [(key.split("."), value) for key, value in settings.items()])
    except (IbkeelError, ValueError) as error:
        return settings, str(error)
    except TypeError as error:
        return settings, f"a value is of the wrong type: {error}"


def _evolved(value: Any, changes: Sequence[tuple[Sequence[str], Any]]) -> Any:
    direct = {path[0]: new for path, new in changes if len(path) == 1}
    nested: dict[str, list[tuple[Sequence[str], Any]]] = {}
    for path, new in changes:
        if len(path) > 1:
            nested.setdefault(path[0], []).append((path[1:], new))
    inner = {name: _evolved(_member(value, name), rows) for name, rows in nested.items()}
    entries = _entries(value)
    if entries is not None:
        changed = {**entries, **direct, **inner}
        return tuple(changed.values()) if isinstance(value, tuple) else changed
    return attrs.evolve(value, **direct, **inner)


def _look_up(value: Any, key: str) -> None:
    """Check that a key names something; else InvalidInput."""
    for depth, name in enumerate(key.split(".")):
        is_free = isinstance(value, Mapping) and depth == key.count(".")
        if is_free:
            return
        names = _names(value)
        if name not in names:
            of_none = "those of None, the default: give it a value"
            valid = of_none if value is None else ", ".join(names) or "none"
            raise InvalidInput(f"no setting {key}: {name!r} is not one of {valid}")
        value = _member(value, name)


def _names(value: Any) -> tuple[str, ...]:
    entries = _entries(value)
    if entries is not None:
        return tuple(entries)
    return tuple(field.name for field in attrs.fields(type(value))) if attrs.has(type(value)) else ()


def _member(value: Any, name: str) -> Any:
    entries = _entries(value)
    return getattr(value, name) if entries is None else entries[name]


def _entries(value: Any) -> Mapping[str, Any] | None:
    """What a dictionary holds, or a row by number; None of what has fields."""
    if isinstance(value, tuple):
        return {str(number): entry for number, entry in enumerate(value)}
    return value if isinstance(value, Mapping) else None


def _row(settings: dict[str, Any], trial: Trial | str) -> SweepRow:
    """Play one combination; this is what an executor runs."""
    if isinstance(trial, str):
        return SweepRow(settings=settings, error=trial)
    try:
        report = trial.run()
    except Exception as error:  # noqa: BLE001 - of the user's strategy; the others go on
        return _failed(settings, error)
    counts = dict(report.counts)
    # The zeros of a strategy that never answered are no result, and might be the best of the sweep.
    if report.errors and not counts.get("answers"):
        return SweepRow(settings=settings, counts=counts, error=f"every look failed: {report.errors[0]}")
    return SweepRow(settings=settings, figures=report.figures, counts=counts)


def _failed(settings: dict[str, Any], error: BaseException) -> SweepRow:
    return SweepRow(settings=settings, error=f"{type(error).__name__}: {error}")


def _plain(value: Any) -> Any:
    is_plain = isinstance(value, str | int | bool | None) or (
        isinstance(value, float) and math.isfinite(value)
    )
    return value if is_plain else str(value)
