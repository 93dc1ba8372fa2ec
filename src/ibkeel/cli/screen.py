"""What commands show: how they get on, and what others said, neither markup nor commands to the terminal."""

import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import attrs
import click
from rich import box
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from ibkeel.model import checks
from ibkeel.telemetry.redaction import printable, redact

if TYPE_CHECKING:
    from ibkeel.journal import Record
    from ibkeel.model import Bracket, OrderReport, OrderTicket, Quote
    from ibkeel.runner import ErrorSeen, RunReport
    from ibkeel.runner import Progress as Cycles

NEW_YORK: Final = checks.NEW_YORK
DATE: Final = click.DateTime(formats=["%Y-%m-%d"])
CLOCK: Final = click.DateTime(formats=["%H:%M"])
AS_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_SHOWN_ERRORS = 5
_SHOWN_FIELDS = (
    "symbol", "outcome", "kind", "client_order_id", "state", "message", "reason", "mode", "strategy", "run",
    "detail",
)  # fmt: skip


def host_name(_: click.Context, option: click.Parameter, text: str | None) -> str | None:
    """A host that was typed; ConfigurationError when it can be none."""
    if text is not None:
        checks.host(None, option, text)
    return text


class Number(click.FloatRange):
    """A number in a range that was typed; `nan` is in none."""

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


def web_address(host: str, port: int) -> str:
    """Where a browser finds what listens there."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def announce(line: str) -> None:
    """News of a long-running command, beside its output."""
    click.echo(printable(line), err=True)


@attrs.frozen(kw_only=True)
class Screen:
    """Where a long-running command tells how it gets on."""

    advance: "Callable[[Cycles], None] | None" = None
    announce: Callable[[str], None]


@contextmanager
def bar(what: str, console: Console | None = None) -> Iterator[Callable[[float, str], None]]:
    """A bar on the terminal's error stream; none when that is no terminal."""
    console = console or Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(what, total=1.0, text="")
        yield lambda part, text: bars.update(task, completed=part, text=text)


def part_of(cycles: "Cycles") -> float:
    """How much of its session is over."""
    session = cycles.session
    return (cycles.now - session.opens_at) / (session.closes_at - session.opens_at)


