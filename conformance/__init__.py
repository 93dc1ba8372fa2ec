"""Unmodified client libraries against the simulated Gateway, at every version of the protocol."""
