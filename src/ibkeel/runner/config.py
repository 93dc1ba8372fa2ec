"""What a runner is told: values with their valid ranges."""

import re
from collections.abc import Mapping
from datetime import time
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import attrs

from ibkeel import validators
from ibkeel.errors import ConfigurationError
from ibkeel.model import ExitPolicy, checks
from ibkeel.options import PRESETS
from ibkeel.orders import OrderLimits, RepricePolicy
from ibkeel.risk import ExposureLimits
from ibkeel.runner.schedule import Anchor, OverrunPolicy, Timetable

PROFILES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        # One symbol at a time at a slow pace: 25 cycles in 4 hours, a load that no limit feels.
        "conservative": MappingProxyType(
            {
                "runner.symbols": ("SPY",),
                "runner.interval": 600.0,
                "runner.concurrency": 1,
                "risk.max_open_positions": 1,
            }
        ),
        # Options of this week at the money, bought and sold within a day.
        "growth": MappingProxyType(
            {
                "runner.symbols": ("SPY", "QQQ"),
                "runner.interval": 180.0,
                "runner.concurrency": 2,
                "runner.preset": "standard",
                "runner.end_of_day": "flatten",
                "strategy.name": "scalp",
            }
        ),
        # Fewer entries, into options with time left, that may be held for days.
        "hybrid": MappingProxyType(
            {
                "runner.symbols": ("SPY", "QQQ"),
                "runner.interval": 180.0,
                "runner.concurrency": 2,
                "runner.preset": "strategic",
                "runner.end_of_day": "hold",
                "risk.cooldown": 86400.0,
                "strategy.name": "scalp+whale",
            }
        ),
    }
)
"""What each profile sets, by dotted key; whatever a file or the environment says wins over it."""

_HIGHEST_PORT: Final = 65535
_LONGEST: Final = 23_400.0  # a regular session, in seconds
_REGIONS: Final = ("north america", "europe", "asia pacific")
_MODES: Final = ("DRY_RUN", "PAPER", "LIVE")

# The Gateway writes a share class with a space, such as BRK B.
_TICKER: Final = re.compile(r"[A-Z0-9][A-Z0-9.]*( [A-Z0-9]+)?")
_LIMITS: Final = OrderLimits()


class EndOfDay(checks.Words):
    """What happens to positions before the close."""

    FLATTEN = "flatten"
    HOLD = "hold"

    def ends(self, exits: ExitPolicy) -> bool:
        """Whether a position is to end with the session: its strategy's word wins."""
        return self is EndOfDay.FLATTEN if exits.ends_with_session is None else exits.ends_with_session


# Whoever reads a file names the section before the field.
_valid: Final = partial(validators.valid, error=ConfigurationError, names_class=False)
_number: Final = partial(validators.number, error=ConfigurationError, names_class=False)
_between: Final = partial(validators.between, error=ConfigurationError, names_class=False)


def _above_zero(most: float) -> validators.Validator:
    return _number(f"above 0, up to {most:g}", lambda value: 0 < value <= most)


def _from_zero(most: float) -> validators.Validator:
    return _between(0, most)


def _whole(least: int, most: int) -> validators.Validator:
    return _valid(
        f"a whole number from {least} to {most}",
        lambda value: validators.is_whole(value) and least <= value <= most,
    )


def _anchors(_: object, attribute: "attrs.Attribute[Any]", values: tuple[str, ...]) -> None:
    try:
        tuple(map(Anchor.of, values))
    except ConfigurationError as error:
        raise ConfigurationError(f"{attribute.name} is {values!r}; {error}") from None


def _is_restart(text: str) -> bool:
    at, _, zone = text.partition(" ")
    return not text or (time.fromisoformat(at).tzinfo is None and validators.is_zone(zone))


def _are_symbols(symbols: tuple[str, ...]) -> bool:
    named = all(map(_TICKER.fullmatch, symbols))
    return bool(symbols) and named and len(set(symbols)) == len(symbols)


