"""The command `ibkeel chain`, and a chain for a person to look at."""

import json
import re
from collections.abc import Iterator
from datetime import time
from typing import Any

import click
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ibkeel.cli.app import ExitCode
from ibkeel.cli.chain import ANY_SPREAD, Address, ChainOptions, ChainReport, Rehearsal, look
from ibkeel.cli.screen import AS_JSON, CLOCK, DATE, NEW_YORK, Number, host_name, plain, table, unbroken
from ibkeel.model import Right
from ibkeel.options import Candidate, DeltaRule, LiquidityRule, Series, SeriesKind, dte


def _days(_: click.Context, __: click.Parameter, value: str) -> tuple[int, int]:
    """`30..60`, or one number for both ends."""
    match = re.fullmatch(r"(\d{1,4})(?:\.\.(\d{1,4}))?", value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no range of days; valid: 30..60, or 45")
    least = int(match[1])
    most = int(match[2] or match[1])
    if most < least:
        raise click.BadParameter(f"{value!r} is the wrong way round; valid: {most}..{least}")
    return least, most


def _share(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """`10%` or `0.1`."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)(%?)", value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no share; valid: 10% or 0.1")
    share = float(match[1]) / (100 if match[2] else 1)
    if share > ANY_SPREAD:
        raise click.BadParameter(f"{value!r} is {share:.0%}, more than a spread can be; valid: 10% or 0.1")
    return share


@click.command()
@click.argument("symbol")
@click.option(
    "--dte",
    callback=_days,
    metavar="A..B",
    default="30..60",
    show_default=True,
    help="Calendar days to expiry.",
)
@click.option("--target-dte", type=click.IntRange(0), help="Days to come nearest to. [default: the middle]")
@click.option(
    "--right",
    type=click.Choice([right.value for right in Right], case_sensitive=False),
    default="P",
    show_default=True,
)
@click.option(
    "--delta",
    type=Number(0, 1, min_open=True, max_open=True),
    help="Find the option of this delta, without sign.",
)
@click.option(
    "--within", type=Number(0, 1), metavar="DELTA", help="Farthest from --delta that will do, such as 0.05."
)
@click.option("--strikes", type=click.IntRange(1, 100), help="Quote so many strikes around the price.")
@click.option(
    "--max-spread", callback=_share, metavar="SHARE", help="Widest spread, of the middle: 10% or 0.1."
)
@click.option("--min-volume", type=click.IntRange(0), default=0, help="Fewest contracts traded today.")
@click.option("--min-open-interest", type=click.IntRange(0), default=0, help="Fewest contracts open.")
@click.option(
    "--kind",
    "kinds",
    type=click.Choice([kind.value for kind in SeriesKind]),
    multiple=True,
    help="Kind of series; may be repeated.",
)
@click.option(
    "--index", "is_index", is_flag=True, help="SYMBOL is an index, though a stock may have the same."
)
@click.option("--class", "trading_class", metavar="NAME", help="Trading class, such as SPXW.")
@click.option(
    "--rate",
    type=Number(-1, 1),
    default=0.0,
    show_default=True,
    help="Interest a year, a fraction, for forward and delta.",
)
@click.option("--delayed", is_flag=True, help="Take delayed and frozen prices too.")
@click.option("--host", callback=host_name, help="Ask a Gateway on this host. [default: simulate one]")
@click.option("--port", type=click.IntRange(1, 65535), help="Its port; 4002 is a paper Gateway's.")
@click.option(
    "--client-id", type=click.IntRange(0), default=77, show_default=True, help="With --host or --port."
)
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Of the simulated market.")
@click.option("--date", "day", type=DATE, help="Simulated trading date, YYYY-MM-DD.")
@click.option("--at", type=CLOCK, default="11:00", show_default=True, help="Simulated New York time.")
@AS_JSON
def chain(**given: Any) -> None:
    """Show what is listed on SYMBOL, or find the option of a wanted delta with a dozen quotes."""
    report = look(_options(given))
    if given["as_json"]:
        click.echo(json.dumps(report.as_data(), indent=2))
    else:
        _print_chain(unbroken(Console()), report)
    if report.is_empty:
        raise click.exceptions.Exit(ExitCode.FOUND)


def _options(given: dict[str, Any]) -> ChainOptions:
    if given["delta"] is not None and given["strikes"] is not None:
        raise click.UsageError("--delta and --strikes exclude each other")
    if given["within"] is not None and given["delta"] is None:
        raise click.UsageError("--within goes with --delta")
    least, most = given["dte"]
    liquidity = _liquidity(given)
    if liquidity is not None and given["delta"] is None and given["strikes"] is None:
        raise click.UsageError(
            "--max-spread, --min-volume and --min-open-interest go with --delta or --strikes"
        )
    rule = DeltaRule(
        delta=0.30 if given["delta"] is None else given["delta"],
        right=Right(given["right"]),
        min_dte=least,
        max_dte=most,
        target_dte=given["target_dte"],
        kinds=given["kinds"],
        rate=given["rate"],
        liquidity=liquidity,
        live_only=not given["delayed"],
        max_error=given["within"],
    )
    return ChainOptions(
        symbol=given["symbol"].upper(),
        rule=rule,
        has_target=given["delta"] is not None,
        strikes=given["strikes"] or 0,
        trading_class=given["trading_class"],
        is_index=given["is_index"],
        where=_where(given),
    )


def _liquidity(given: dict[str, Any]) -> LiquidityRule | None:
    spread = given["max_spread"]
    if spread is None and not (given["min_volume"] or given["min_open_interest"]):
        return None
    return LiquidityRule(
        min_volume=given["min_volume"],
        min_open_interest=given["min_open_interest"],
        max_relative_spread=ANY_SPREAD if spread is None else spread,
        max_absolute_spread=0.0,
    )


def _where(given: dict[str, Any]) -> Address | Rehearsal:
    if given["host"] is None and given["port"] is None:
        at = given["at"]
        day = None if given["day"] is None else given["day"].date()
        return Rehearsal(seed=given["seed"], day=day, at=time(at.hour, at.minute))
    return Address(
        host=given["host"] or "127.0.0.1", port=given["port"] or 4002, client_id=given["client_id"]
    )


def _print_chain(console: Console, report: ChainReport) -> None:
    console.print(Group(*_parts(report)))


def _parts(report: ChainReport) -> Iterator[RenderableType]:
    at, rule = report.at.astimezone(NEW_YORK), report.options.rule
    price = "" if report.spot is None else f" at {report.spot:.2f}"
    if report.spot is None and report.close is not None:
        price = f", no price now, closed at {report.close:.2f}"
    yield f"{report.options.symbol}{price}, {at:%A, %d %B %Y, %H:%M} New York"
    if report.pick is None and not report.window:
        yield _series(report)
        return
    candidates = report.window if report.pick is None else report.pick.candidates
    if candidates:
        yield _candidates(candidates, report)
    for one in candidates:
        if not one.is_kept:
            yield plain(f"{one.option.strike:f} {rule.right.value}: {_reasons(one)}", "dim")
    yield _verdict(report, sum(one.is_kept for one in candidates))
    if report.check is not None and not report.check.agrees:
        reasons = "; ".join(one.detail for one in report.check.disagreements)
        yield plain(f"the broker's greeks differ: {reasons}", "yellow")


def _verdict(report: ChainReport, kept: int) -> Text:
    pick = report.pick
    if pick is None:
        return Text(f"{kept} of {len(report.window)} options will do", style="green" if kept else "yellow")
    forward = f"forward {pick.forward:.2f} by {'parity' if pick.has_parity else 'the spot alone'}"
    spent = f"{pick.quoted} quotes in {pick.waves} waves, {forward}"
    if pick.chosen is None:
        return plain(f"nothing fits; {spent}", "yellow")
    sure = "" if pick.is_proven else "; one that was not quoted may be nearer"
    return plain(f"{pick.chosen.option}: delta {pick.chosen.delta:.3f}{sure}; {spent}", "green")


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
    rows = Table(
        box=box.SIMPLE_HEAD, title=plain(title), title_justify="left", title_style="bold", pad_edge=False
    )
    for name in ("strike", "bid", "ask", "IV", "delta", "volume", "open"):
        rows.add_column(name, justify="right", no_wrap=True)
    for one in candidates:
        rows.add_row(*_row(one), style="" if one.is_kept else "dim")
    return rows


def _row(one: Candidate) -> Iterator[str]:
    yield f"{one.option.strike:f}"
    for figure in ("bid", "ask"):
        yield _number(getattr(one.quote, figure, None), ".2f")
    yield from (_number(one.iv, ".1%"), _number(one.delta, ".3f"))
    for figure in ("volume", "open_interest"):
        yield _number(getattr(one.quote, figure, None), ",.0f")


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _series(report: ChainReport) -> RenderableType:
    if not report.series:
        there = ", ".join(map(str, report.listed)) or "none"
        return plain(f"no expiry fits --dte, --kind and --class; listed are {there}", "yellow")
    names = ("class", "expiry", "DTE", "kind", "settles", "exercise", "last trading day")
    rows = table(*names, title="listed", justify="left")
    rows.columns[names.index("DTE")].justify = "right"
    for series in report.series:
        rows.add_row(*map(plain, _about(series, report)))
    return rows


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
