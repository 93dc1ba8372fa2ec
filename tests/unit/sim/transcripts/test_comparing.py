"""A transcript compares clean with itself; a doctored one is named field by field."""

import attrs
import pytest

from ibkeel.sim.transcripts import Transcript, compared, exchanges, played
from ibkeel.virtual import run_virtual, virtual_clock


@pytest.fixture(scope="module")
def simulated(transcript, market):
    async def again():
        return await played(transcript, market, virtual_clock())

    return run_virtual(again(), start=transcript.header.began_at)


def doctored(transcript, change):
    """The transcript with each message of the Gateway changed; None leaves it out."""
    entries = []
    for entry in transcript.entries:
        texts = change(entry.name, entry.texts) if entry.sender == "gateway" else entry.texts
        if texts is None:
            continue
        payload = entry.payload if texts == entry.texts else ("\0".join(texts) + "\0").encode()
        name = "error" if texts[0] == "4" else entry.name
        entries.append(attrs.evolve(entry, payload=payload, name=name))
    return Transcript(header=transcript.header, entries=tuple(entries))


def found(recorded, simulated):
    return [(each.kind, each.where, each.what) for each in compared(recorded, simulated).differences]


def test_the_simulator_agrees_with_itself(transcript, simulated):
    comparison = compared(transcript, simulated)

    assert comparison.differences == ()
    assert comparison.left_out == ()
    assert comparison.requests > 10
    assert comparison.messages > 100


def test_prices_do_not_count(transcript, simulated):
    def dearer(name, texts):
        return (*texts[:4], "999.99", *texts[5:]) if name == "tick_price" else texts

    assert found(doctored(transcript, dearer), simulated) == []


def test_a_message_that_the_simulator_does_not_say_is_named(transcript, simulated):
    changed = doctored(transcript, lambda name, texts: texts)
    less = doctored(simulated, lambda name, texts: None if name == "historical_data" else texts)

    [(kind, where, what)] = found(changed, less)

    assert (kind, what) == ("absent", "historical_data")
    assert where.startswith("historical_data ")
    assert where.endswith("SPY STK")


def test_a_message_that_only_the_simulator_says_is_named(transcript, simulated):
    silent = doctored(transcript, lambda name, texts: None if name == "contract_data_end" else texts)

    assert [(kind, what) for kind, _, what in found(silent, simulated)] == [("extra", "contract_data_end")]


def test_another_code_is_two_differences(transcript, simulated):
    other = doctored(
        transcript, lambda name, texts: (*texts[:3], "2107", *texts[4:]) if texts[3:4] == ("2106",) else texts
    )

    assert {(kind, what) for kind, _, what in found(other, simulated)} == {
        ("absent", "error 2107"),
        ("extra", "error 2106"),
    }


def test_another_order_is_named(transcript, simulated):
    entries = list(transcript.entries)
    first, second = (
        next(at for at, entry in enumerate(entries) if entry.name == name)
        for name in ("managed_accounts", "next_valid_id")
    )
    entries[first], entries[second] = entries[second], entries[first]

    [difference] = compared(attrs.evolve(transcript, entries=tuple(entries)), simulated).differences

    assert difference.kind == "order"
    assert difference.recorded.startswith("next_valid_id, managed_accounts")


def test_a_field_more_is_named(transcript, simulated):
    longer = doctored(transcript, lambda name, texts: (*texts, "1") if name == "order_status" else texts)

    assert found(longer, simulated) == [("fields", "order_status", "after the last")]


def test_a_field_less_is_named(transcript, simulated):
    shorter = doctored(transcript, lambda name, texts: texts[:-1] if name == "order_status" else texts)

    assert found(shorter, simulated) == [("fields", "order_status", "market_cap_price")]


def test_another_sort_of_text_is_named(transcript, simulated):
    def decimals(name, texts):
        return (*texts[:3], f"{texts[3]}.0", *texts[4:]) if name == "order_status" else texts

    [difference] = compared(doctored(transcript, decimals), simulated).differences

    assert (difference.kind, difference.where, difference.what) == ("type", "order_status", "filled")
    assert (difference.recorded, difference.simulated) == ("decimal", "integer")


