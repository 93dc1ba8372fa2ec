"""What a real Gateway said reads without a gap: recorded samples, and a generated twin."""

import os
import re
from pathlib import Path

import pytest

from ibkeel.sim.codec import REPLIES, REQUESTS
from ibkeel.sim.transcripts.values import message_of, reading

VERSION = 173  # of the Gateway that was recorded


def sides():
    """Each message of the samples, and who sent it."""
    sender = ""
    text = (Path(os.environ["IBKEEL_DATA"]) / "gateway" / "wire_samples_rust_ibapi.yaml").read_text()
    for line in text.splitlines():
        if re.match(r"\s*(request|responses):", line):
            sender = "client" if "request:" in line else "gateway"
        found = re.search(r'raw: "(.*)"', line)
        if found:
            yield sender, found[1].replace("\\0", "\0").removesuffix("\0").split("\0")


@pytest.mark.data
def test_recorded_samples_decode_whole():
    seen = []
    for sender, (number, *texts) in sides():
        message = message_of(sender, number)
        assert message is not None, number
        read = reading(message, texts, VERSION)

        seen.append(message.name)
        assert read.lacks == ""
        assert not any(label.is_beyond for label in read.labels)
        message.parse(texts, VERSION)

    assert {"current_time", "managed_accounts", "position", "account_summary"} <= set(seen)


@pytest.mark.parametrize("version", [157, 173, 176, 178, 200])
@pytest.mark.parametrize("sender", ["client", "gateway"])
def test_what_the_tables_write_reads_whole(sender, version):
    for message in (REQUESTS if sender == "client" else REPLIES).values():
        number, *texts = message.build({}, version)

        read = reading(message_of(sender, number), texts, version)

        assert [label.text for label in read.labels] == texts
        assert read.lacks == ""
        assert not any(label.is_beyond for label in read.labels)