@attrs.frozen(kw_only=True)
class RunnerConfig:
    """When to look, at what, and which options to take.

    Args:
        profile: Name of the settings that hold where a file says nothing, see `PROFILES`; whoever loads a
            configuration sees to it. None for the defaults.
        symbols: Tickers of stocks and funds, each once.
        interval: Seconds from one cycle to the next.
        first_cycle: Seconds from the open to the first cycle; None for one interval.
        warm_up: Seconds before the open at which bars and chains that the strategy needs begin to be asked
            for, until the first cycle is due; 0 leaves that to the cycles.
        anchors: When there are any, cycles begin at these and at no others: such as `open + 5 min`.
        overrun: Whether a cycle that was due while another was still going begins at once or is left out.
        preset: Name of an option selection rule, see `ibkeel.options.PRESETS`.
        min_dte: Fewest calendar days to expiry; None leaves it to the preset.
        concurrency: Symbols looked at at the same time.
        symbol_gap: Seconds between the starts of two symbols.
        entries_stop_before_close: Seconds before the close from which on nothing is entered.
        end_of_day: Whether positions are closed before the close; options that expire that day always are.
        flatten_before_close: Seconds before the close at which that begins.
        exit_wait: Seconds that an exit or a cancel may take before it is reported as unknown.
        entry_lifetime: Seconds after which an entry that has not filled is cancelled.
        reprice_every: Seconds between two moves of an entry that has not filled, towards the middle of
            the quote and further; None leaves it where it is.
        reprice_reach: How far it goes: 0 to the middle, 1 to the other side.
        reprice_collar: How far it may go from where it began, a fraction of that price.
        greeks_interval: Seconds after which the sensitivities of what is held are asked for again, between
            two cycles; None never asks.
        failures_before_skip: Consecutive data failures after which a symbol is skipped.
        skip_cycles: How many cycles it is skipped.
    """

    profile: str | None = attrs.field(
        default=None, validator=validators.optional(_valid(", ".join(PROFILES), PROFILES.__contains__))
    )
    symbols: tuple[str, ...] = attrs.field(
        default=("SPY",),
        converter=validators.texts,
        validator=_valid(
            "tickers in capitals, each once, at least one; a share class with a space: 'BRK B'", _are_symbols
        ),
    )
    interval: float = attrs.field(
        default=180.0, validator=_number("1 to 23400 seconds", lambda v: 1 <= v <= _LONGEST)
    )
    first_cycle: float | None = attrs.field(default=None, validator=validators.optional(_from_zero(_LONGEST)))
    warm_up: float = attrs.field(default=60.0, validator=_from_zero(_LONGEST))
    anchors: tuple[str, ...] = attrs.field(default=(), converter=validators.texts, validator=_anchors)
    overrun: OverrunPolicy = attrs.field(default=OverrunPolicy.SKIP, converter=OverrunPolicy)
    preset: str = attrs.field(default="standard", validator=_valid(", ".join(PRESETS), PRESETS.__contains__))
    min_dte: int | None = attrs.field(default=None, validator=validators.optional(_whole(0, 1000)))
    concurrency: int = attrs.field(default=1, validator=_whole(1, 50))
    symbol_gap: float = attrs.field(default=0.2, validator=_from_zero(60))
    entries_stop_before_close: float = attrs.field(default=900.0, validator=_from_zero(_LONGEST))
    end_of_day: EndOfDay = attrs.field(default=EndOfDay.FLATTEN, converter=EndOfDay)
    flatten_before_close: float = attrs.field(default=600.0, validator=_above_zero(_LONGEST))
    exit_wait: float = attrs.field(default=60.0, validator=_above_zero(600))
    entry_lifetime: float = attrs.field(default=90.0, validator=_above_zero(_LONGEST))
    reprice_every: float | None = attrs.field(
        default=15.0, validator=validators.optional(_number("1 or more seconds", lambda value: value >= 1))
    )
    reprice_reach: float = attrs.field(default=0.0, validator=_from_zero(1))
    reprice_collar: float = attrs.field(default=0.02, validator=_from_zero(1))
    greeks_interval: float | None = attrs.field(
        default=60.0, validator=validators.optional(_number("1 or more seconds", lambda value: value >= 1))
    )
    failures_before_skip: int = attrs.field(default=3, validator=_whole(1, 100))
    skip_cycles: int = attrs.field(default=2, validator=_whole(0, 100))

    @property
    def timetable(self) -> Timetable:
        """When cycles begin."""
        return Timetable.anchored(
            self.anchors, interval=self.interval, first=self.first_cycle, overrun=self.overrun
        )

    @property
    def repricing(self) -> RepricePolicy:
        """How long an entry waits, and how it follows the market."""
        return RepricePolicy(
            lifetime=self.entry_lifetime,
            every=self.reprice_every,
            reach=self.reprice_reach,
            collar=self.reprice_collar,
        )


