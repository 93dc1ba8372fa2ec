"""Identifiers; distinct types, so that one is never passed for another."""

from typing import NewType

ConId = NewType("ConId", int)
"""Interactive Brokers' number of a contract."""

OrderId = NewType("OrderId", int)
"""Number of an order within one client id; ids can roll back when a Gateway restarts."""

ClientOrderId = NewType("ClientOrderId", str)
"""Our own name of an order, carried to the venue and back in `orderRef`."""

PermId = NewType("PermId", int)
"""The venue's lasting number of an order; 0 until the first answer."""

ExecId = NewType("ExecId", str)
"""Name of one fill."""

RequestId = NewType("RequestId", int)
"""Number of a request within one connection."""
