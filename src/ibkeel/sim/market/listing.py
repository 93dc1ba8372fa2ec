"""Which option series exist, and whether a contract is what a client's description names."""

import math
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Final

import attrs

from ibkeel.sim.market.calendar import latest_session, previous_session
from ibkeel.sim.market.underlyings import Underlying
from ibkeel.sim.values import ContractPattern, SimContract

_OCC_LENGTH: Final = 21
_OCC_ROOT: Final = 6

_WEEKLIES: Final = 8
_MONTHLIES: Final = 4
_QUARTERLIES: Final = 4
_LEAPS: Final = 2
_FRIDAY: Final = 4


def wanted_symbol(pattern: ContractPattern) -> str:
    """The underlying that a pattern names; by its local symbol when it gives no symbol."""
    if pattern.symbol or len(pattern.local_symbol) != _OCC_LENGTH:
        return pattern.symbol or pattern.local_symbol
    return pattern.local_symbol[:_OCC_ROOT].strip()


def fits(contract: SimContract, pattern: ContractPattern) -> bool:
    """Whether every field that the pattern gives agrees with the contract.

    The symbol is not compared when the pattern only has a local symbol; an `expiry` may name
    the expiry or the last trading day, a whole date or a month.
    """
    return all(test(contract, pattern) for test in _TESTS)


def listing_order(contract: SimContract) -> tuple[str, date, str, float]:
    """Sort key: by expiry, right and strike within a symbol."""
    return (contract.symbol, contract.expiry or date.min, contract.right, contract.strike)


def _exchange_fits(contract: SimContract, pattern: ContractPattern) -> bool:
    known = {"", contract.exchange, contract.primary_exchange}
    return pattern.exchange in known and pattern.primary_exchange in {
        "",
        contract.primary_exchange,
    }


def _expiry_fits(contract: SimContract, pattern: ContractPattern) -> bool:
    if not pattern.expiry:
        return True
    dates = (contract.expiry, contract.last_trading_day)
    return any(day is not None and f"{day:%Y%m%d}".startswith(pattern.expiry) for day in dates)


def _strike_fits(contract: SimContract, pattern: ContractPattern) -> bool:
    return not pattern.strike or abs(contract.strike - pattern.strike) < 1e-6  # noqa: PLR2004 - wire rounding


def _multiplier_fits(contract: SimContract, pattern: ContractPattern) -> bool:
    return pattern.multiplier in {"", str(contract.multiplier)}


def _texts_fit(contract: SimContract, pattern: ContractPattern) -> bool:
    pairs = (
        (pattern.symbol, contract.symbol),
        (pattern.sec_type, contract.sec_type),
        (pattern.right, contract.right),
        (pattern.currency, contract.currency),
        (pattern.local_symbol, contract.local_symbol),
        (pattern.trading_class, contract.trading_class),
    )
    return all(given in {"", has} for given, has in pairs)


_TESTS: Final[tuple[Callable[[SimContract, ContractPattern], bool], ...]] = (
    _texts_fit,
    _strike_fits,
    _expiry_fits,
    _multiplier_fits,
    _exchange_fits,
)


@attrs.frozen(kw_only=True)
class Series:
    """Every strike of one expiry.

    Args:
        expiry: The date that names the series.
        trading_class: As on the wire; index weeklies have one of their own.
        last_trading_day: Before `expiry` for monthly index options, which settle at the open.
        expires_at: The instant at which time value is gone.
        strikes: Listed strikes, ascending.
    """

    expiry: date
    trading_class: str
    last_trading_day: date
    expires_at: datetime
    strikes: tuple[float, ...]


@attrs.frozen(kw_only=True)
class _Grid:
    """Strikes of one kind of series: reach from the spot, as a fraction, and step."""

    near: float
    near_step: float
    far: float
    far_step: float

    def strikes(self, spot: float) -> tuple[float, ...]:
        """Both grids together, ascending."""
        fine = _multiples(self.near_step, spot * (1 - self.near), spot * (1 + self.near))
        coarse = _multiples(self.far_step, spot * (1 - self.far), spot * (1 + self.far))
        return tuple(sorted({*fine, *coarse}))