@attrs.frozen(kw_only=True)
class RiskConfig:
    """How much may be risked.

    Args:
        risk_fraction: Part of equity that one trade may lose.
        stop_fraction: Part of the premium lost at the stop.
        take_profit_fraction: Gain on the premium at which to sell; None for no profit order.
        max_contracts: Most contracts of one entry.
        max_daily_loss: Part of the session's first equity whose loss stops new entries.
        min_funds: Least available funds for an entry, in the account's currency.
        max_open_positions: Most underlyings at once with a position, those of others included, or a working order of ours.
        cooldown: Seconds between two entries in one symbol, intended ones included.
        max_quote_age: Oldest quote good for an entry, in seconds.
        max_delta: Most delta of all positions and the entry, in shares, long or short; None for no limit.
        max_theta: Most theta of them, account currency a calendar day; None for no limit.
        max_vega: Most vega of them, account currency a volatility point; None for no limit.
    """

    risk_fraction: float = attrs.field(default=0.01, validator=_above_zero(1))
    stop_fraction: float = attrs.field(
        default=0.20, validator=_number("above 0, below 1", lambda v: 0 < v < 1)
    )
    take_profit_fraction: float | None = attrs.field(
        default=None, validator=validators.optional(_above_zero(100))
    )
    max_contracts: int = attrs.field(default=10, validator=_whole(1, 100_000))
    max_daily_loss: float = attrs.field(default=0.15, validator=_above_zero(1))
    min_funds: float = attrs.field(default=500.0, validator=_from_zero(1e12))
    max_open_positions: int = attrs.field(default=5, validator=_whole(1, 10_000))
    cooldown: float = attrs.field(default=1800.0, validator=_from_zero(86400))
    max_quote_age: float = attrs.field(default=15.0, validator=_above_zero(3600))
    max_delta: float | None = attrs.field(default=None, validator=validators.optional(_above_zero(1e12)))
    max_theta: float | None = attrs.field(default=None, validator=validators.optional(_above_zero(1e12)))
    max_vega: float | None = attrs.field(default=None, validator=validators.optional(_above_zero(1e12)))

    @property
    def exposure(self) -> ExposureLimits:
        """How far the portfolio may lean."""
        return ExposureLimits(max_delta=self.max_delta, max_theta=self.max_theta, max_vega=self.max_vega)


@attrs.frozen(kw_only=True)
class StrategyConfig:
    """Which strategy decides.

    Args:
        name: Its registered name.
        params: Its own settings.
    """

    name: str = attrs.field(default="scalp", validator=_valid("the name of a strategy", bool))
    params: Mapping[str, Any] = attrs.field(factory=dict, converter=validators.mapping)


@attrs.frozen(kw_only=True)
class GatewayConfig:
    """Which Gateway, and what may be sent to it.

    Args:
        host: Host name or address.
        port: 4002 paper Gateway, 4001 live Gateway, 7497 paper TWS, 7496 live TWS.
        client_id: Orders are bound to it.
        orders: DRY_RUN sends none; PAPER and LIVE send to that kind of account only.
        live_account: For LIVE: the account id that the Gateway must report; of several accounts the one to
            use, in any mode.
        aliases: Names under which accounts are shown, by their whole ids.
        region: Whose servers, and so when they are reset: `north america`, `europe`, `asia pacific`.
        auto_restart: When the Gateway restarts by itself, such as `23:55 Europe/Berlin`; empty for never.
        market_data_lines: How many the Gateway allows.
    """

    host: str = attrs.field(default="127.0.0.1", validator=checks.host)
    port: int = attrs.field(default=4002, validator=_whole(1, _HIGHEST_PORT))
    client_id: int = attrs.field(default=1, validator=_whole(0, 2**31 - 1))
    orders: str = attrs.field(default="DRY_RUN", validator=_valid(", ".join(_MODES), _MODES.__contains__))
    live_account: str | None = attrs.field(default=None, repr=False)
    aliases: Mapping[str, str] = attrs.field(
        factory=dict, converter=validators.mapping, validator=checks.account_aliases, repr=False
    )
    region: str = attrs.field(
        default=_REGIONS[0], validator=_valid(", ".join(_REGIONS), _REGIONS.__contains__)
    )
    auto_restart: str = attrs.field(
        default="", validator=_valid("a time and a place, such as 23:55 Europe/Berlin, or empty", _is_restart)
    )
    market_data_lines: int = attrs.field(default=100, validator=_whole(1, 10_000))


@attrs.frozen(kw_only=True)
class JournalConfig:
    """Where the journal is.

    Args:
        path: Its file; empty for the state directory's `journal.sqlite`.
    """

    path: str = ""


@attrs.frozen(kw_only=True)
class BotConfig:
    """A whole bot; each field is a section of its file."""

    gateway: GatewayConfig = GatewayConfig()
    runner: RunnerConfig = RunnerConfig()
    risk: RiskConfig = RiskConfig()
    limits: OrderLimits = _LIMITS
    strategy: StrategyConfig = StrategyConfig()
    journal: JournalConfig = JournalConfig()
