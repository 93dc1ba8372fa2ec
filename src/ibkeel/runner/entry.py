"""From a symbol to a verdict: what the strategy says, what may be bought, and what speaks against it."""

from asyncio import CancelledError
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple, TypeVar

import attrs

from ibkeel.errors import InvalidInput, OrderRefused, RequestFailed, UnknownContract
from ibkeel.model import (
    AccountValues,
    Bracket,
    Contract,
    Direction,
    ExitPolicy,
    Option,
    OptionWish,
    OrderReport,
    Position,
    Quote,
    Signal,
    TimeInForce,
)
from ibkeel.model.checks import as_optional_decimal
from ibkeel.options import Candidate, Choice, ExpiryChoice, SelectionRule, choose, preset, select
from ibkeel.orders import PENNY, build_bracket, ladder_of
from ibkeel.risk import EntryFacts, GateRule, LossVerdict, check_entry, position_size
from ibkeel.runner.config import RiskConfig, RunnerConfig
from ibkeel.runner.feed import Feed, spot_of
from ibkeel.runner.schedule import Session
from ibkeel.strategy import Needs, Strategy, warming_up

T = TypeVar("T")

_WISHED_EXPIRIES = 3
_WISHED_STRIKES = 10  # the seed's count: a range out of the money holds many strikes
_ROUNDS = 4  # how often non-existent pairs of expiry and strike are replaced by the next nearest


class Outcome(StrEnum):
    """What a cycle came to for one symbol."""

    NO_SIGNAL = "no_signal"
    WARMING_UP = "warming_up"
    REFUSED = "refused"
    NO_OPTION = "no_option"
    NO_SIZE = "no_size"
    ENTRY = "entry"


@attrs.frozen(kw_only=True)
class View:
    """What is known of account and orders when a cycle begins.

    Args:
        number: Of the cycle.
        session: The session that is traded.
        account: Balances; None when they could not be read.
        loss: The daily loss guard's verdict.
        positions: What is held; None when it could not be read.
        open_orders: Orders that work; None when they could not be read.
    """

    number: int
    session: Session
    account: AccountValues | None
    loss: LossVerdict | None
    positions: tuple[Position, ...] | None
    open_orders: tuple[OrderReport, ...] | None

    def exposed(self) -> tuple[str, ...]:
        """Underlyings with a position or a working order, each once."""
        held = [row.contract.symbol for row in self.positions or ()]
        ordered = [row.contract.symbol for row in self.open_orders or ()]
        return tuple(dict.fromkeys((*held, *ordered)))


@attrs.frozen(kw_only=True)
class Pending:
    """What this run itself did or meant to do in a symbol.

    Args:
        last_entry_at: When it last entered; None for never.
        entered: Underlyings entered in the cycle that runs.
        unknown_orders: Orders whose fate nobody knows.
        funds_rejected: Whether the venue rejected an order with code 201, as for lack of funds.
        halted: Why entries are halted; empty when they are not.
    """

    last_entry_at: datetime | None = None
    entered: tuple[str, ...] = ()
    unknown_orders: int = 0
    funds_rejected: bool = False
    halted: str = ""


class Seen(NamedTuple):
    """What a verdict rests on: the underlying's quote, when it came, and when the strategy was asked."""

    quote: Quote
    quoted_at: datetime
    decided_at: datetime


@attrs.frozen(kw_only=True)
class Verdict:
    """What is to be done about one symbol.

    Args:
        signal: What the strategy said.
        outcome: What came of it.
        reasons: Why nothing is bought, or why this option and this size.
        candidate: The option to buy.
        bracket: Its order, not yet named.
        spot: Price of the underlying, once an option was looked for.
        seen: What was looked at, for whoever journals the verdict; None when it is journaled already.
    """

    signal: Signal
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    candidate: Candidate | None = None
    bracket: Bracket | None = None
    spot: float | None = None
    seen: Seen | None = None


def gate_rule(config: RunnerConfig, risk: RiskConfig) -> GateRule:
    """The pre-trade rule that a configuration describes."""
    return GateRule(
        min_funds=risk.min_funds,
        max_quote_age=risk.max_quote_age,
        max_open_positions=risk.max_open_positions,
        entries_stop_before_close=config.entries_stop_before_close,
        cooldown=risk.cooldown,
    )


