"""A simulated Gateway that speaks the real wire protocol; any client may connect to it."""

from ibkeel.sim.counters import GatewayCounters
from ibkeel.sim.gateway import SimulatedGateway
from ibkeel.sim.settings import GatewaySettings, Latency

__all__ = ["GatewayCounters", "GatewaySettings", "Latency", "SimulatedGateway"]
