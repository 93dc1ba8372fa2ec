"""The words of the trade: frozen values, typed ids and the `Broker` protocol.

Prices of orders and strikes are `Decimal`; statistics are floats; instants are aware UTC and end
in `_at` or are called `at`; trading dates are `date` in the exchange's calendar.
"""

from ibkeel.model.account import AccountValues, PnL, Position, mask_account
from ibkeel.model.bars import BAR_SIZES, Bar, BarKind, Bars, BarSpec, StaleBars
from ibkeel.model.broker import Account, Broker, Chains, Lifecycle, MarketData, Orders, Streams
from ibkeel.model.chain import OptionChain, OptionClass
from ibkeel.model.contracts import (
    Combo,
    ComboLeg,
    Contract,
    ContractDetails,
    Index,
    Option,
    OtherContract,
    Right,
    Side,
    Stock,
    TradingHours,
)
from ibkeel.model.convert import (
    from_data,
    from_json,
    from_toml,
    make_converter,
    to_data,
    to_json,
    to_toml,
)
from ibkeel.model.health import Grade, Health, HealthCheck, LatencySummary
from ibkeel.model.ids import ClientOrderId, ConId, ExecId, OrderId, PermId, RequestId
from ibkeel.model.orders import (
    Bracket,
    Execution,
    MarginChange,
    OrderPreview,
    OrderReport,
    OrderState,
    OrderTicket,
    OrderType,
    Placement,
    TimeInForce,
)
from ibkeel.model.quotes import DataType, Greeks, Quote
from ibkeel.model.signal import Direction, ExitPolicy, OptionWish, Reason, Signal

__all__ = [
    "BAR_SIZES",
    "Account",
    "AccountValues",
    "Bar",
    "BarKind",
    "BarSpec",
    "Bars",
    "Bracket",
    "Broker",
    "Chains",
    "ClientOrderId",
    "Combo",
    "ComboLeg",
    "ConId",
    "Contract",
    "ContractDetails",
    "DataType",
    "Direction",
    "ExecId",
    "Execution",
    "ExitPolicy",
    "Grade",
    "Greeks",
    "Health",
    "HealthCheck",
    "Index",
    "LatencySummary",
    "Lifecycle",
    "MarginChange",
    "MarketData",
    "Option",
    "OptionChain",
    "OptionClass",
    "OptionWish",
    "OrderId",
    "OrderPreview",
    "OrderReport",
    "OrderState",
    "OrderTicket",
    "OrderType",
    "Orders",
    "OtherContract",
    "PermId",
    "Placement",
    "PnL",
    "Position",
    "Quote",
    "Reason",
    "RequestId",
    "Right",
    "Side",
    "Signal",
    "StaleBars",
    "Stock",
    "Streams",
    "TimeInForce",
    "TradingHours",
    "from_data",
    "from_json",
    "from_toml",
    "make_converter",
    "mask_account",
    "to_data",
    "to_json",
    "to_toml",
]
