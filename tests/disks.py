"""A disk without room, for tests of what writes."""

from contextlib import contextmanager

import pytest


@contextmanager
def files_of_at_most(size):
    """A stand-in for a full disk: no file of this process may grow beyond this, not even pytest's own output."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
