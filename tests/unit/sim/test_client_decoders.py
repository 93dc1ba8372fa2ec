"""Every reply, field by field, through the decoder of an unmodified client library.

A field is read when a client notices that it has another value. So a layout that is too long, too
short or out of order shows, whatever its values are.
"""

from types import SimpleNamespace

import pytest

from ibkeel.ibkr.client import library
from ibkeel.sim.codec import REPLIES, Kind
from ibkeel.sim.codec.layout import Constant, Field, Given, Repeat

NEWEST = library.client.Client.MaxClientVersion
VERSIONS = [version for version in (157, 163, 166, 170, 176, 178) if version <= NEWEST]

# What clients know how to read depends on some values.
SAMPLES = {
    "time": "20260105 15:30:00",
    "expiry": "20260116",
    "order_type": "PEG BENCH",
    "hedge_type": "D",
    "dn_order_type": "MKT",
    "algo_strategy": "Adaptive",
    "right": "C",
    "ticks.time": 1767623400,
    "tick_by_tick.time": 1767623400,
    "real_time_bar.time": 1767623400,
    "conditions.type": 5,
    "tick_by_tick.kind": 1,
    "ev_multiplier": 3,
    "use_price_mgmt_algo": "1",
    "account_time.time": "15:30",
}
BY_KIND = {
    Kind.TEXT: "abc",
    Kind.ESCAPED: "abc",
    Kind.INTEGER: 7,
    Kind.NUMBER: 2.5,
    Kind.SIZE: 3,
    Kind.FLAG: True,
}

# Newer clients alone know these.
OLD_REPLIES = sorted(set(REPLIES) - {"historical_data_end", "current_time_millis"})

# Fields that the library does not look at, or that it reads only to throw them away.
IGNORED = {
    "tick_price": {"mask"},
    "open_order": {"trail_stop_price"},  # told twice; the second counts
    "completed_order": {"trail_stop_price"},
    "option_parameters": {"strikes"},  # everything that is left is a strike
}


def sample(layout, where):
    """Values for every field of a layout, one row for each repeated part."""
    values = {}
    for item in layout:
        if isinstance(item, Field):
            names = (f"{where}.{item.name}", item.name)
            values[item.name] = next((SAMPLES[name] for name in names if name in SAMPLES), BY_KIND[item.kind])
        elif isinstance(item, Repeat):
            values[item.name] = [sample(item.items, item.name)]
        elif isinstance(item, Given):
            values.update(sample(item.items, where))
    return values


class Notebook:
    """A wrapper that writes down what the decoder tells it."""

    def __init__(self):
        self.ib = SimpleNamespace(TimezoneTWS="UTC", TimezoneTWSName="UTC")
        self.defaultTimezone = None
        self.defaults = SimpleNamespace(timezone=None)
        self.told = []

    def __getattr__(self, name):
        return lambda *args: self.told.append((name, repr(args)))


def decoded(fields, version):
    """What the library makes of a message; None when it cannot read it."""
    notebook, failures = Notebook(), []
    decoder = library.decoder.Decoder(notebook, version)
    decoder.logger = SimpleNamespace(exception=failures.append)
    decoder.interpret(list(fields))
    return None if failures else notebook.told


def other(text):
    """Another valid text of the same kind."""
    if not text.replace(".", "").isdecimal():
        return {"C": "P"}.get(text, text[:-1] + ("1" if text[-1] != "1" else "2"))
    return text[:-1] + ("0" if text[-1] == "1" else "1")


def names_of(layout, values, version):
    """Name of every field on the wire, in order; None for constants."""
    seen = {}
    for item in layout:
        if not item.admits(version):
            continue
        if isinstance(item, Constant):
            yield None
        elif isinstance(item, Field):
            seen[item.name] = item.text(values[item.name])
            yield item.name
        elif isinstance(item, Repeat):
            seen[item.name] = str(len(values[item.name]))
            yield item.name
            for row in values[item.name]:
                yield from names_of(item.items, row, version)
        elif item.test(seen.get(item.name, "")):
            yield from names_of(item.items, values, version)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", OLD_REPLIES)
def test_a_client_reads_every_field_of_a_reply(name, version):
    message = REPLIES[name]
    values = sample(message.layout, name)
    fields = message.build(values, version)
    names = [None, *names_of(message.layout, values, version)]
    whole = decoded(fields, version)

    unread = {
        names[at]
        for at in range(1, len(fields))
        if names[at] and decoded((*fields[:at], other(fields[at]), *fields[at + 1 :]), version) == whole
    }

    assert whole is not None
    assert len(names) == len(fields)
    assert unread <= IGNORED.get(name, set())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", OLD_REPLIES)
def test_a_reply_without_its_last_field_is_not_taken_for_whole(name, version):
    message = REPLIES[name]
    fields = message.build(sample(message.layout, name), version)

    short = decoded(fields[:-1], version)

    assert len(fields) < 3 or short != decoded(fields, version)