def selection_rule(config: RunnerConfig) -> SelectionRule:
    """The preset, with the configured DTE in its place."""
    rule = preset(config.preset)
    return rule if config.min_dte is None else attrs.evolve(rule, min_dte=config.min_dte)


def wished(wish: OptionWish, rule: SelectionRule) -> SelectionRule:
    """The rule with a strategy's own limits in place of those that it names.

    Who names days to expiry looks at every expiry within them, not at one week's last.
    """
    limits = {name: value for name, value in attrs.asdict(wish).items() if value is not None}
    if "min_dte" in limits or "max_dte" in limits:
        limits["expiry"] = ExpiryChoice.NEAREST
        limits["expiry_count"] = max(rule.expiry_count, _WISHED_EXPIRIES)
    if "min_otm" in limits or "max_otm" in limits:
        limits["strike_count"] = max(rule.strike_count, _WISHED_STRIKES)
    return attrs.evolve(rule, **limits)


def exits_of(policy: ExitPolicy, risk: RiskConfig) -> RiskConfig:
    """The limits with a strategy's own stop and take profit in place of the configured ones."""
    stop, profit = policy.stop_fraction, policy.take_profit_fraction
    return attrs.evolve(
        risk,
        stop_fraction=risk.stop_fraction if stop is None else stop,
        take_profit_fraction=risk.take_profit_fraction if profit is None else profit,
    )


def refusals(
    symbol: str, view: View, pending: Pending, *, now: datetime, quote: Quote, rule: GateRule
) -> tuple[str, ...]:
    """Everything that speaks against an entry in a symbol now."""
    found = []
    exposed = (*view.exposed(), *pending.entered)
    if view.positions is None or view.open_orders is None:
        found.append("positions or open orders could not be read")
    if symbol in exposed:
        found.append(f"{symbol} has a position or a working order already")
    facts = EntryFacts(
        now=now,
        quote=quote,
        available_funds=view.account.available_funds if view.account else None,
        loss=view.loss,
        open_positions=len(dict.fromkeys(exposed)),
        unknown_orders=pending.unknown_orders,
        closes_at=view.session.closes_at,
        session_open=view.session.is_open(now),
        halted=pending.halted,
        last_entry_at=pending.last_entry_at,
        funds_rejected=pending.funds_rejected,
    )
    return (*found, *(refusal.detail for refusal in check_entry(facts, rule).refusals))


def sized_bracket(
    quote: Quote,
    multiplier: int,
    account: AccountValues | None,
    risk: RiskConfig,
) -> tuple[Bracket | None, str]:
    """The protected order for an option, or None and why there is none."""
    if account is not None and account.currency != quote.contract.currency:
        return None, (
            f"the account is kept in {account.currency}, the option trades in {quote.contract.currency}: "
            "a size needs both in one currency"
        )
    size = position_size(
        equity=account.net_liquidation if account else None,
        premium=quote.ask,
        stop_fraction=risk.stop_fraction,
        risk_fraction=risk.risk_fraction,
        multiplier=multiplier,
        available_funds=account.available_funds if account else None,
        max_contracts=risk.max_contracts,
    )
    if size.quantity == 0:
        return None, size.explain()
    why = ""
    bid, ask = as_optional_decimal(quote.bid), as_optional_decimal(quote.ask)
    for ladder in dict.fromkeys((ladder_of(bid, ask), PENNY)):  # the coarser may leave a stop no room
        try:
            bracket = build_bracket(
                quote=quote,
                quantity=size.quantity,
                stop_fraction=risk.stop_fraction,
                take_profit_fraction=risk.take_profit_fraction,
                ticks=ladder,
            )
        except OrderRefused as refused:
            why = str(refused)
        else:
            return bracket, size.explain()
    return None, why


