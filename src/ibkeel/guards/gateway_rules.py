"""The Gateway's documented limits, as pacing rules."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from ibkeel.errors import InvalidInput
from ibkeel.resilience import Request, Rule, everything

LEAST_LINES: Final = 100
"""Market data lines that every account has. Source: TWS API, "Market Data Lines"."""


class Ask(StrEnum):
    """Kinds of request that a limit names; any other text is a message like all."""

    HISTORY = "history"
    HEAD_TIMESTAMP = "head timestamp"
    MARKET_DATA = "market data"
    TICK_BY_TICK = "tick by tick"
    REAL_TIME_BARS = "real-time bars"
    SCANNER = "scanner"
    DEPTH = "depth"
    ACCOUNT_SUMMARY = "account summary"
    MATCHING_SYMBOLS = "matching symbols"


_DOCS: Final = "TWS API, "
_BARS: Final = frozenset({Ask.HISTORY, Ask.HEAD_TIMESTAMP})
_PACED: Final = _BARS | {Ask.REAL_TIME_BARS}


def _weight(request: Request) -> int:
    return 2 if request.feed == "BID_ASK" else 1


def _of(*kinds: Ask) -> Callable[[Request], str | None]:
    """Counts requests of some kinds together."""
    return lambda request: "" if request.kind in kinds else None


def _open(name: str, limit: int, source: str, *kinds: Ask) -> Rule:
    return Rule(name=name, limit=limit, seconds=None, source=_DOCS + source, key=_of(*kinds))


def _history(*, pace_long_bars: bool) -> tuple[Rule, ...]:
    source = _DOCS + '"Pacing Violations for Small Bars (30 secs or less)"'

    def is_strict(request: Request) -> bool:
        # Long bars are marked bulky; the server slows them down itself.
        return request.kind in _PACED and (pace_long_bars or not request.is_bulky)

    def identical(request: Request) -> str | None:
        return request.identity or None if request.kind in _BARS and is_strict(request) else None

    def same_contract(request: Request) -> tuple[str, str] | None:
        return (request.subject, request.feed) if is_strict(request) else None

    def all_together(request: Request) -> str | None:
        return "" if is_strict(request) else None

    return (
        Rule(name="identical history", limit=1, seconds=15.0, source=source, key=identical),
        # "Six or more" within two seconds is a breach, so five are allowed.
        Rule(
            name="history of a contract",
            limit=5,
            seconds=2.0,
            source=source,
            key=same_contract,
            weight=_weight,
        ),
        Rule(name="history", limit=60, seconds=600.0, source=source, key=all_together, weight=_weight),
    )


def _open_ones(lines: int) -> tuple[Rule, ...]:
    ticks, on_lines = Ask.TICK_BY_TICK, (Ask.MARKET_DATA, Ask.REAL_TIME_BARS, Ask.TICK_BY_TICK)
    return (
        _open("open history", 50, '"Historical Data Limitations"', *_BARS),
        _open("open tick by tick", max(1, lines // 20), '"Tick-by-Tick Data": 5 % of the lines', ticks),
        _open("open scanner", 10, '"Market Scanner"', Ask.SCANNER),
        _open("open depth", 3, "error code 309", Ask.DEPTH),
        _open("open account summary", 2, '"Account Summary"', Ask.ACCOUNT_SUMMARY),
        _open("market data lines", lines, "error code 101", *on_lines),
    )


def _spaced() -> tuple[Rule, ...]:
    def instrument(request: Request) -> str | None:
        return request.subject if request.kind == Ask.TICK_BY_TICK else None

    ticks, search = _DOCS + '"Tick-by-Tick Data"', _DOCS + '"Stock Symbol Search"'
    return (
        Rule(name="tick by tick of an instrument", limit=1, seconds=15.0, source=ticks, key=instrument),
        Rule(name="matching symbols", limit=1, seconds=1.0, source=search, key=_of(Ask.MATCHING_SYMBOLS)),
    )


def gateway_rules(
    *,
    lines: int = 100,
    share: int | None = None,
    order_reserve: int = 6,
    closing_reserve: int = 1,
    pace_long_bars: bool = True,
) -> tuple[Rule, ...]:
    """The limits of one connection, from the narrowest to the broadest.

    Rules of your own, such as one per symbol, go in front: `Pacer([mine, *gateway_rules()])`.
    A request that counts for a contract bears contract and exchange in its `subject`, the tick type
    in its `feed`; one that can be identical to another bears all its arguments in its `identity`.

    Args:
        lines: Market data lines of the account; half of them is the number of messages a second.
        share: Lines that this connection may use, where others use the same login; None: all.
        order_reserve: Messages of each second that only orders and cancels may use.
        closing_reserve: Messages of those that only cancels and closing orders may use.
        pace_long_bars: Whether bars of one minute and more keep the limits of small bars too; the
            documentation lifts them there, and slows such requests down instead.

    Raises:
        InvalidInput: `lines` is below 100, the least that an account has.

    Source:
        TWS API, "Pacing Limitations" and the pages that each rule names.
    """
    if lines < LEAST_LINES:
        raise InvalidInput(
            f"{lines} market data lines; valid: at least {LEAST_LINES}, which every account has"
        )
    messages = Rule(
        name="messages",
        limit=lines // 2,
        seconds=1.0,
        source=_DOCS + '"Pacing Limitations": half the market data lines each second',
        key=everything,
        order_reserve=order_reserve,
        closing_reserve=closing_reserve,
    )
    own = lines if share is None else min(share, lines)
    return (*_history(pace_long_bars=pace_long_bars), *_spaced(), *_open_ones(own), messages)
