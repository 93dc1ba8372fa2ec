"""A chain, for a person to look at."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ibkeel.cli.chain import ChainReport
from ibkeel.options import Candidate, Series, dte

_NEW_YORK = ZoneInfo("America/New_York")


def print_chain(console: Console, report: ChainReport) -> None:
    """Print what was found."""
    console.print(Group(*_parts(report)))


def _parts(report: ChainReport) -> Iterator[RenderableType]:
    at, rule = report.at.astimezone(_NEW_YORK), report.options.rule
    price = "" if report.spot is None else f" at {report.spot:.2f}"
    yield f"{report.options.symbol}{price}, {at:%A, %d %B %Y, %H:%M} New York"
    if report.pick is None and not report.options.strikes:
        yield _series(report)
        return
    candidates = report.window if report.pick is None else report.pick.candidates
    if candidates:
        yield _candidates(candidates, report)
    for one in candidates:
        if not one.is_kept:
            yield Text(f"{one.option.strike:f} {rule.right.value}: {_reasons(one)}", style="dim")
    yield _verdict(report, sum(one.is_kept for one in candidates))
    if report.check is not None and not report.check.agrees:
        reasons = "; ".join(one.detail for one in report.check.disagreements)
        yield Text(f"the broker's greeks differ: {reasons}", style="yellow")


def _verdict(report: ChainReport, kept: int) -> Text:
    pick = report.pick
    if pick is None:
        return Text(f"{kept} of {len(report.window)} options will do", style="green" if kept else "yellow")
    forward = f"forward {pick.forward:.2f} by {'parity' if pick.has_parity else 'the spot alone'}"
    spent = f"{pick.quoted} quotes in {pick.waves} waves, {forward}"
    if pick.chosen is None:
        return Text(f"nothing fits; {spent}", style="yellow")
    sure = "" if pick.is_proven else "; one that was not quoted may be nearer"
    return Text(f"{pick.chosen.option}: delta {pick.chosen.delta:.3f}{sure}; {spent}", style="green")


def _reasons(one: Candidate) -> str:
    """In few words: an error of a request tells what to check, which a table of them need not repeat."""
    return "; ".join(
        rejection.detail if one.quote is not None else rejection.kind.value.replace("_", " ")
        for rejection in one.rejections
    )


def _candidates(candidates: tuple[Candidate, ...], report: ChainReport) -> Table:
    option = candidates[0].option
    days = dte(option.expiry, report.today)
    title = f"{option.trading_class} {option.expiry}, {days} days, {option.right.name.lower()}s"
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for name in ("strike", "bid", "ask", "IV", "delta", "volume", "open"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in candidates:
        table.add_row(*_row(one), style="" if one.is_kept else "dim")
    return table


def _row(one: Candidate) -> Iterator[str]:
    yield f"{one.option.strike:f}"
    for figure in ("bid", "ask"):
        yield _number(getattr(one.quote, figure, None), ".2f")
    yield from (_number(one.iv, ".1%"), _number(one.delta, ".3f"))
    for figure in ("volume", "open_interest"):
        yield _number(getattr(one.quote, figure, None), ",.0f")


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _series(report: ChainReport) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, title="listed", title_justify="left", title_style="bold", pad_edge=False
    )
    for name in ("class", "expiry", "DTE", "kind", "settles", "exercise", "last trading day"):
        table.add_column(name, justify="right" if name == "DTE" else "left")
    for series in report.series:
        table.add_row(*_about(series, report))
    return table


def _about(series: Series, report: ChainReport) -> tuple[str, ...]:
    adjusted = " (adjusted)" if series.is_adjusted else ""
    return (
        f"{series.trading_class}{adjusted}",
        f"{series.expiry}",
        f"{dte(series.expiry, report.today)}",
        series.kind.value,
        series.settlement.value.upper(),
        series.exercise.value,
        f"{series.last_trading_day}",
    )