class EntryPlanner:
    """Asks the feed what the rules need and puts their verdicts together."""

    def __init__(self, feed: Feed, strategy: Strategy, config: RunnerConfig, risk: RiskConfig) -> None:
        self._feed, self._strategy, self._risk = feed, strategy, risk
        self._config, self._rule, self._gate = config, selection_rule(config), gate_rule(config, risk)
        self._missing: dict[tuple[date, str], list[Option]] = {}

    def use(self, risk: RiskConfig) -> None:
        """Risk so much from now on."""
        self._risk, self._gate = risk, gate_rule(self._config, risk)

    def refusals(
        self, symbol: str, view: View, pending: Pending, *, now: datetime, quote: Quote
    ) -> tuple[str, ...]:
        """Everything that speaks against an entry in a symbol now, by this planner's rule."""
        return refusals(symbol, view, pending, now=now, quote=quote, rule=self._gate)

    async def plan(
        self,
        symbol: str,
        view: View,
        pending: Callable[[], Pending],
        *,
        last_entry_at: datetime | None = None,
    ) -> Verdict:
        """The verdict on one symbol; what this run did in it is asked when a signal makes that matter."""
        quote = await self._feed.underlying(symbol)
        quoted_at = self._feed.now()
        needs = needs_of(self._strategy)
        try:
            context = await self._feed.context(symbol, needs, last_entry_at=last_entry_at)
            waits = warming_up(needs, context.bars)
            signal = waits or _said(self._strategy, Signal, lambda: self._strategy.decide(context))
        except BaseException:
            self._feed.saw(symbol, quote, quoted_at)
            raise
        seen = Seen(quote, quoted_at, context.now)
        if signal.direction is Direction.NONE:
            if waits is None:
                return Verdict(signal=signal, outcome=Outcome.NO_SIGNAL, seen=seen)
            why = tuple(reason.rule for reason in waits.reasons)
            return Verdict(signal=signal, outcome=Outcome.WARMING_UP, reasons=why, seen=seen)
        against = self.refusals(symbol, view, pending(), now=context.now, quote=quote)
        if against:
            return Verdict(signal=signal, outcome=Outcome.REFUSED, reasons=against, seen=seen)
        self._feed.saw(symbol, quote, quoted_at)
        spot = spot_of(quote)
        choice = await self._choice(symbol, signal, spot, view.session.day)
        if choice.chosen is None or choice.chosen.quote is None:
            return Verdict(signal=signal, outcome=Outcome.NO_OPTION, reasons=(choice.summary(),))
        return self.sized(signal, choice.chosen, view, spot)

    def sized(self, signal: Signal, chosen: Candidate, view: View, spot: float | None) -> Verdict:
        """The verdict on an option that was chosen: how many, or why none."""
        assert chosen.quote is not None
        risk = exits_of(signal.exits, self._risk)
        bracket, why = sized_bracket(chosen.quote, chosen.option.multiplier, view.account, risk)
        if bracket is not None and not self._config.end_of_day.ends(signal.exits):
            bracket = attrs.evolve(bracket, exit_tif=TimeInForce.GTC)
        outcome = Outcome.NO_SIZE if bracket is None else Outcome.ENTRY
        return Verdict(
            signal=signal, outcome=outcome, reasons=(why,), candidate=chosen, bracket=bracket, spot=spot
        )

    async def _choice(self, symbol: str, signal: Signal, spot: float, today: date) -> Choice:
        """Quote the options nearest to the target; a pair that does not exist gives way to the next."""
        right = signal.direction.right
        assert right is not None
        chain, rule = await self._feed.chain(symbol), wished(signal.wish, self._rule)
        missing = self._missing.setdefault((today, symbol), [])  # new strikes are listed overnight
        options: tuple[Option, ...] = ()
        answers: Mapping[Contract, Quote | RequestFailed] = {}
        for _ in range(_ROUNDS):
            options = select(chain, spot=spot, today=today, right=right, rule=rule, without=missing)
            answers = await self._feed.quotes(symbol, options)
            unlisted = [option for option in options if isinstance(answers.get(option), UnknownContract)]
            missing.extend(unlisted)
            if not unlisted:
                break
        return choose(_existing(options, missing), answers, spot=spot, rule=rule)


def needs_of(strategy: Strategy) -> Needs:
    """What a strategy says that it must be given; InvalidInput when it says something else."""
    return _said(strategy, Needs, strategy.needs)


def _said(strategy: Strategy, kind: type[T], ask: Callable[[], object]) -> T:
    """What a strategy says, as long as it is of its kind, else InvalidInput: it is somebody else's code."""
    try:
        said = ask()
    except (CancelledError, GeneratorExit, SystemExit) as error:
        raise InvalidInput(f"strategy {strategy.name!r} raised {error!r}") from error
    # Of a subclass the journal would keep fields that nobody reads back.
    if type(said) is kind:
        return said
    raise InvalidInput(f"strategy {strategy.name!r} said {said!r}; valid: a {kind.__name__}")


def _existing(options: Iterable[Option], missing: Iterable[Option]) -> tuple[Option, ...]:
    gone = tuple(missing)
    return tuple(option for option in options if option not in gone)
