"""Several legs held together: what they are made of, what they cost, and what to trade to be out of them.

A structure's prices are per share: what its legs cost together, divided by the multiplier of its
options. A figure per contract is that times the multiplier, and its name says so.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import attrs
from typing_extensions import override

from ibkeel.errors import InvalidInput, QuoteUnavailable, RequestFailed
from ibkeel.model import Combo, ComboLeg, ContractDetails, Option, Quote, Side, Stock
from ibkeel.model.broker import Answers
from ibkeel.model.checks import Words, as_decimal, as_optional_decimal, name, whole
from ibkeel.model.contracts import as_side
from ibkeel.options.series import end_of

_WORTHLESS: Final = Decimal("0.50")


class PriceBasis(Words):
    """At which price of its quote a leg counts."""

    MID = "mid"
    NATURAL = "natural"
    """What can be had at once: buying at the ask, selling at the bid."""


def _not_negative(_: object, attribute: "attrs.Attribute[Decimal | None]", value: Decimal | None) -> None:
    if value is not None and value < 0:
        raise InvalidInput(f"Leg.{attribute.name} is {value}; valid: 0 or more, or None while not known")


@attrs.frozen(kw_only=True)
class Leg:
    """One contract of a structure.

    Args:
        contract: The option or stock.
        side: BUY to hold it, SELL to owe it.
        ratio: Contracts of an option, or shares of a stock, for one structure.
        price: Per share, what is paid or received for it; None while not known.
    """

    contract: Option | Stock = attrs.field(validator=attrs.validators.instance_of((Option, Stock)))
    side: Side = attrs.field(converter=as_side)
    ratio: int = attrs.field(default=1, validator=whole)
    price: Decimal | None = attrs.field(default=None, converter=as_optional_decimal, validator=_not_negative)

    @property
    def shares(self) -> int:
        """Shares that the leg stands for, below zero when they are owed."""
        multiplier = self.contract.multiplier if isinstance(self.contract, Option) else 1
        return self.side.sign * self.ratio * multiplier

    @override
    def __str__(self) -> str:
        return f"{self.side.sign * self.ratio:+d} {self.contract}"


@attrs.frozen(kw_only=True)
class Net:
    """What taking a structure costs, or brings.

    Args:
        per_share: Paid when above zero, received when below.
        multiplier: Shares a contract.
    """

    per_share: Decimal
    multiplier: int

    @property
    def per_contract(self) -> Decimal:
        """In the currency, for one structure; signed as `per_share`."""
        return self.per_share * self.multiplier

    @property
    def debit(self) -> Decimal:
        """Paid per share; 0 when something is received."""
        return max(self.per_share, Decimal(0))

    @property
    def credit(self) -> Decimal:
        """Received per share; 0 when something is paid."""
        return max(-self.per_share, Decimal(0))

    @property
    def side(self) -> Side:
        """BUY when it costs something or nothing, SELL when it brings something."""
        return Side.SELL if self.per_share < 0 else Side.BUY

    @override
    def __str__(self) -> str:
        word, amount = ("credit", self.credit) if self.per_share < 0 else ("debit", self.debit)
        return f"{word} of {_shown(amount)} per share, {_shown(abs(self.per_contract))} per contract"


def _shown(amount: Decimal) -> str:
    """With cents, and with more where there is more."""
    cents = round(amount, 2)
    return f"{cents:,f}" if cents == amount else f"{amount.normalize():,f}"


def _legs(legs: Iterable[Leg]) -> tuple[Leg, ...]:
    return tuple(legs)


@attrs.frozen(kw_only=True)
class Structure:
    """Legs on one underlying, taken together.

    The functions of `ibkeel.options` named for a structure (`vertical`, `iron_condor` and others)
    make the usual ones and check that they are what their name says; any other set of legs can be
    given here.

    Args:
        name: What it is called.
        legs: One at least, each contract once, on one underlying in one currency.

    Raises:
        InvalidInput: The legs do not belong together.

    Examples:
        >>> from datetime import date
        >>> from ibkeel.model import Option, Right, Side
        >>> call = Option("SPY", date(2026, 1, 16), 500, Right.CALL)
        >>> str(Structure(name="long call", legs=[Leg(contract=call, side=Side.BUY, price="4.20")]).net)
        'debit of 4.20 per share, 420.00 per contract'
    """

    name: str = attrs.field(validator=name)
    legs: tuple[Leg, ...] = attrs.field(converter=_legs)

    @legs.validator
    def _check_legs(self, _: "attrs.Attribute[tuple[Leg, ...]]", legs: tuple[Leg, ...]) -> None:
        contracts = [leg.contract for leg in legs]
        if not contracts or len(set(contracts)) != len(contracts):
            shown = ", ".join(map(str, contracts)) or "no legs"
            raise InvalidInput(f"{self.name} of {shown}; valid: one leg or more, each contract once")
        for what in ("symbol", "currency"):
            seen = sorted({str(getattr(contract, what)) for contract in contracts})
            if len(seen) > 1:
                raise InvalidInput(f"{self.name} has legs of {what} {' and '.join(seen)}; valid: one")

    @property
    def underlying(self) -> str:
        """Ticker of the underlying."""
        return self.legs[0].contract.symbol

    @property
    def option_legs(self) -> tuple[Leg, ...]:
        """The legs that are options."""
        return tuple(leg for leg in self.legs if isinstance(leg.contract, Option))

    @property
    def multiplier(self) -> int:
        """Shares a contract: the greatest common divisor of the options'; 1 without any option."""
        multipliers = (leg.contract.multiplier for leg in self.legs if isinstance(leg.contract, Option))
        return math.gcd(*multipliers) or 1

    @property
    def expiries(self) -> tuple[date, ...]:
        """Of its options, ascending, each once."""
        return tuple(sorted({leg.contract.expiry for leg in self.legs if isinstance(leg.contract, Option)}))

    @property
    def ends(self) -> tuple[datetime, ...]:
        """When they are settled, in the exchange's time, likewise."""
        return tuple(sorted({end_of(leg.contract) for leg in self.legs if isinstance(leg.contract, Option)}))

    @property
    def is_priced(self) -> bool:
        """Whether every leg has a price."""
        return all(leg.price is not None for leg in self.legs)

    @property
    def net(self) -> Net:
        """What taking it costs.

        Raises:
            InvalidInput: A leg has no price yet.
        """
        total = sum((leg.shares * _price_of(leg) for leg in self.legs), start=Decimal(0))
        return Net(per_share=total / self.multiplier, multiplier=self.multiplier)

    def priced(self, quotes: Answers, basis: PriceBasis = PriceBasis.MID) -> "Structure":
        """The same structure with its legs at the market's prices.

        Args:
            quotes: What `Broker.quotes` answered for the legs.
            basis: MID, or NATURAL for what can be had at once.

        Raises:
            QuoteUnavailable: A leg lacks the sides that its price needs, or its market is crossed; all such
                legs are named.
        """
        basis = PriceBasis(basis)
        prices = {leg: _quoted(leg, quotes.get(leg.contract), basis) for leg in self.legs}
        lacking = [str(leg) for leg, price in prices.items() if price is None]
        if lacking:
            raise QuoteUnavailable(f"{self.name}: no {basis.value} price for {', '.join(lacking)}")
        return attrs.evolve(self, legs=tuple(attrs.evolve(leg, price=prices[leg]) for leg in self.legs))

    def opposite(self) -> "Structure":
        """The structure that undoes this one, at the same prices."""
        legs = tuple(attrs.evolve(leg, side=leg.side.opposite) for leg in self.legs)
        return attrs.evolve(self, name=f"{self.name}, opposite", legs=legs)

    def combo(self, details: Mapping[Any, ContractDetails] | None = None) -> Combo:
        """The structure as one contract; buying it takes the structure.

        Its limit price is `net.per_share`: below zero for a credit.

        Args:
            details: What `Broker.qualify` answered for the legs that have no `con_id`.

        Raises:
            InvalidInput: It has one leg, a leg's number is not known, or multipliers differ, so that
                a price per share would say nothing.
        """
        multipliers = {leg.contract.multiplier for leg in self.legs if isinstance(leg.contract, Option)}
        if len(multipliers) > 1:
            raise InvalidInput(
                f"{self.name} has multipliers {sorted(multipliers)}; a combo needs one: order its legs apart"
            )
        return Combo(
            self.underlying,
            tuple(_combo_leg(leg, details or {}) for leg in self.legs),
            exchange=self.legs[0].contract.exchange,
            currency=self.legs[0].contract.currency,
        )

    @override
    def __str__(self) -> str:
        return f"{self.name} ({', '.join(map(str, self.legs))})"


