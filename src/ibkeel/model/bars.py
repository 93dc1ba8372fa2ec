"""Historical bars, by columns."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, Self, overload

import attrs
import numpy as np
import numpy.typing as npt
from typing_extensions import override

from ibkeel.errors import InvalidInput
from ibkeel.model.checks import Words, as_flag, as_optional_utc, as_utc
from ibkeel.model.contracts import Contract
from ibkeel.validators import truth

if TYPE_CHECKING:
    import pandas as pd

BAR_SIZES: Final = MappingProxyType(
    {
        "1 secs": 1, "5 secs": 5, "10 secs": 10, "15 secs": 15, "30 secs": 30,
        "1 min": 60, "2 mins": 120, "3 mins": 180, "5 mins": 300, "10 mins": 600,
        "15 mins": 900, "20 mins": 1200, "30 mins": 1800,
        "1 hour": 3600, "2 hours": 7200, "3 hours": 10800, "4 hours": 14400, "8 hours": 28800,
        "1 day": 86400, "1 week": 604800, "1 month": 2592000,
    }
)  # fmt: skip
"""Seconds of each size, by its text on the wire. Source: TWS API, "Historical Bars", valid bar sizes."""

_DURATION: Final = re.compile(r"([1-9][0-9]{0,5}) ([SDWMY])")
_UNIT_SECONDS: Final = MappingProxyType({"S": 1, "D": 86400, "W": 604800, "M": 2592000, "Y": 31536000})
# Smallest and largest bar of each unit. Source: TWS API, "Historical Bars", step sizes.
_STEPS: Final = MappingProxyType(
    {"S": (1, 60), "D": (5, 3600), "W": (10, 14400), "M": (30, 28800), "Y": (60, 86400)}
)
_SECONDS_STEPS: Final = ((1800, 1800), (3600, 3600), (14400, 10800), (86400, 28800))
# How long a request may be, and the next unit. Source: TWS API, "Historical Bars", durations.
_LONGEST: Final = MappingProxyType(
    {"S": (86400, "D"), "D": (365, "Y"), "W": (52, "Y"), "M": (12, "Y"), "Y": (68, "Y")}
)


class BarKind(Words):
    """What a bar is made of."""

    TRADES = "TRADES"
    MIDPOINT = "MIDPOINT"
    BID = "BID"
    ASK = "ASK"


def _largest_step(amount: int, unit: str) -> int:
    """The legacy table allows wider bars for longer spans of seconds; days take daily bars too."""
    if unit == "S":
        return max([60] + [step for span, step in _SECONDS_STEPS if amount >= span])
    return 86400 if unit in "DWM" else _STEPS[unit][1]


def _duration(_: object, attribute: "attrs.Attribute[str]", value: str) -> None:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidInput(
            f"BarSpec.{attribute.name} is {value!r}; valid: a number and S, D, W, M or Y, "
            "such as '3600 S' or '1 D'"
        )
    longest, unit = _LONGEST[match[2]]
    if int(match[1]) > longest:
        fits = min(-(-int(match[1]) * _UNIT_SECONDS[match[2]] // _UNIT_SECONDS[unit]), 68)
        raise InvalidInput(
            f"BarSpec.duration is {value!r}; valid: up to '{longest} {match[2]}', or such as '{fits} {unit}'"
        )


@attrs.frozen(kw_only=True, cache_hash=True)
class BarSpec:
    """Which bars to ask for.

    Args:
        duration: How far back, as the API writes it: a number and S, D, W, M or Y.
        size: Length of a bar, one of `BAR_SIZES`.
        kind: What the bars are made of.
        rth: Regular trading hours only.
        end: End of the span, aware; None means now.

    Source:
        TWS API, "Historical Bars": durations, bar sizes and step sizes.
    """

    duration: str = attrs.field(default="1 D", validator=_duration)
    size: str = attrs.field(default="1 min")
    kind: BarKind = attrs.field(default=BarKind.TRADES, converter=BarKind)
    rth: bool = attrs.field(default=True, converter=as_flag, validator=truth)
    end: datetime | None = attrs.field(default=None, converter=as_optional_utc)

    @size.validator
    def _check_size(self, _: "attrs.Attribute[str]", value: str) -> None:
        if not isinstance(value, str) or value not in BAR_SIZES:
            raise InvalidInput(f"BarSpec.size is {value!r}; valid: {', '.join(BAR_SIZES)}")
        amount, unit = self.duration.split()
        smallest, largest = _STEPS[unit][0], _largest_step(int(amount), unit)
        if not smallest <= BAR_SIZES[value] <= largest:
            fit = [text for text, seconds in BAR_SIZES.items() if smallest <= seconds <= largest]
            raise InvalidInput(
                f"a duration of {self.duration!r} takes bars of {fit[0]} to {fit[-1]}, not {value!r}"
            )

    @property
    def size_seconds(self) -> int:
        """Length of one bar in seconds; a month counts as 30 days."""
        return BAR_SIZES[self.size]

    @property
    def duration_seconds(self) -> int:
        """Length of the span in seconds; a month counts as 30 days, a year as 365."""
        amount, unit = self.duration.split()
        return int(amount) * _UNIT_SECONDS[unit]


class Bar(NamedTuple):
    """One row of `Bars`; `at` is the bar's start, in UTC."""

    at: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


