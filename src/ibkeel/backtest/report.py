"""What a backtest did: a value with everything in it, told as JSON or as one HTML page.

The page has no script and loads nothing; it is light or dark as the reader has it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final

import attrs

from ibkeel.backtest.figures import Curve, Figures, Trade, lasting
from ibkeel.backtest.pictures import Mark, area_picture, histogram, line_picture
from ibkeel.errors import ConfigurationError
from ibkeel.model.checks import NEW_YORK

_MOST_ROWS: Final = 500
_MOST_MARKS: Final = 150
_NONE: Final = "-"
_ENOUGH: Final = 2  # trades, for a distribution

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5c6877; --paper: #ffffff; --card: #f5f7fa;
  --rule: #d9dfe7; --line: #1f6feb; --win: #1a7f4b; --loss: #c93c37; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #97a3b4; --paper: #12161c;
  --card: #1a2029; --rule: #2d3643; --line: #6ea8fe; --win: #4cc38a; --loss: #f0736d; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.45rem; margin: 0 0 .25rem; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p, li { color: var(--soft); }
svg { display: block; width: 100%; height: auto; background: var(--card); border-radius: 6px; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
.grid { stroke: var(--rule); } .line { fill: none; stroke: var(--line); stroke-width: 1.6; }
.area { fill: var(--loss); fill-opacity: .35; stroke: var(--loss); }
.win { fill: var(--win); } .loss { fill: var(--loss); }
.entry { fill: var(--line); } .mark { stroke: var(--paper); stroke-width: 1; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .5rem; margin-top: 1rem; }
.card { background: var(--card); border-radius: 6px; padding: .6rem .8rem; }
.card b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: .85rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .85rem; }
th, td { text-align: right; padding: .3rem .4rem; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th { color: var(--soft); font-weight: 600; }
td:last-child { white-space: normal; overflow-wrap: anywhere; min-width: 5rem; }
@media (max-width: 42rem) { svg { width: 36rem; } svg text { font-size: 15px; } }
td.gain { color: var(--win); } td.cost { color: var(--loss); }
"""