def closing(
    structure: Structure,
    quotes: Answers,
    *,
    worthless: Decimal | float | str = _WORTHLESS,
) -> Structure:
    """The other side of a structure, without the legs that nobody would buy.

    A wing far out of the money may have an offer and no bid. It is worth nothing, and an order that
    has it as a leg has no price: so it is kept, and expires. What is owed is always bought back.

    Args:
        structure: As it is held.
        quotes: What `Broker.quotes` answered for its legs. A leg without any quote stays in: that it is
            worthless is not known.
        worthless: Most that an option without a bid may be offered at, per share, to be left out: one
            offered for more may be in the money.

    Raises:
        InvalidInput: No leg is left: nothing is owed, and nobody bids.
    """
    opposite = structure.opposite()
    most = as_decimal(worthless)
    legs = [leg for leg in opposite.legs if not _is_worthless(leg, quotes.get(leg.contract), most)]
    if not legs:
        raise InvalidInput(f"{opposite.name}: nobody bids for any leg; there is nothing to close")
    return attrs.evolve(opposite, legs=legs)


def _price_of(leg: Leg) -> Decimal:
    """The leg's price; InvalidInput when it is not known."""
    if leg.price is None:
        raise InvalidInput(f"{leg} has no price; call priced(quotes) first, or give Leg.price")
    return leg.price


def _quoted(leg: Leg, quote: Quote | RequestFailed | None, basis: PriceBasis) -> Decimal | None:
    if not isinstance(quote, Quote) or (quote.spread is not None and quote.spread < 0):
        return None
    if basis is PriceBasis.NATURAL:
        return as_optional_decimal(quote.ask if leg.side is Side.BUY else quote.bid)
    if quote.bid is None or quote.ask is None:
        return None
    return (as_decimal(quote.bid) + as_decimal(quote.ask)) / 2


def _combo_leg(leg: Leg, details: Mapping[Any, ContractDetails]) -> ComboLeg:
    known = details.get(leg.contract)
    con_id = leg.contract.con_id or (known.contract.con_id if known else None)
    if con_id is None:
        raise InvalidInput(f"the con_id of {leg.contract} is not known; give what qualify() answers for it")
    return ComboLeg(con_id=con_id, side=leg.side, ratio=leg.ratio, exchange=leg.contract.exchange)


def _is_worthless(leg: Leg, quote: Quote | RequestFailed | None, most: Decimal) -> bool:
    if not isinstance(quote, Quote) or leg.side is Side.BUY or not isinstance(leg.contract, Option):
        return False
    return quote.bid is None and quote.ask is not None and as_decimal(quote.ask) <= most