@contextmanager
def progress(what: str) -> Iterator[Screen]:
    """A bar on the terminal's error stream, and room for news above it; no bar when that is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Screen(announce=announce)
        return
    with bar(what, console) as update:

        def advance(cycles: "Cycles") -> None:
            if cycles.warmed is not None:
                update(0.0, f"warming up, {cycles.warmed} of {cycles.symbols}")
                return
            now = cycles.now.astimezone(NEW_YORK)
            update(part_of(cycles), f"{now:%H:%M} New York, cycle {cycles.cycles}")

        yield Screen(
            advance=advance,
            announce=lambda line: console.print(plain(line), soft_wrap=True, highlight=False),
        )


def unbroken(console: Console) -> Console:
    """A console that breaks no line where nobody looks: what follows a pipe goes by lines."""
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = 10_000
    return console


def plain(text: str, style: str = "") -> Text:
    """The text as it stands, whatever brackets and control characters are in it."""
    return Text(printable(text), style)


def table(*columns: str, title: str = "", justify: JustifyMethod = "right") -> Table:
    """A table whose first column is words, and the others figures, or words when they are justified to the left."""
    table = Table(
        box=box.SIMPLE_HEAD, title=title or None, title_justify="left", title_style="bold", pad_edge=False
    )
    for number, column in enumerate(columns):
        table.add_column(column, justify=justify if number else "left")
    return table


def print_report(console: Console, report: "RunReport") -> None:
    """Print what a run did."""
    console.print(Group(*body(report)))


def print_records(console: Console, records: Iterable["tuple[int, Record]"]) -> None:
    """Print journal records, one a line."""
    lines = table("#", "when (New York)", "what", "text", justify="left")
    for number, record in records:
        at = f"{record.at.astimezone(NEW_YORK):%m-%d %H:%M:%S}"
        lines.add_row(str(number), at, *(plain(redact(words)) for words in told(record)))
    console.print(lines)


def body(report: "RunReport") -> Iterator[RenderableType]:
    """What a run did, part by part."""
    rows = table("symbol", "cycles", "signals", "intents", "failed", "skipped")
    for symbol, row in report.symbols.items():
        figures = (row.cycles, row.signals, row.intents, row.failures, row.skipped)
        rows.add_row(symbol, *map(str, figures))
    yield rows
    latency = table("request", "count", "median s", "95 % s", "longest s")
    for kind, figures_of in report.latencies.items():
        seconds = (figures_of.median, figures_of.p95, figures_of.longest)
        latency.add_row(kind, str(figures_of.count), *(f"{value:.3f}" for value in seconds))
    yield latency
    sent = f"{report.orders_sent} sent" if report.orders_sent else "none sent"
    orders = f"{report.intents} intents, {report.orders} orders ({sent}), {report.fills} fills"
    yield f"{report.cycles} cycles, {report.signals} signals, {orders}"
    yield _flatness(report)
    for held in report.held or ():
        yield plain(f"  {held.signed_quantity:.10g} {held.contract}: {held.reason}")
    yield f"{len(report.errors)} errors, {report.timeouts} of them timeouts"
    alike = [(key, list(group)) for key, group in groupby(report.errors, key=_what_is_told)]
    for (time, kind, message), group in alike[:_SHOWN_ERRORS]:
        symbols = ", ".join(dict.fromkeys(error.symbol for error in group if error.symbol))
        times = f" ({len(group)} times)" if len(group) > 1 else ""
        yield plain(f"  {time} {symbols + ' ' if symbols else ''}{kind}{times}: {message}")
    if len(alike) > _SHOWN_ERRORS:
        yield f"  and {sum(len(group) for _, group in alike[_SHOWN_ERRORS:])} more in the journal"


def _what_is_told(error: "ErrorSeen") -> tuple[str, str, str]:
    """Errors of the same second that say the same are told once."""
    return f"{error.at.astimezone(NEW_YORK):%H:%M:%S}", error.kind, error.message


def _flatness(report: "RunReport") -> str:
    if report.held is None:
        return "what is held could not be read: look at the account"
    return "still held:" if report.held else "flat: nothing is held"


def told(record: "Record") -> tuple[str, str]:
    """What a record is and what it says, in words."""
    from ibkeel.journal import (  # many a command shows no journal
        CommissionSeen,
        Decision,
        FillSeen,
        Intent,
        OrderUpdate,
        QuoteSeen,
        kind_of,
    )

    if isinstance(record, Intent):
        return f"{record.purpose.value} intent", _order_text(record.order)
    if isinstance(record, FillSeen):
        fill = record.execution
        return "fill", f"{fill.side.value} {fill.quantity:.10g} {fill.contract} at {fill.price:.10g}"
    if isinstance(record, QuoteSeen):
        return "quote seen", _quote_text(record.quote)
    if isinstance(record, CommissionSeen):
        return "commission", f"{record.commission:.10g} for fill {record.exec_id}"
    if isinstance(record, OrderUpdate):
        return "order update", _report_text(record.report)
    fields = [f"{name}={value}" for name in _SHOWN_FIELDS if (value := getattr(record, name, None))]
    if isinstance(record, Decision) and (reasons := record.reasons or record.signal.reasons):
        fields.append(f"because {listed(reasons)}")
    return kind_of(record).replace("_", " "), " ".join(fields)


def listed(reasons: Iterable[object]) -> str:
    """Reasons in one line."""
    return "; ".join(map(str, reasons))


def _quote_text(quote: "Quote") -> str:
    sides = (quote.bid, quote.ask, quote.last)
    bid, ask, last = ("-" if side is None else f"{side:.10g}" for side in sides)
    return f"{quote.contract} {bid} x {ask}, last {last}"


def _report_text(report: "OrderReport") -> str:
    price = report.limit_price if report.limit_price is not None else report.stop_price
    order = f"{report.side.value} {report.quantity:.10g} {report.contract} {report.order_type}"
    at = "" if price is None else f" {price}"
    filled = f", {report.filled:.10g} filled" if report.filled else ""
    reason = f": {report.reason}" if report.reason else ""
    return f"{order}{at}: {report.state.value}{filled}{reason}"


def _order_text(order: "OrderTicket | Bracket") -> str:
    from ibkeel.model import Bracket

    entry = order.entry if isinstance(order, Bracket) else order
    text = f"{entry.side.value} {entry.quantity} {entry.contract} {entry.terms}"
    if isinstance(order, Bracket):
        text += f", stop {order.stop_loss}"
        text += f", take profit {order.take_profit}" if order.take_profit else ""
    return text