_FLOATS: Final = ("open", "high", "low", "close", "volume")


def second_of(at: datetime) -> np.datetime64:
    """The second of an instant, as a column holds it."""
    return np.datetime64(int(at.timestamp()), "s")


def instant_of(second: np.datetime64) -> datetime:
    """A column's second as an instant, in UTC."""
    return datetime.fromtimestamp(int(second.astype(np.int64)), UTC)


def _column(value: npt.ArrayLike) -> npt.NDArray[np.float64]:
    column = np.array(value, dtype=np.float64)
    column.flags.writeable = False
    return column


def _instants(value: npt.ArrayLike) -> npt.NDArray[np.datetime64]:
    column = np.array(value, dtype="datetime64[s]")
    column.flags.writeable = False
    return column


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Bars(Sequence[Bar]):
    """Bars of one contract, ascending, as read-only columns of shape `(n_bars,)`.

    Args:
        contract: What the bars are of.
        spec: What was asked for.
        at: Start of each bar, `datetime64[s]` in UTC, strictly ascending.
        open: Price per share of the first trade.
        high: Highest price.
        low: Lowest price.
        close: Price of the last trade.
        volume: Shares or contracts; 0 where the kind has none.
        timezone: Name of the exchange's time zone.

    Raises:
        InvalidInput: Columns differ in length, are not ascending or hold NaN or NaT.
    """

    contract: Contract
    spec: BarSpec
    at: npt.NDArray[np.datetime64] = attrs.field(converter=_instants)
    open: npt.NDArray[np.float64] = attrs.field(converter=_column)
    high: npt.NDArray[np.float64] = attrs.field(converter=_column)
    low: npt.NDArray[np.float64] = attrs.field(converter=_column)
    close: npt.NDArray[np.float64] = attrs.field(converter=_column)
    volume: npt.NDArray[np.float64] = attrs.field(converter=_column)
    timezone: str = "America/New_York"

    def __attrs_post_init__(self) -> None:
        if self.at.ndim != 1:
            raise InvalidInput(f"Bars.at has shape {self.at.shape}; valid: (n_bars,)")
        columns = {column: getattr(self, column) for column in _FLOATS}
        for column, values in columns.items():
            if values.shape != self.at.shape:
                raise InvalidInput(
                    f"Bars.{column} has shape {values.shape}, Bars.at has {self.at.shape}; valid: equal"
                )
        if not np.isfinite(np.concatenate(list(columns.values()))).all():
            column = next(name for name, values in columns.items() if not np.isfinite(values).all())
            raise InvalidInput(f"Bars.{column} holds NaN or infinity; leave the bar out instead")
        if not (self.at[1:] > self.at[:-1]).all() or np.isnat(self.at[:1]).any():
            raise InvalidInput(
                f"Bars.at of {self.contract} does not ascend; sort, and drop duplicates and NaT, first"
            )

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Bar],
        *,
        contract: Contract,
        spec: BarSpec,
        timezone: str = "America/New_York",
    ) -> Self:
        """Bars from rows, in ascending order."""
        columns = list(zip(*rows, strict=True)) or [()] * len(Bar._fields)
        seconds = [int(as_utc(at).timestamp()) for at in columns[0]]
        return cls(
            contract=contract,
            spec=spec,
            at=np.array(seconds, dtype="datetime64[s]"),
            **dict(zip(_FLOATS, columns[1:], strict=True)),
            timezone=timezone,
        )

    @override
    def __len__(self) -> int:
        return len(self.at)

    @overload
    def __getitem__(self, index: int) -> Bar: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    @override
    def __getitem__(self, index: int | slice) -> Bar | Self:
        if isinstance(index, slice):
            columns = {column: getattr(self, column)[index] for column in ("at", *_FLOATS)}
            return attrs.evolve(self, **columns)
        row = (float(getattr(self, column)[index]) for column in _FLOATS)
        return Bar(instant_of(self.at[index]), *row)

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bars):
            return NotImplemented
        same = (self.contract, self.spec, self.timezone) == (
            other.contract,
            other.spec,
            other.timezone,
        )
        return same and all(np.array_equal(getattr(self, c), getattr(other, c)) for c in ("at", *_FLOATS))

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # arrays are compared by value, so they have no hash

    @override
    def __repr__(self) -> str:
        span = f"{self.at[0]}Z..{self.at[-1]}Z" if len(self) else "empty"
        return f"<Bars {self.contract} {self.spec.size} n={len(self)} {span}>"

    def to_pandas(self) -> "pd.DataFrame":
        """A frame of shape `(n_bars, 5)`, index in UTC, ascending.

        Raises:
            ImportError: The extra `[pandas]` is not installed.
        """
        try:
            import pandas as pd
        except ImportError as missing:
            raise ImportError("to_pandas needs pandas: pip install 'ibkeel[pandas]'") from missing

        index = pd.DatetimeIndex(self.at, name="at").tz_localize("UTC")
        return pd.DataFrame({column: getattr(self, column) for column in _FLOATS}, index=index)


@attrs.frozen(kw_only=True)
class StaleBars:
    """Bars that came some time ago: fit to be shown, and not to be acted upon.

    They are no `Bars`, so that nothing that decides on an entry takes them by mistake.

    Args:
        bars: What came.
        age: Seconds since then.
    """

    bars: Bars
    age: float