_PAGE: Final = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
<main>
<h1>$title</h1>
<p>$subtitle</p>
$body
</main>
</body>
</html>
""")

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
    settings: Mapping[str, str] = attrs.field(repr=False)
    symbols: tuple[str, ...]
    first_session: date
    last_session: date
    account: str
    equity: Curve = attrs.field(repr=False)
    prices: Mapping[str, Curve] = attrs.field(repr=False)
    trades: tuple[Trade, ...] = attrs.field(repr=False)
    figures: Figures
    counts: Mapping[str, int] = attrs.field(factory=dict)
    errors: tuple[str, ...] = attrs.field(default=(), repr=False)
    held: tuple[str, ...] = ()
    notes: tuple[str, ...] = attrs.field(default=(), repr=False)

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
        return _page_of(self)

    def save_html(self, path: Path | str) -> None:
        """Write the page to a file.

        Raises:
            ConfigurationError: The file cannot be written.
        """
        try:
            Path(path).write_text(self.to_html(), encoding="utf-8", newline="\n")
        except OSError as error:
            raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error


def _page_of(report: "BacktestReport") -> str:
    sections = [
        _cards(report.figures),
        _drawn("Equity, in dollars", line_picture("Equity over time", report.equity, _dollars)),
        _drawn(
            "Draw-down, from the highest equity so far",
            area_picture("Draw-down over time", report.equity.falls(), _share),
        ),
        *(_prices(symbol, curve, report.trades) for symbol, curve in report.prices.items()),
        _distribution(report.trades),
        _section("Figures", _figures(report)),
        _section("Trades", _trades(report.trades)),
        _list("Still held", report.held),
        _list("Failures that were dealt with", report.errors),
        _list("What this backtest leaves out", report.notes),
        _section("Settings", _table(("setting", "value"), sorted(report.settings.items()))),
    ]
    return _PAGE.substitute(
        title=escape(report.title),
        style=_STYLE,
        subtitle=escape(f"Simulated account {report.account}; times are New York's.{_alarm(report)}"),
        body="\n".join(part for part in sections if part),
    )


def _alarm(report: "BacktestReport") -> str:
    """Who looks at the pictures alone should not take silence for patience."""
    count = report.counts.get("failures", len(report.errors))
    return f" {count:,} looks failed: the failures are listed below." if count else ""


def _cards(figures: Figures) -> str:
    shown = (
        ("net profit", _signed(figures.net_profit)),
        ("return", _share(figures.total_return)),
        ("draw-down", _share(figures.max_drawdown)),
        ("trades", f"{figures.trades:,}"),
        ("won", _NONE if figures.win_rate is None else _share(figures.win_rate)),
        ("commissions", _dollars(figures.commissions)),
    )
    cards = "".join(
        f'<div class="card"><b>{escape(value)}</b><span>{escape(name)}</span></div>' for name, value in shown
    )
    return f'<div class="cards">{cards}</div>'


def _prices(symbol: str, curve: Curve, trades: Sequence[Trade]) -> str:
    if not len(curve):
        return ""
    own = [trade for trade in trades if trade.symbol == symbol]
    largest = sorted(own, key=lambda trade: -abs(trade.profit))[:_MOST_MARKS]
    marks = [mark for trade in largest for mark in _marks(curve, trade)]
    more = f", the {_MOST_MARKS} that moved most of {len(own):,}" if len(own) > _MOST_MARKS else ""
    title = f"Trades on the price of {symbol}{more}"
    picture = line_picture(title, curve, lambda value: f"{value:,.2f}", marks)
    return _drawn(title, picture)


def _marks(curve: Curve, trade: Trade) -> Iterable[Mark]:
    index = curve.index(trade.entered_at)
    text = f"{_clock(trade.entered_at)} {trade.quantity:+g} {trade.name} at {trade.entry_price:.2f}"
    yield Mark(index, float(curve.value[index]), "entry", text)
    if trade.left_at is not None and trade.exit_price is not None:
        index = curve.index(trade.left_at)
        kind = "win" if trade.profit > 0 else "loss"
        text = f"{trade.name}: {trade.cause} at {trade.exit_price:.2f}, {_signed(trade.profit)}"
        yield Mark(index, float(curve.value[index]), kind, text)


def _distribution(trades: Sequence[Trade]) -> str:
    profits = [trade.profit for trade in trades if trade.is_closed]
    if len(profits) < _ENOUGH:
        return ""
    title = "Distribution of the trades' profits, in dollars"
    return _drawn(title, histogram(title, profits, _dollars))


def _figures(report: "BacktestReport") -> str:
    rows = [
        (name.replace("_", " "), figure_text(name, value)) for name, value in report.figures.as_data().items()
    ]
    rows += [(name.replace("_", " "), f"{value:,}") for name, value in report.counts.items()]
    return _table(("figure", "value"), rows)


def figure_text(name: str, value: float | None) -> str:
    """A figure as people read it."""
    if value is None:
        return _NONE
    if name in {"total_return", "max_drawdown", "win_rate"}:
        return _share(value)
    if name in {"longest_drawdown", "average_holding"}:
        return lasting(value)
    if name in {"sharpe", "profit_factor"}:
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _trades(trades: Sequence[Trade]) -> str:
    if not trades:
        return "<p>There were none.</p>"
    heads = ("contract", "quantity", "entered", "at", "left", "at", "by", "profit", "commission")
    rows = [
        (
            trade.name,
            f"{trade.quantity:+g}",
            _clock(trade.entered_at),
            f"{trade.entry_price:.2f}",
            _NONE if trade.left_at is None else _clock(trade.left_at),
            _NONE if trade.exit_price is None else f"{trade.exit_price:.2f}",
            trade.cause or "held",
            _signed(trade.profit),
            f"{trade.commission:.2f}",
        )
        for trade in trades[:_MOST_ROWS]
    ]
    more = f"<p>{len(trades) - _MOST_ROWS:,} more are in the JSON.</p>" if len(trades) > _MOST_ROWS else ""
    return _table(heads, rows) + more


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(_cell(text) for text in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(text: str) -> str:
    kind = ""
    if text.startswith(("+$", "-$")):
        kind = ' class="gain"' if text[0] == "+" else ' class="cost"'
    return f"<td{kind}>{escape(text)}</td>"


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>\n{content}"


def _drawn(title: str, picture: str) -> str:
    """A picture that keeps a readable size on a phone, and can be moved there."""
    return _section(title, f'<div class="wide">{picture}</div>')


def _list(title: str, rows: Sequence[str]) -> str:
    if not rows:
        return ""
    return _section(title, f"<ul>{''.join(f'<li>{escape(row)}</li>' for row in rows)}</ul>")


def _clock(at: datetime) -> str:
    return f"{at.astimezone(NEW_YORK):%Y-%m-%d %H:%M:%S}"


def _dollars(value: float) -> str:
    return f"{'-' if value < 0 else ''}${abs(value):,.2f}".removesuffix(".00")


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'}${abs(value):,.2f}"


def _share(value: float) -> str:
    return f"{value:.2%}"
