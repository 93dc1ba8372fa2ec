"""How to reach a Gateway, and what may be sent to it."""

import math
from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from typing import Any, Final

import attrs

from ibkeel import validators
from ibkeel.errors import AccountMismatch, ConfigurationError
from ibkeel.ibkr.code_rows import ERROR_TABLE
from ibkeel.ibkr.codes import ErrorTable
from ibkeel.ibkr.services import Service
from ibkeel.ibkr.states import SessionPolicy
from ibkeel.ibkr.windows import DEFAULT_WINDOWS, ResetWindow
from ibkeel.model import checks, mask_account
from ibkeel.resilience import Backoff, BreakerPolicy, CachePolicy, Deadlines, Lifetime, Rule


class OrderMode(StrEnum):
    """Whether orders leave, and for which kind of account."""

    DRY_RUN = "DRY_RUN"
    PAPER = "PAPER"
    LIVE = "LIVE"


# Source: TWS API, "Initial Setup": default socket ports. Any other port says nothing.
_LIVE_PORTS: Final = frozenset({4001, 7496})
_PAPER_PORTS: Final = frozenset({4002, 7497})
_HIGHEST_PORT: Final = 65535


_whole: Final = partial(validators.whole, error=ConfigurationError, names_class=False)
_port: Final = _whole(f"a whole number from 1 to {_HIGHEST_PORT}", lambda value: 1 <= value <= _HIGHEST_PORT)
_client_id: Final = _whole("a whole number from 0", lambda value: value >= 0)


def _at_least(least: float) -> Any:
    return validators.number(
        f"a finite number from {least:g}",
        lambda value: least <= value < math.inf,
        error=ConfigurationError,
        names_class=False,
    )


def _services(_: object, attribute: "attrs.Attribute[Any]", value: Mapping[str, BreakerPolicy]) -> None:
    unknown = sorted(set(value) - {service.value for service in Service})
    if unknown:
        raise ConfigurationError(
            f"{attribute.name} names {', '.join(map(repr, unknown))}; valid: {', '.join(Service)}"
        )


def _cache() -> CachePolicy:
    # Whoever decides by bars wants the newest: a second is for those who ask at the same time.
    return CachePolicy(bars=Lifetime(fresh=1.0, kept=900.0, negative=0.0))


def _mode(value: str | OrderMode) -> OrderMode:
    try:
        return OrderMode(value)
    except ValueError:
        raise ConfigurationError(f"orders is {value!r}; valid: {', '.join(OrderMode)}") from None