def test_another_form_of_time_is_named(transcript, simulated):
    def zoneless(name, texts):
        return tuple(text.replace(" US/Eastern", "") for text in texts) if name == "execution" else texts

    differences = compared(doctored(transcript, zoneless), simulated).differences

    assert [(each.kind, each.what) for each in differences] == [("type", "time")]


def test_a_contract_that_the_market_lacks_is_left_out_with_its_reason(transcript, simulated):
    def refused(name, texts):
        return ("4", "2", texts[1], "200", "No security definition", "") if name == "contract_data" else texts

    unknown = doctored(simulated, refused)

    assert any("does not list it" in reason for reason in compared(transcript, unknown).left_out)


def test_answers_belong_to_the_request_with_their_id(transcript):
    made = exchanges(transcript.of(1))

    history = next(each for each in made if each.request.name == "historical_data")
    placed = [each for each in made if each.request.name == "place_order"]
    assert [answer.name for answer in history.answers] == ["historical_data"]
    assert {"open_order", "order_status", "execution", "commission_report"} == {
        answer.name for answer in placed[0].answers
    }
    assert sum(len(each.answers) for each in made) == sum(
        entry.sender == "gateway" and entry.form.value == "message" for entry in transcript.entries
    )


def asked_of_strangers(transcript):
    """The transcript with a request and an answer that no table has."""
    place = next(n for n, entry in enumerate(transcript.entries) if entry.name == "place_order")
    request = transcript.entries[place]
    strange = [
        attrs.evolve(request, name="", payload=b"999\x001\x00"),
        attrs.evolve(request, sender="gateway", name="", payload=b"998\x007\x00"),
    ]
    return Transcript(
        header=transcript.header, entries=(*transcript.entries[:place], *strange, *transcript.entries[place:])
    )


def test_a_request_that_the_simulator_does_not_know_is_named_as_such(transcript, simulated):
    recorded = asked_of_strangers(transcript)

    [difference] = compared(recorded, asked_of_strangers(simulated)).differences

    assert (difference.kind, difference.where, difference.recorded) == (
        "unserved",
        "message 999",
        "0 answers",
    )


def test_an_answer_that_the_simulator_does_not_know_is_named_by_its_number(transcript, simulated):
    recorded = asked_of_strangers(transcript)
    entries = tuple(entry for entry in recorded.entries if entry.payload != b"999\x001\x00")

    [difference] = compared(attrs.evolve(recorded, entries=entries), simulated).differences

    assert (difference.kind, difference.what, difference.recorded) == ("absent", "message 998", "once")


def test_what_was_asked_after_the_simulated_session_ended_is_left_out(transcript, simulated):
    asked = [n for n, entry in enumerate(simulated.entries) if entry.sender == "client"]
    short = attrs.evolve(simulated, entries=simulated.entries[: asked[-1]])

    left_out = compared(transcript, short).left_out

    assert [reason.rpartition(": ")[2] for reason in left_out] == ["the simulated session had ended"]
    assert compared(short, simulated).left_out == ()


def test_words_where_numbers_were_are_named(transcript, simulated):
    def words(name, texts):
        return (*texts[:3], "many", *texts[4:]) if name == "order_status" else texts

    [difference] = compared(doctored(transcript, words), simulated).differences

    assert (difference.what, difference.recorded, difference.simulated) == ("filled", "text", "integer")


def test_orders_that_were_asked_for_belong_to_the_request_until_the_list_ends(transcript):
    [listing] = [
        each
        for each in exchanges(transcript.of(1))
        if each.request.name in {"open_orders", "auto_open_orders"}
    ][:1]
    place = transcript.entries.index(listing.request)
    order = next(entry for entry in transcript.entries if entry.name == "open_order")
    entries = (*transcript.entries[: place + 1], order, *transcript.entries[place + 1 :])

    made = exchanges(attrs.evolve(transcript, entries=entries).of(1))

    [owner] = [each for each in made if order in each.answers and each.request is listing.request]
    assert [answer.name for answer in owner.answers] == ["open_order", "open_order_end"]
