"""A quantity over time, and how far it fell from its tops."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Self

import attrs
import numpy as np
import numpy.typing as npt

from ibkeel.errors import InvalidInput

Floats = npt.NDArray[np.float64]
Instants = npt.NDArray[np.datetime64]
Places = npt.NDArray[np.int64]

_SECOND: Final = np.timedelta64(1, "s")


def _instants(value: npt.ArrayLike) -> Instants:
    return np.asarray(value, dtype="datetime64[s]")


def _floats(value: npt.ArrayLike) -> Floats:
    return np.asarray(value, dtype=np.float64)


@attrs.frozen(kw_only=True)
class Drawdown:
    """The deepest fall of a curve from a top before it.

    Args:
        amount: How far it fell, zero or more, in the curve's unit.
        fraction: The same in parts of that top; of all falls the one with the largest part.
        longest: Seconds from a top until it was reached again, or the curve ended; the longest.
    """

    amount: float
    fraction: float
    longest: float


@attrs.frozen(kw_only=True, eq=False)
class Curve:
    """Values at instants, as columns of shape `(n_points,)`.

    Args:
        at: Instants, `datetime64[s]` in UTC, ascending; the last of equal ones counts.
        value: One for each.

    Raises:
        InvalidInput: The columns differ in length.
    """

    at: Instants = attrs.field(converter=_instants)
    value: Floats = attrs.field(converter=_floats)

    def __attrs_post_init__(self) -> None:
        if self.at.shape != self.value.shape:
            raise InvalidInput(f"a curve has {len(self.at)} instants and {len(self.value)} values")

    @classmethod
    def of(cls, points: Iterable[tuple[datetime, float]]) -> Self:
        """A curve from points: aware instants, and values in the account's currency."""
        rows = list(points)
        return cls(at=[int(at.timestamp()) for at, _ in rows], value=[value for _, value in rows])

    def __len__(self) -> int:
        return len(self.at)

    def instant(self, index: int) -> datetime:
        """An instant, aware, in UTC."""
        return datetime.fromtimestamp(int(self.at[index].astype(np.int64)), UTC)

    def index(self, at: datetime) -> int:
        """The last point at or before an instant; the first when there is none."""
        place = int(np.searchsorted(self.at, np.datetime64(int(at.timestamp()), "s"), side="right"))
        return max(place - 1, 0)

    def falls(self) -> "Curve":
        """How far the curve is below its highest value so far, in parts of it; zero or less."""
        tops = np.maximum.accumulate(self.value) if len(self) else self.value
        return Curve(
            at=self.at, value=np.where(tops > 0, self.value / np.where(tops > 0, tops, 1.0) - 1.0, 0.0)
        )

    def drawdown(self) -> Drawdown:
        """The deepest and the longest fall."""
        if not len(self):
            return Drawdown(amount=0.0, fraction=0.0, longest=0.0)
        tops = np.maximum.accumulate(self.value)
        begins = np.maximum.accumulate(np.where(self.value >= tops, np.arange(len(self)), 0))
        under = (self.at - self.at[begins]) / _SECOND
        return Drawdown(
            amount=float((tops - self.value).max()),
            fraction=abs(float(self.falls().value.min())),
            longest=float(under.max()),
        )

    def thinned(self, most: int) -> "Curve":
        """At most so many points that keep the ends, and the extremes of each stretch.

        Args:
            most: 4 or more.
        """
        kept = self.extremes(most)
        return Curve(at=self.at[kept], value=self.value[kept])

    def extremes(self, most: int) -> Places:
        """Indices of at most so many points: the ends, and the extremes of each stretch between them.

        Args:
            most: 4 or more.
        """
        if len(self) <= most:
            return np.arange(len(self))
        inner = np.array_split(np.arange(1, len(self) - 1), (most - 2) // 2)
        pairs = [(part[self.value[part].argmin()], part[self.value[part].argmax()]) for part in inner]
        return np.unique(np.array([0, *(index for pair in pairs for index in pair), len(self) - 1]))

    def rows(self) -> list[list[str | float]]:
        """Pairs of ISO text and value, for JSON."""
        return [
            [f"{text}Z", round(value, 6)]
            for text, value in zip(np.datetime_as_string(self.at), self.value.tolist(), strict=True)
        ]