@attrs.frozen(kw_only=True)
class IBKRConfig:
    """Where the Gateway is, who we are, and what may be sent.

    Args:
        host: Host name or address; `127.0.0.1` needs no look-up.
        port: 4002 paper Gateway, 4001 live Gateway, 7497 paper TWS, 7496 live TWS.
        client_id: Orders are bound to it; keep it for the life of a bot.
        orders: DRY_RUN sends none, PAPER and LIVE send to that kind of account only.
        live_account: For LIVE: the account id, which must be the one the Gateway reports.
        account: Which account to use, when the login has several; None means the only one.
        aliases: Names under which accounts are shown, by their whole ids.
        market_data_lines: How many lines may be open at once; the Gateway's default is 100.
        line_patience: Seconds that a quote waits for a free market data line.
        pacing_rules: Limits of your own, such as one for each symbol; they go before the Gateway's.
        pacing_margin: Seconds added to every window of the limits, for what sending varies by.
        pacing_patience: Seconds that a request waits for its turn before `PacingExceeded`.
        pacing_store: File in which the windows of the limits survive a restart; None: they do not.
        pace_long_bars: Whether bars of one minute and more keep the limits of small bars too.
        order_reserve: Messages of each second that only orders and cancels may use; in dry run none
            are kept.
        breakers: Policy of a service's circuit breaker, by its name, such as `historical data`.
        quote_settle: Seconds to wait for more fields once bid and ask are in.
        quote_one_sided: Seconds to wait for the other side once any price is in.
        deadlines: Seconds allowed for each kind of request.
        connect_backoff: How often and how patiently `connect` tries.
        reconnect: Whether a session that is lost is sought again, always under the same client id.
        session: How patiently it is sought, and when a person should hear of it.
        reset_windows: Hours at which being cut off is normal; see `ibkeel.ibkr.windows`.
        competing_session_wait: Seconds after which a stream is asked for again that another session
            of the same user took the data from.
        codes: What error codes mean; put rows of your own in front by `ERROR_TABLE.with_rows`.
        cache: How long answers are good for others who ask the same.
        exclusive: Whether a second process with the same host, port and client id is refused on
            this machine; connections within a process, as on virtual time, need no lock.
        heartbeat: Seconds of silence after which the Gateway is asked for its time.

    Raises:
        ConfigurationError: A value is not valid, or LIVE comes without `live_account`.
    """

    host: str = attrs.field(default="127.0.0.1", validator=checks.host)
    port: int = attrs.field(default=4002, validator=_port)
    client_id: int = attrs.field(default=1, validator=_client_id)
    orders: OrderMode = attrs.field(default=OrderMode.DRY_RUN, converter=_mode)
    live_account: str | None = attrs.field(default=None, repr=False)
    account: str | None = attrs.field(default=None, repr=False)
    aliases: Mapping[str, str] = attrs.field(
        factory=dict, converter=validators.mapping, validator=checks.account_aliases, repr=False
    )
    market_data_lines: int = attrs.field(default=100, validator=_at_least(1))
    line_patience: float = attrs.field(default=60.0, validator=_at_least(0))
    pacing_rules: tuple[Rule, ...] = attrs.field(default=(), converter=validators.series)
    pacing_margin: float = attrs.field(default=0.02, validator=_at_least(0))
    pacing_patience: float = attrs.field(default=60.0, validator=_at_least(0))
    pacing_store: str | None = None
    pace_long_bars: bool = validators.flag(False)
    order_reserve: int = attrs.field(default=6, validator=_at_least(1))
    breakers: Mapping[str, BreakerPolicy] = attrs.field(
        factory=dict,
        converter=validators.mapping,
        validator=_services,
    )
    quote_settle: float = attrs.field(default=0.5, validator=_at_least(0))
    quote_one_sided: float = attrs.field(default=2.0, validator=_at_least(0))
    deadlines: Deadlines = attrs.field(factory=Deadlines)
    connect_backoff: Backoff = attrs.field(factory=Backoff)
    reconnect: bool = validators.flag(True)
    session: SessionPolicy = attrs.field(factory=SessionPolicy)
    reset_windows: tuple[ResetWindow, ...] = attrs.field(default=DEFAULT_WINDOWS, converter=validators.series)
    competing_session_wait: float = attrs.field(default=120.0, validator=_at_least(1))
    codes: ErrorTable = ERROR_TABLE
    cache: CachePolicy = attrs.field(factory=_cache)
    exclusive: bool = validators.flag(True)
    heartbeat: float = attrs.field(default=30.0, validator=_at_least(1))

    def __attrs_post_init__(self) -> None:
        for field in attrs.fields(IBKRConfig):
            kind, value = field.type, getattr(self, field.name)
            if isinstance(kind, type) and attrs.has(kind) and not isinstance(value, kind):
                raise ConfigurationError(f"{field.name} is {value!r}; valid: {kind.__name__}(...)")
        if self.orders is OrderMode.LIVE and not self.live_account:
            raise ConfigurationError(
                "orders is LIVE without live_account; give the account id, such as 'U1234567'"
            )

    def shown(self, account: str | None) -> str:
        """An account id fit to be shown: its alias, or masked."""
        return mask_account(account or "", self.aliases)


def is_paper(account: str) -> bool:
    """Whether an account id is a paper account's: `DU` for one, `DF` for an advisor's."""
    return account.upper().startswith("D")


def check_account(config: IBKRConfig, account: str) -> None:
    """Refuse to go on when port, account and order mode do not fit together."""
    shown, paper = config.shown(account), is_paper(account)
    kind = "a paper" if paper else "a live"
    if config.port in (_LIVE_PORTS if paper else _PAPER_PORTS):
        raise AccountMismatch(
            f"port {config.port} is the standard port of {'live' if paper else 'paper'} trading, but the Gateway "
            f"reports {kind} account, {shown}; log in to the other one, or use another port"
        )
    if config.orders is OrderMode.PAPER and not paper:
        raise AccountMismatch(f"orders is PAPER, but the Gateway reports {kind} account, {shown}")
    if config.orders is OrderMode.LIVE and account != config.live_account:
        raise AccountMismatch(
            f"orders is LIVE for {config.shown(config.live_account)}, but the account is {shown}; "
            "live_account must be equal to it, and among several an order names it"
        )
