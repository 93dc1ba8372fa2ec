"""Bars alone, as fast as a loop goes: for strategies that hold one thing and look at its bars."""

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

import attrs
import numpy as np

from ibkeel.backtest.broker import ACCOUNT
from ibkeel.backtest.figures import Curve, Deal, figures_of, trades_of
from ibkeel.backtest.report import BacktestReport
from ibkeel.errors import InvalidInput
from ibkeel.model import Bar, Bars, mask_account
from ibkeel.sim.venue import CommissionPlan
from ibkeel.validators import above_zero, from_zero, optional

_NOTES: Final = (
    "An order decided at the close of a bar fills at the open of the next, half a spread away from it.",
    "A stop fills at its price, or at the open of a bar that begins beyond it; within a bar the stop comes first.",
    "A position that has cost the whole account is closed at the close of that bar; no other margin is asked.",
    "No interest, no dividends, no splits, no borrowing costs.",
)


class BarStrategy(Protocol):
    """Decides at the close of each bar how much to hold; it may keep state."""

    def on_bar(self, bar: Bar) -> float | None:
        """The position wanted from the next bar on, in shares, negative when short; None leaves it."""
        ...


@attrs.frozen(kw_only=True)
class BarSettings:
    """How a backtest over bars fills and charges.

    Args:
        cash: Dollars at the start.
        commission: Of each order.
        half_spread: Dollars a share between the price of a bar and what is paid.
        stop_fraction: Loss of the average entry price at which a position is closed; None for no stop.
        leverage: Most that may be held, in parts of equity; an order for more is refused.
    """

    cash: float = attrs.field(default=100_000.0, validator=above_zero)
    commission: CommissionPlan = attrs.field(default=CommissionPlan(per_unit=0.005, minimum=1.0))
    half_spread: float = attrs.field(default=0.0, validator=from_zero)
    stop_fraction: float | None = attrs.field(default=None, validator=optional(above_zero))
    leverage: float = attrs.field(default=1.0, validator=above_zero)


@attrs.frozen(kw_only=True, eq=False)
class BarTrial:
    """One backtest over bars, as a value that can be sent to another process.

    Args:
        strategy: Makes a fresh strategy; a class with its parameters in `params` will do.
        bars: What it sees.
        params: Passed to `strategy` by name.
        settings: How it fills and charges.
    """

    strategy: Callable[..., BarStrategy]
    bars: Bars
    params: dict[str, Any] = attrs.field(factory=dict)
    settings: BarSettings = BarSettings()

    def run(self) -> BacktestReport:
        """Play it."""
        return backtest_bars(self.strategy(**self.params), self.bars, self.settings)


class _Book:
    __slots__ = ("cash", "entry", "fills", "held", "refused", "settings")

    def __init__(self, settings: BarSettings) -> None:
        self.settings, self.cash = settings, settings.cash
        self.held = self.entry = 0.0
        self.fills: list[tuple[int, float, float, float, str]] = []
        self.refused = 0

    def move(self, row: int, target: float, price: float, cause: str) -> None:
        if math.isnan(target):
            raise InvalidInput(f"the strategy wants {target} shares at bar {row}; valid: a number, or None")
        signed = target - self.held
        paid = price + self.settings.half_spread if signed > 0 else price - self.settings.half_spread
        is_larger = abs(target) > abs(self.held) or self.held * target < 0
        if is_larger and abs(target) * paid > self.settings.leverage * (self.cash + self.held * paid):
            self.refused += 1
            return
        charge = self.settings.commission.charged(abs(signed))
        self.cash -= signed * paid + charge
        if self.held * target <= 0:
            self.entry = paid
        elif is_larger:
            self.entry += (paid - self.entry) * signed / target
        self.held = target
        self.fills.append((row, signed, paid, charge, cause))

    def stop_price(self, fraction: float) -> float:
        return self.entry * (1.0 - fraction) if self.held > 0 else self.entry * (1.0 + fraction)


