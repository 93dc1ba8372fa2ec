"""Messages of the Gateway that answer a request, and how they name it."""

from typing import Final

__all__ = ["BY_NAME", "BY_REQUEST", "ENDS_BY_NAME"]

# Messages whose first argument is the id of a request.
BY_REQUEST: Final = (
    "contractDetails",
    "contractDetailsEnd",
    "securityDefinitionOptionParameter",
    "securityDefinitionOptionParameterEnd",
    "historicalData",
    "historicalDataEnd",
    "priceSizeTick",
    "tickSize",
    "tickString",
    "tickGeneric",
    "tickOptionComputation",
    "tickReqParams",
    "tickSnapshotEnd",
    "marketDataType",
    "accountSummary",
    "accountSummaryEnd",
    "execDetailsEnd",
    "symbolSamples",
)
# Messages that name no request: the key under which we wait, and whether the library must not
# see the message because it would choke on an answer that it did not ask for.
BY_NAME: Final = {
    "currentTime": ("currentTime", False),
    "position": ("positions", False),
    "positionEnd": ("positions", False),
    "openOrder": ("openOrders", False),
    "openOrderEnd": ("openOrders", False),
    "orderStatus": ("openOrders", False),
    "completedOrder": ("completedOrders", True),
    "completedOrdersEnd": ("completedOrders", True),
}
ENDS_BY_NAME: Final = frozenset({"positionEnd", "openOrderEnd", "completedOrdersEnd"})
