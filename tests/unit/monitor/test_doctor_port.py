"""A host that cannot be a name is the user's mistake, and is told as one."""

import asyncio

import pytest

from ibkeel.monitor.doctor import Verdict
from ibkeel.monitor.doctor.looks import fetch_time, look_at_port


@pytest.mark.parametrize("host", ["a..b", f"{'x' * 64}.example"])
def test_a_host_that_cannot_be_a_name_is_a_finding(host):
    [finding] = asyncio.run(look_at_port(host, 4002))

    assert (finding.check, finding.verdict) == ("port", Verdict.FAULT)
    assert f"{host!r} cannot be the name of a machine" in finding.said
    assert asyncio.run(fetch_time(host, 4002)) is None
