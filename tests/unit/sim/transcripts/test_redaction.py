"""What is private is hidden the same way each time."""

import json

from hypothesis import given
from hypothesis import strategies as st

from ibkeel.sim.transcripts import Entry, Form, Redactor
from ibkeel.sim.transcripts.values import as_line


def message(sender, *texts, version=176, name=""):
    payload = ("\0".join(texts) + "\0").encode()
    return Entry(
        at=0.0, connection=1, form=Form.MESSAGE, sender=sender, payload=payload, version=version, name=name
    )


def test_a_session_keeps_no_account_and_no_name(transcript):
    redactor = Redactor()

    lines = [as_line(redactor.entry(entry)) for entry in transcript.entries]

    text = "\n".join(lines)
    assert "DU7654321" not in text
    assert "my-ref" not in text
    assert text.count("DU0000001") > 10
    placed, shown = (
        next(json.loads(line) for line in lines if f'"{name}"' in line and "order_ref" in line)
        for name in ("place_order", "open_order")
    )
    assert placed["fields"]["order_ref"] == shown["fields"]["order_ref"] == "name-1"


def test_a_message_keeps_its_shape(transcript):
    redactor = Redactor()

    for entry in transcript.entries:
        shown = redactor.entry(entry)

        assert len(shown.texts) == len(entry.texts)
        assert (shown.name, shown.at, shown.payload[-1:]) == (entry.name, entry.at, entry.payload[-1:])


def test_an_account_is_hidden_within_a_sentence_even_before_it_was_named():
    shown = Redactor().entry(
        message("gateway", "4", "2", "7", "201", "U1234567 may not trade", "", name="error")
    )

    assert shown.fields["text"] == "U0000001 may not trade"


def test_a_message_that_the_tables_do_not_have_shows_numbers_only():
    shown = Redactor().entry(message("gateway", "84", "12", "1.5", "Jane Doe", ""))

    assert shown.texts == ("84", "12", "1.5", "text-1", "")


def test_a_field_beyond_the_layout_is_hidden_too():
    shown = Redactor().entry(message("gateway", "9", "1", "5", "Jane", name="next_valid_id"))

    assert shown.texts == ("9", "1", "5", "text-1")


def test_large_amounts_become_round_and_small_ones_stay():
    redactor = Redactor()
    rows = [("NetLiquidation", "2464478.33"), ("Cushion", "0.75"), ("Cash", "-5000"), ("Type", "INDIVIDUAL")]

    shown = [
        redactor.entry(message("gateway", "6", "2", key, value, "USD", "", name="account_value")).texts[3]
        for key, value in rows
    ]

    assert shown == ["100000.00", "0.75", "100000", "INDIVIDUAL"]


def test_what_the_user_names_is_hidden_everywhere():
    redactor = Redactor(["Winter"])

    said = redactor.entry(message("gateway", "4", "2", "7", "399", "Mr Winter, wait", "", name="error"))

    assert said.fields["text"] == "Mr name-1, wait"


def test_bytes_that_are_no_message_are_not_shown():
    entry = Entry(at=0.0, connection=1, form=Form.BYTES, sender="client", payload=b"secret")

    assert Redactor().entry(entry).payload == b"??????"


@given(
    st.lists(
        st.text(alphabet=st.characters(blacklist_characters="\0", codec="utf-8"), max_size=8), max_size=12
    )
)
def test_any_message_can_be_hidden_and_twice_is_once(texts):
    redactor = Redactor()

    once = redactor.entry(message("client", "3", *texts, name="place_order"))

    assert len(once.texts) == len(message("client", "3", *texts).texts)
    assert redactor.entry(message("client", "3", *texts, name="place_order")) == once
