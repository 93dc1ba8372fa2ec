"""Random bytes against both ends of the wire: `python -m fuzz gateway|broker`; see `docs/reference/sim.md`."""
