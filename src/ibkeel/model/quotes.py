"""Best bid and offer, as one feed showed it at one instant."""

from datetime import datetime

import attrs

from ibkeel.errors import InvalidInput
from ibkeel.model.checks import Words, as_utc, finite, positive
from ibkeel.model.contracts import Contract
from ibkeel.validators import flag


class DataType(Words):
    """How fresh the feed says its prices are."""

    LIVE = "live"
    FROZEN = "frozen"
    DELAYED = "delayed"
    DELAYED_FROZEN = "delayed_frozen"


@attrs.frozen(kw_only=True)
class Greeks:
    """Sensitivities of an option; each is None when the source could not compute it.

    Args:
        iv: Implied volatility, a fraction: 0.25 is 25 %.
        delta: Change of the option's price for one unit of the underlying.
        gamma: Change of delta for one unit of the underlying.
        theta: Change of price a calendar day.
        vega: Change of price a volatility point.
        price: The model's price of the option, per share.
        underlying_price: Price of the underlying that the model used.
    """

    iv: float | None = attrs.field(default=None, validator=finite)
    delta: float | None = attrs.field(default=None, validator=finite)
    gamma: float | None = attrs.field(default=None, validator=finite)
    theta: float | None = attrs.field(default=None, validator=finite)
    vega: float | None = attrs.field(default=None, validator=finite)
    price: float | None = attrs.field(default=None, validator=finite)
    underlying_price: float | None = attrs.field(default=None, validator=finite)


def _not_negative(instance: object, attribute: "attrs.Attribute[float | None]", value: float | None) -> None:
    finite(instance, attribute, value)
    if value is not None and value < 0:
        raise InvalidInput(f"Quote.{attribute.name} is {value!r}; valid: 0 or more, or None")


def _as_data_type(value: DataType | str) -> DataType:
    return value if type(value) is DataType else DataType(value)


@attrs.frozen(kw_only=True)
class Quote:
    """Best bid and offer of one feed; a missing side is None, never NaN, -1 or 0.

    Args:
        contract: What is quoted.
        at: When the last of these fields arrived, aware; kept in UTC.
        data_type: How fresh the feed says it is.
        bid: Per share; None when nobody bids.
        ask: Per share; None when nobody offers.
        last: Last trade, per share.
        bid_size: Shares of a stock, contracts of an option.
        ask_size: As `bid_size`.
        last_size: As `bid_size`.
        volume: Shares or contracts traded this session.
        open_interest: Contracts open at the start of the session.
        close: The previous session's close.
        greeks: The broker's model computation, for options.
        is_halted: Whether the feed says that the venue has halted the contract: no entry then.
    """

    contract: Contract
    at: datetime = attrs.field(converter=as_utc)
    data_type: DataType = attrs.field(default=DataType.LIVE, converter=_as_data_type)
    bid: float | None = attrs.field(default=None, validator=positive)
    ask: float | None = attrs.field(default=None, validator=positive)
    last: float | None = attrs.field(default=None, validator=positive)
    bid_size: float | None = attrs.field(default=None, validator=_not_negative)
    ask_size: float | None = attrs.field(default=None, validator=_not_negative)
    last_size: float | None = attrs.field(default=None, validator=_not_negative)
    volume: float | None = attrs.field(default=None, validator=_not_negative)
    open_interest: float | None = attrs.field(default=None, validator=_not_negative)
    close: float | None = attrs.field(default=None, validator=positive)
    greeks: Greeks | None = None
    is_halted: bool = flag(False)

    @property
    def mid(self) -> float | None:
        """Half way between bid and ask; None unless both are there."""
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2

    @property
    def spread(self) -> float | None:
        """Ask less bid; None unless both are there; negative when the market is crossed."""
        return None if self.bid is None or self.ask is None else self.ask - self.bid

    @property
    def is_live(self) -> bool:
        """Whether the feed claims real-time prices: the only kind that is good for an entry."""
        return self.data_type is DataType.LIVE
