"""American options: the price table computed with QuantLib's high-precision scheme, and its engines."""

import csv
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np
import numpy.typing as npt

from benchmarks.environments import version
from benchmarks.interleaved import in_turns, median_ratio, time_calls
from benchmarks.report import Bar
from ibkeel.options import american_implied_volatility, american_price

__all__ = ["american_bars", "american_figures"]

Floats = npt.NDArray[np.float64]
PREMIUM: Final = 0.05
SAMPLE: Final = 60
LIMITS: Final = (
    ("american_error", "<=", 1e-3),
    ("american_vs_qdfp", ">=", 1.0),
    ("american_iv_vs_qdfp", ">=", 10.0),
    ("american_iv_error_p99", "<=", 1e-3),
)


@attrs.frozen(kw_only=True)
class Table:
    """Columns of the reference table."""

    spot: Floats
    strike: Floats
    years: Floats
    days: npt.NDArray[np.int64]
    rate: Floats
    dividend_yield: Floats
    volatility: Floats
    price: Floats
    right: npt.NDArray[np.str_]

    def take(self, rows: npt.NDArray[np.intp]) -> "Table":
        return Table(**{name: column[rows] for name, column in attrs.asdict(self).items()})

    @property
    def time_premium(self) -> Floats:
        sign = np.where(self.right == "C", 1.0, -1.0)
        return self.price - np.maximum(sign * (self.spot - self.strike), 0.0)

    def terms(self) -> dict[str, Any]:
        names = ("spot", "strike", "years", "rate", "dividend_yield", "right")
        return {name: getattr(self, name) for name in names}


def _read(folder: Path) -> Table:
    path = folder / "reference" / "american_prices_computed_qdfp.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))

    def column(name: str) -> Floats:
        return np.array([float(row[name]) for row in rows])

    return Table(
        spot=column("spot"),
        strike=column("strike"),
        years=column("t_years"),
        days=column("days").astype(np.int64),
        rate=column("rate"),
        dividend_yield=column("dividend_yield"),
        volatility=column("vol"),
        price=column("american_price"),
        right=np.array([row["type"][0].upper() for row in rows]),
    )


