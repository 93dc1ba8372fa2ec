"""What settings of different sections must keep to together."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import attrs

from ibkeel.errors import InvalidInput, UnknownStrategy
from ibkeel.runner.config import BotConfig, StrategyConfig
from ibkeel.strategy import default_registry

# Source: TWS API, "Initial Setup": default socket ports. Any other port says nothing.
_PORTS: Final[Mapping[int, str]] = {4001: "LIVE", 4002: "PAPER", 7496: "LIVE", 7497: "PAPER"}


@attrs.frozen(kw_only=True)
class Clash:
    """Settings that are good one by one and not together.

    Args:
        key: The one to change, dotted.
        value: What it is.
        others: Keys that it is held against; of a key with a problem of its own nothing is said.
        valid: What is wrong, and what is valid.
    """

    key: str
    value: object
    others: tuple[str, ...] = ()
    valid: str


Found = Iterator[Clash]


def clashes(config: BotConfig) -> tuple[Clash, ...]:
    """Everything in a configuration that does not fit together."""
    return tuple(clash for rule in _RULES for clash in rule(config))


def _two_yeses(config: BotConfig) -> Found:
    gateway = config.gateway
    if gateway.orders == "LIVE" and not gateway.live_account:
        yield Clash(
            key="gateway.live_account",
            value=gateway.live_account,
            others=("gateway.orders",),
            valid="orders is LIVE, which also needs live_account, the account's id (or IBKEEL_GATEWAY__LIVE_ACCOUNT)",
        )


def _port_fits(config: BotConfig) -> Found:
    gateway = config.gateway
    trades = _PORTS.get(gateway.port, gateway.orders)
    if gateway.orders not in {"DRY_RUN", trades}:
        mine = [str(port) for port, mode in _PORTS.items() if mode == gateway.orders]
        yield Clash(
            key="gateway.port",
            value=gateway.port,
            others=("gateway.orders",),
            valid=f"that port is of {trades} trading and orders is {gateway.orders}; valid: {' or '.join(mine)}, or a "
            "port of your own",
        )


def _entries_stop_before_positions_are_closed(config: BotConfig) -> Found:
    runner = config.runner
    if runner.entries_stop_before_close < runner.flatten_before_close:
        yield Clash(
            key="runner.entries_stop_before_close",
            value=runner.entries_stop_before_close,
            others=("runner.flatten_before_close",),
            valid=f"entries must stop before positions are closed; valid: {runner.flatten_before_close:g} or more",
        )


def _one_trade_fits_into_a_day(config: BotConfig) -> Found:
    risk = config.risk
    if risk.risk_fraction > risk.max_daily_loss:
        yield Clash(
            key="risk.risk_fraction",
            value=risk.risk_fraction,
            others=("risk.max_daily_loss",),
            valid=f"one trade may lose more than a day; valid: up to {risk.max_daily_loss:g}",
        )


def _limited_greeks_are_read(config: BotConfig) -> Found:
    if config.runner.greeks_interval is not None:
        return
    for figure, limit in config.risk.exposure.set_limits():
        yield Clash(
            key="runner.greeks_interval",
            value=None,
            others=(f"risk.max_{figure}",),
            valid=f"{figure} is limited to {limit:g} and would never be known: every entry would be refused; "
            "valid: 1 or more seconds",
        )
        return


def strategy_clashes(config: BotConfig) -> Found:
    """What is wrong with the strategy's name or settings, as far as the registry knows it."""
    named = config.strategy
    try:
        default_registry().create(named.name, named.params)
    except UnknownStrategy as error:
        yield Clash(key="strategy.name", value=named.name, valid=str(error))
    except InvalidInput as error:
        yield from _of_each_part(named) or (_misfit(named.params, error),)


def _of_each_part(named: StrategyConfig) -> tuple[Clash, ...]:
    """What is wrong with the settings of each of several strategies; nothing when that is not where the fault is."""
    parts = named.name.split("+")
    if len(parts) == 1 or not set(named.params) <= set(parts):
        return ()
    found = []
    for part in parts:
        own = named.params.get(part, {})
        if not isinstance(own, Mapping):
            return ()
        try:
            default_registry().create(part, own)
        except InvalidInput as error:
            found.append(_misfit({part: dict(own)}, error))
    return tuple(found)


def _misfit(params: Mapping[str, object], error: InvalidInput) -> Clash:
    return Clash(key="strategy.params", value=dict(params), others=("strategy.name",), valid=str(error))


_RULES: Final[tuple[Callable[[BotConfig], Found], ...]] = (
    _two_yeses,
    _port_fits,
    _entries_stop_before_positions_are_closed,
    _one_trade_fits_into_a_day,
    _limited_greeks_are_read,
)
