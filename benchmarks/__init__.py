"""Measurements against named bars: `python -m benchmarks NAME [--json] [--quick]`."""