def american_figures(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Errors and, where QuantLib is installed, time ratios."""
    table = _read(folder)
    error = float(np.abs(american_price(table.volatility, **table.terms()) - table.price).max())
    timed = table.take(np.flatnonzero(table.time_premium > PREMIUM))
    found = american_implied_volatility(timed.price, **timed.terms())
    solved = found.reasons == 0
    errors = np.abs(found.values - timed.volatility)[solved]
    figures: dict[str, Any] = {
        "american_error": error,
        "american_iv_error_p99": float(np.quantile(errors, 0.99)),
        "american_iv_error_max": float(errors.max()),
        "american_iv_unsolved": int((~solved).sum()),
    }
    version("QuantLib")
    rounds = 2 if quick else 9
    return figures | _price_times(table, error, rounds) | _volatility_times(timed, rounds)


def _price_times(table: Table, error: float, rounds: int) -> dict[str, Any]:
    """Against the fastest scheme whose error on the table is not larger than ours."""
    errors = {name: float(np.abs(_price_all(table, name) - table.price).max()) for name in _schemes()}
    name = next(name for name, worst in errors.items() if worst <= error)
    ours, peer = _call(american_price, table.volatility, table), lambda: _price_all(table, name)
    times = in_turns(
        {
            "ibkeel": lambda: time_calls(ours, 3) / table.price.size,
            "qdfp": lambda: time_calls(peer, 1) / table.price.size,
            "ibkeel again": lambda: time_calls(ours, 3) / table.price.size,
        },
        rounds,
    )
    return {
        "qdfp_errors": errors,
        "qdfp_scheme": name,
        "american_us": {name: statistics.median(values) / 1e3 for name, values in times.items()},
        "american_vs_qdfp": median_ratio(times["qdfp"], times["ibkeel"]),
        "american_vs_qdfp again": median_ratio(times["qdfp"], times["ibkeel again"]),
    }


def _volatility_times(table: Table, rounds: int) -> dict[str, Any]:
    """Against Brent's method over the fastest scheme, on a sample."""
    sample = table.take(np.random.default_rng(3).choice(table.price.size, SAMPLE, replace=False))
    ours = _call(american_implied_volatility, table.price, table)
    times = in_turns(
        {
            "ibkeel": lambda: time_calls(ours, 3) / table.price.size,
            "qdfp": lambda: time_calls(lambda: _imply_all(sample), 1) / SAMPLE,
            "ibkeel again": lambda: time_calls(ours, 3) / table.price.size,
        },
        rounds,
    )
    return {
        "american_iv_us": {name: statistics.median(values) / 1e3 for name, values in times.items()},
        "american_iv_vs_qdfp": median_ratio(times["qdfp"], times["ibkeel"]),
        "american_iv_vs_qdfp again": median_ratio(times["qdfp"], times["ibkeel again"]),
    }


def _call(function: Callable[..., object], given: Floats, table: Table) -> Callable[[], object]:
    return lambda: function(given, **table.terms())


def _schemes() -> dict[str, Any]:
    """Fastest first."""
    import QuantLib

    engine = QuantLib.QdFpAmericanEngine
    return {
        "fast": engine.fastScheme(),
        "accurate": engine.accurateScheme(),
        "high precision": engine.highPrecisionScheme(),
    }


class _Quantlib:
    """One process whose quotes are set anew for each contract."""

    def __init__(self, scheme: Any) -> None:
        import QuantLib

        self._ql = QuantLib
        self._today = QuantLib.Date(2, 1, 2024)
        QuantLib.Settings.instance().evaluationDate = self._today
        count = QuantLib.Actual365Fixed()
        self._spot, self._rate, self._dividend, self.volatility = (
            QuantLib.SimpleQuote(0.1) for _ in range(4)
        )
        curves = [
            QuantLib.YieldTermStructureHandle(
                QuantLib.FlatForward(self._today, QuantLib.QuoteHandle(quote), count)
            )
            for quote in (self._dividend, self._rate)
        ]
        surface = QuantLib.BlackVolTermStructureHandle(
            QuantLib.BlackConstantVol(
                self._today, QuantLib.NullCalendar(), QuantLib.QuoteHandle(self.volatility), count
            )
        )
        process = QuantLib.BlackScholesMertonProcess(QuantLib.QuoteHandle(self._spot), *curves, surface)
        self._engine = QuantLib.QdFpAmericanEngine(process, scheme)

    def option(self, table: Table, row: int) -> Any:
        """The contract, priced at the quotes set for it."""
        ql = self._ql
        self._spot.setValue(float(table.spot[row]))
        self._rate.setValue(float(table.rate[row]))
        self._dividend.setValue(float(table.dividend_yield[row]))
        self.volatility.setValue(float(table.volatility[row]))
        kind = ql.Option.Call if table.right[row] == "C" else ql.Option.Put
        payoff = ql.PlainVanillaPayoff(kind, float(table.strike[row]))
        option = ql.VanillaOption(
            payoff, ql.AmericanExercise(self._today, self._today + int(table.days[row]))
        )
        option.setPricingEngine(self._engine)
        return option


def _price_all(table: Table, scheme: str) -> Floats:
    market = _Quantlib(_schemes()[scheme])
    return np.array([market.option(table, row).NPV() for row in range(table.price.size)])


def _imply_all(table: Table) -> list[float]:
    import QuantLib

    market, solver = _Quantlib(_schemes()["fast"]), QuantLib.Brent()
    found = []
    for row in range(table.price.size):
        option, price = market.option(table, row), float(table.price[row])

        def miss(volatility: float, option: Any = option, price: float = price) -> float:
            market.volatility.setValue(volatility)
            return float(option.NPV()) - price

        found.append(float(solver.solve(miss, 1e-6, 0.3, 0.01, 3.0)))
    return found


def american_bars(figures: dict[str, Any]) -> tuple[Bar, ...]:
    """The bars, under the names that they are asked for; what was not measured does not hold."""
    return tuple(
        Bar(
            name=name,
            value=figures.get(name),
            op=op,
            limit=limit,
            strays=abs(figures[name] - figures.get(f"{name} again", figures[name]))
            if name in figures
            else 0.0,
        )
        for name, op, limit in LIMITS
    )
