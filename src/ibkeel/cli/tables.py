"""What happened, for a person to look at."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from ibkeel.cli.demo import DemoResult
from ibkeel.cli.screen import plain
from ibkeel.journal import CommissionSeen, Decision, FillSeen, Intent, Journal, OrderUpdate, Record, kind_of
from ibkeel.model import Bracket, OrderReport, OrderTicket, OrderType
from ibkeel.runner import ErrorSeen, RunReport
from ibkeel.sim import Scenario

_NEW_YORK = ZoneInfo("America/New_York")
_SHOWN_ERRORS = 5
_SHOWN_ORDERS = 20
_SHOWN_FIELDS = (
    "symbol", "outcome", "kind", "client_order_id", "state", "message", "reason", "mode", "strategy", "run",
    "detail",
)  # fmt: skip


def _table(*columns: str, title: str = "") -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, title=title or None, title_justify="left", title_style="bold", pad_edge=False
    )
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _facts(rows: Iterable[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    for name, value in rows:
        table.add_row(name, value)
    return table


def print_demo(console: Console, result: DemoResult) -> None:
    """Print a demo's summary."""
    options, report = result.options, result.report
    source = f"recorded in {options.replay}" if options.replay else f"simulated, seed {options.seed}"
    lines = f"at most {result.max_open_lines} market data lines, {result.open_lines_at_end} left open"
    head = _facts(
        [
            ("session", f"{result.session_date:%A, %d %B %Y}, {source}"),
            (
                "strategy",
                f"{options.strategy} on {', '.join(options.symbols)}; orders: {options.orders.value}",
            ),
            ("time", f"{result.virtual_seconds / 3600:.1f} hours of market in {result.wall_seconds:.1f} s"),
            (
                "gateway",
                f"{result.requests:,} requests, {result.pacing_violations} pacing violations, {lines}",
            ),
            *([("found", ", ".join(f"{k} {v}" for k, v in result.found.items()))] if result.found else []),
        ]
    )
    title = f"phase: {options.phase.what}" if options.phase else "ibkeel demo"
    console.print(Panel(head, title=title, title_align="left", border_style=_colour(report)))
    with Journal.open(options.journal, read_only=True) as journal:
        # By number, not by time: the venue stamps fills to the second.
        entries = sorted((*journal.events(Intent), *journal.events(FillSeen)), key=attrgetter("seq"))
        records = [entry.record for entry in entries]
        silent = list(_without_signal(journal, report))
    console.print(Group(*_body(report), *silent, *_faults(result), *_orders(records)))
    console.print(f"journal: {options.journal}", soft_wrap=True, highlight=False)
    console.print(
        f"read it: ibkeel journal show {options.journal}", soft_wrap=True, style="dim", highlight=False
    )


def print_scenarios(console: Console, scenarios: Iterable[Scenario]) -> None:
    """Print what can go wrong: name, title and kinds of faults."""
    table = _table("name", "what happens", "faults")
    for column in table.columns:
        column.justify = "left"
    for each in scenarios:
        kinds = Counter(fault.kind for fault in each.faults)
        told = (kind if count == 1 else f"{kind} x{count}" for kind, count in kinds.items())
        table.add_row(each.name, each.title, ", ".join(told) or "none")
    console.print(table)


def print_report(console: Console, report: RunReport) -> None:
    """Print what a run did."""
    console.print(Group(*_body(report)))


def print_records(console: Console, records: Iterable[tuple[int, Record]]) -> None:
    """Print journal records, one a line."""
    table = _table("#", "when (New York)", "what", "text")
    for column in table.columns[1:]:
        column.justify = "left"
    for number, record in records:
        at = f"{record.at.astimezone(_NEW_YORK):%m-%d %H:%M:%S}"
        table.add_row(str(number), at, *map(plain, told(record)))
    console.print(table)


def _colour(report: RunReport) -> str:
    return "yellow" if report.errors or report.held != () else "green"


def _body(report: RunReport) -> Iterator[RenderableType]:
    table = _table("symbol", "cycles", "signals", "intents", "failed", "skipped")
    for symbol, row in report.symbols.items():
        figures = (row.cycles, row.signals, row.intents, row.failures, row.skipped)
        table.add_row(symbol, *map(str, figures))
    yield table
    latency = _table("request", "count", "median s", "95 % s", "longest s")
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


def _without_signal(journal: Journal, report: RunReport) -> Iterator[RenderableType]:
    """Why a symbol had no signal: the facts of its last decision."""
    last = {entry.record.symbol: entry.record for entry in journal.events(Decision)}  # type: ignore[union-attr]
    for symbol, row in report.symbols.items():
        decision = last.get(symbol)
        if not row.signals and isinstance(decision, Decision) and decision.signal.reasons:
            yield plain(f"{symbol} had no signal; at the end: {_listed(decision.signal.reasons)}")


def _what_is_told(error: ErrorSeen) -> tuple[str, str, str]:
    """Errors of the same second that say the same are told once."""
    return f"{error.at.astimezone(_NEW_YORK):%H:%M:%S}", error.kind, error.message


def _faults(result: DemoResult) -> Iterator[RenderableType]:
    faults = result.faults
    if not faults:
        return
    yield f"the faults below explain {len(result.report.errors) - len(result.unexplained)} of the errors"
    table = _table("fault", "at", "noticed after", "well again after", title="What the Gateway suffered")
    for fault in faults[:_SHOWN_ORDERS]:
        at = f"{fault.at.astimezone(_NEW_YORK):%H:%M:%S}"
        table.add_row(fault.kind, at, _after(fault.detected_after), _after(fault.recovered_after))
    yield table


def _after(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"


def _flatness(report: RunReport) -> str:
    if report.held is None:
        return "what is held could not be read: look at the account"
    return "still held:" if report.held else "flat: nothing is held"


def _orders(records: Iterable[Record]) -> Iterator[RenderableType]:
    rows = list(records)
    if not rows:
        return
    table = _table("time", "what", "order", title="Orders")
    for column in table.columns:
        column.justify = "left"
    for record in rows[:_SHOWN_ORDERS]:
        table.add_row(f"{record.at.astimezone(_NEW_YORK):%H:%M:%S}", *map(plain, told(record)))
    if len(rows) > _SHOWN_ORDERS:
        table.add_row("", "", f"and {len(rows) - _SHOWN_ORDERS} more in the journal")
    yield table


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
        fields.append(f"because {_listed(reasons)}")
    return kind_of(record).replace("_", " "), " ".join(fields)


def _listed(reasons: Iterable[object]) -> str:
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
