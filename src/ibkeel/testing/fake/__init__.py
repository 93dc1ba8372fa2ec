"""A broker without a Gateway."""

from ibkeel.testing.fake.broker import KINDS, Call, FakeBroker

__all__ = ["KINDS", "Call", "FakeBroker"]
