"""A simulated Gateway that speaks the real wire protocol; any client may connect to it."""

import logging

from ibkeel.sim.counters import GatewayCounters
from ibkeel.sim.director import Scenario
from ibkeel.sim.fault import Fault, FaultSeen
from ibkeel.sim.gateway import SimulatedGateway
from ibkeel.sim.settings import GatewaySettings, Latency, Limits

__all__ = [
    "Fault",
    "FaultSeen",
    "GatewayCounters",
    "GatewaySettings",
    "Latency",
    "Limits",
    "Scenario",
    "SimulatedGateway",
]

# Who uses nothing else of ibkeel gets no lines that nobody asked for, either.
logging.getLogger("ibkeel").addHandler(logging.NullHandler())