def backtest_bars(
    strategy: BarStrategy, bars: Bars, settings: BarSettings | None = None, *, name: str = ""
) -> BacktestReport:
    """Run a strategy over bars, each once, in order; nothing later than a bar's close is seen at it.

    Args:
        strategy: Fresh; it is changed by running.
        bars: At least one.
        settings: How it fills and charges.
        name: Of the strategy; by default that of its class.

    Raises:
        InvalidInput: There are no bars.
    """
    if not len(bars):
        raise InvalidInput("a backtest needs one bar at least")
    settings = settings or BarSettings()
    book = _Book(settings)
    equity = _walk(strategy, bars, book)
    symbol, zone = bars.contract.symbol, ZoneInfo(bars.timezone)
    begun = Curve(at=bars.at, value=bars.close)
    deals = (
        Deal(str(bars.contract), symbol, begun.instant(row), signed, price, charge, 1, cause)
        for row, signed, price, charge, cause in book.fills
    )
    ends = bars.at + np.timedelta64(bars.spec.size_seconds, "s")
    curve, trades, currency = Curve(at=ends, value=equity), trades_of(deals), bars.contract.currency
    other = () if currency == "USD" else (f"Dollars here are {currency}: nothing was converted.",)
    return BacktestReport(
        strategy=name or type(strategy).__name__,
        settings=dict(settings_of(("strategy", strategy), ("bars", settings))),
        symbols=(symbol,),
        first_session=begun.instant(0).astimezone(zone).date(),
        last_session=begun.instant(-1).astimezone(zone).date(),
        account=mask_account(ACCOUNT),
        equity=curve,
        prices={symbol: Curve(at=ends, value=bars.close)},
        trades=trades,
        figures=figures_of(curve, trades, bars.timezone),
        counts={"bars": len(bars), "fills": len(book.fills), "refused": book.refused},
        held=(f"{book.held:g} {bars.contract}",) if book.held else (),
        notes=_NOTES + other,
    )


def _rows(bars: Bars) -> Iterator[Bar]:
    """Plain Python numbers: a loop over the arrays themselves is several times slower."""
    instants = [datetime.fromtimestamp(second, UTC) for second in bars.at.astype(np.int64).tolist()]
    columns = (getattr(bars, column).tolist() for column in ("open", "high", "low", "close", "volume"))
    return map(Bar._make, zip(instants, *columns, strict=True))


def _walk(strategy: BarStrategy, bars: Bars, book: _Book) -> list[float]:
    decide, fraction = strategy.on_bar, book.settings.stop_fraction
    equity: list[float] = []
    wanted: float | None = None
    for row, bar in enumerate(_rows(bars)):
        if wanted is not None and wanted != book.held:
            book.move(row, wanted, bar.open, "signal")
        if fraction is not None and book.held:
            _check_stop(book, book.stop_price(fraction), row, bar)
        worth = book.cash + book.held * bar.close
        if worth <= 0.0 and book.held:  # a broker would have closed it before; nothing more can be bought
            book.move(row, 0.0, bar.close, "ruin")
            worth = book.cash
        equity.append(worth)
        wanted = decide(bar)
    return equity


def _check_stop(book: _Book, stop: float, row: int, bar: Bar) -> None:
    if book.held > 0 and bar.low <= stop:
        book.move(row, 0.0, min(bar.open, stop), "stop")
    elif book.held < 0 and bar.high >= stop:
        book.move(row, 0.0, max(bar.open, stop), "stop")


def settings_of(*named: tuple[str, Any]) -> Iterator[tuple[str, str]]:
    """Key and text of every field of values that have fields, under their section; others are left out."""
    for section, value in named:
        if not attrs.has(type(value)):
            continue
        for field in attrs.fields(type(value)):
            if field.name.startswith("_") or not field.init:
                continue  # what a strategy keeps to itself
            inner = getattr(value, field.name)
            if attrs.has(type(inner)):
                yield from settings_of((f"{section}.{field.name}", inner))
            else:
                yield f"{section}.{field.name}", _text(inner)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={inner}" for key, inner in sorted(value.items()))
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
