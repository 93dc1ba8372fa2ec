"""What a backtest did: a value with everything in it, told as JSON or as one page."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import attrs
from typing_extensions import override

from ibkeel.backtest.curve import Curve
from ibkeel.backtest.figures import Figures
from ibkeel.backtest.page import page_of
from ibkeel.backtest.trades import Trade
from ibkeel.errors import ConfigurationError

_POINTS: Final = 2000


@attrs.frozen(kw_only=True, eq=False)
class BacktestReport:
    """The outcome of one backtest.

    Args:
        strategy: Its name.
        settings: What was set, as text, by dotted key.
        symbols: Tickers.
        first_session: Trading date.
        last_session: The same for one session.
        account: Masked id of the simulated account.
        equity: Worth of the account, in dollars.
        prices: What the underlyings traded at, by ticker.
        trades: Round trips, in the order of their beginnings.
        figures: The table.
        counts: What was counted, such as cycles, signals and orders.
        errors: Failures that were dealt with, as sentences.
        held: What is still held, as sentences.
        notes: What this backtest leaves out.
    """

    strategy: str
    settings: Mapping[str, str]
    symbols: tuple[str, ...]
    first_session: date
    last_session: date
    account: str
    equity: Curve
    prices: Mapping[str, Curve]
    trades: tuple[Trade, ...]
    figures: Figures
    counts: Mapping[str, int] = attrs.field(factory=dict)
    errors: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Strategy, symbols and sessions in a line."""
        span = self.first_session.isoformat()
        if self.last_session != self.first_session:
            span = f"{span} to {self.last_session.isoformat()}"
        return f"{self.strategy} on {', '.join(self.symbols)}, {span}"

    def as_data(self) -> dict[str, Any]:
        """Plain data; a curve of more than 2,000 points is thinned, its extremes kept."""
        return {
            "strategy": self.strategy,
            "settings": dict(self.settings),
            "symbols": list(self.symbols),
            "first_session": self.first_session.isoformat(),
            "last_session": self.last_session.isoformat(),
            "account": self.account,
            "figures": self.figures.as_data(),
            "counts": dict(self.counts),
            "trades": [trade.as_data() for trade in self.trades],
            "equity": self.equity.thinned(_POINTS).rows(),
            "prices": {name: curve.thinned(_POINTS).rows() for name, curve in self.prices.items()},
            "errors": list(self.errors),
            "held": list(self.held),
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """`as_data` as text; equal backtests give equal text."""
        return json.dumps(self.as_data(), indent=2, allow_nan=False)

    def to_html(self) -> str:
        """One page with pictures and tables that loads nothing from elsewhere."""
        return page_of(self)

    def save_html(self, path: Path | str) -> None:
        """Write the page to a file.

        Raises:
            ConfigurationError: The file cannot be written.
        """
        try:
            Path(path).write_text(self.to_html(), encoding="utf-8", newline="\n")
        except OSError as error:
            raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error

    @override
    def __getstate__(self) -> dict[str, Any]:
        """Read-only mappings cannot be pickled; plain ones can."""
        state = {field.name: getattr(self, field.name) for field in attrs.fields(type(self))}
        return {
            name: dict(value) if isinstance(value, MappingProxyType) else value
            for name, value in state.items()
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)
