"""What happened, for a person to look at."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType

from ibkeel.cli.screen import plain, table
from ibkeel.journal import CommissionSeen, Decision, FillSeen, Intent, OrderUpdate, Record, kind_of
from ibkeel.model import Bracket, OrderReport, OrderTicket, OrderType

if TYPE_CHECKING:
    from ibkeel.runner import ErrorSeen, RunReport

_NEW_YORK = ZoneInfo("America/New_York")
_SHOWN_ERRORS = 5
_SHOWN_FIELDS = (
    "symbol", "outcome", "kind", "client_order_id", "state", "message", "reason", "mode", "strategy", "run",
    "detail",
)  # fmt: skip


def print_report(console: Console, report: "RunReport") -> None:
    """Print what a run did."""
    console.print(Group(*body(report)))


def print_records(console: Console, records: Iterable[tuple[int, Record]]) -> None:
    """Print journal records, one a line."""
    lines = table("#", "when (New York)", "what", "text")
    for column in lines.columns[1:]:
        column.justify = "left"
    for number, record in records:
        at = f"{record.at.astimezone(_NEW_YORK):%m-%d %H:%M:%S}"
        lines.add_row(str(number), at, *map(plain, told(record)))
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
        yield plain(f"  {held.signed_quantity:g} {held.contract}: {held.reason}")
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
    return f"{error.at.astimezone(_NEW_YORK):%H:%M:%S}", error.kind, error.message


def _flatness(report: "RunReport") -> str:
    if report.held is None:
        return "what is held could not be read: look at the account"
    return "still held:" if report.held else "flat: nothing is held"


def told(record: Record) -> tuple[str, str]:
    """What a record is and what it says, in words."""
    if isinstance(record, Intent):
        return f"{record.purpose.value} intent", _order_text(record.order)
    if isinstance(record, FillSeen):
        fill = record.execution
        return "fill", f"{fill.side.value} {fill.quantity:.10g} {fill.contract} at {fill.price:.10g}"
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


def _report_text(report: OrderReport) -> str:
    """Contract, state and reason of what the venue said."""
    price = report.limit_price if report.limit_price is not None else report.stop_price
    order = f"{report.side.value} {report.quantity:g} {report.contract} {report.order_type}"
    at = "" if price is None else f" {price}"
    filled = f", {report.filled:g} filled" if report.filled else ""
    reason = f": {report.reason}" if report.reason else ""
    return f"{order}{at}: {report.state.value}{filled}{reason}"


def _order_text(order: OrderTicket | Bracket) -> str:
    entry = order.entry if isinstance(order, Bracket) else order
    price = "at the market" if entry.order_type is OrderType.MKT else f"at {entry.limit_price}"
    text = f"{entry.side.value} {entry.quantity} {entry.contract} {price}"
    if isinstance(order, Bracket):
        text += f", stop {order.stop_loss}"
        text += f", take profit {order.take_profit}" if order.take_profit else ""
    return text