def listed(underlying: Underlying, *, today: date, spot: float) -> tuple[Series, ...]:
    """The series of an underlying on a session date, ascending by expiry.

    Near expiries have finer and narrower strike grids than far ones, so the union of strikes
    and the union of expiries contain combinations that do not exist, as on the real exchange.

    Args:
        underlying: Row of the table; without `option_volume` it has no options.
        today: Session date; a series that expires on it is still listed.
        spot: Price that the strike grids are laid around.
    """
    if not underlying.option_volume:
        return ()
    monthly = {third_friday(year, month) for year, month in _months(today)}
    return tuple(
        _series(underlying, expiry, monthly=expiry in monthly, today=today, spot=spot)
        for expiry in sorted(monthly.union(_weeklies(today)))
        if expiry >= today
    )


def third_friday(year: int, month: int) -> date:
    """Monthly expiry: the third Friday, or the session before it when that is a holiday."""
    first = date(year, month, 1)
    friday = first + timedelta(days=(_FRIDAY - first.weekday()) % 7 + 14)
    return latest_session(friday).day


def weekly_expiry(day: date) -> date:
    """Expiry of the week of `day`: its Friday, or the session before it on a holiday."""
    return latest_session(day + timedelta(days=_FRIDAY - day.weekday())).day


def week_of(expiry: date) -> int:
    """A number for the week of a date; each week has at most one expiry."""
    return (expiry.toordinal() - 1) // 7


def local_symbol(root: str, expiry: date, right: str, strike: float) -> str:
    """The 21-character symbol of an option.

    Source: OCC, "Series Key Format" (2010): root padded to six, yymmdd, right, strike in mills.
    """
    return f"{root:<6}{expiry:%y%m%d}{right}{round(strike * 1000):08d}"


def _series(underlying: Underlying, expiry: date, *, monthly: bool, today: date, spot: float) -> Series:
    at_open = underlying.index_options and monthly
    weekly_class = f"{underlying.symbol}W" if underlying.index_options else underlying.symbol
    session = latest_session(expiry)
    return Series(
        expiry=expiry,
        trading_class=underlying.symbol if monthly else weekly_class,
        last_trading_day=previous_session(expiry).day if at_open else expiry,
        expires_at=session.opens_at if at_open else session.closes_at,
        strikes=_grid(underlying, (expiry - today).days).strikes(spot),
    )


def _grid(underlying: Underlying, dte: int) -> _Grid:
    near, far = underlying.steps
    if dte <= 70:  # noqa: PLR2004 - ten weeks: the weeklies and the next two monthlies
        return _Grid(near=0.12, near_step=near, far=0.35, far_step=far)
    if dte <= 300:  # noqa: PLR2004 - monthlies and quarterlies
        return _Grid(near=0.20, near_step=far, far=0.45, far_step=far)
    return _Grid(near=0.25, near_step=far, far=0.60, far_step=2 * far)


def _multiples(step: float, low: float, high: float) -> list[float]:
    return [n * step for n in range(max(1, math.ceil(low / step)), math.floor(high / step) + 1)]


def _weeklies(today: date) -> set[date]:
    return {weekly_expiry(today + timedelta(days=7 * n)) for n in range(_WEEKLIES)}


def _months(today: date) -> set[tuple[int, int]]:
    """Year and month of the monthly series: the next ones, quarter ends, Januaries."""
    ahead = [(today.year + m // 12, m % 12 + 1) for m in range(today.month - 1, today.month + 14)]
    quarters = [(year, month) for year, month in ahead if month % 3 == 0]
    leaps = [(today.year + n, 1) for n in range(1, _LEAPS + 1)]
    return {*ahead[: _MONTHLIES + 1], *quarters[: _QUARTERLIES + 1], *leaps}
