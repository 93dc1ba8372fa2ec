import pickle
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import (
    CircuitOpen,
    GatewayRejected,
    InvalidInput,
    NoData,
    NotEntitled,
    RequestFailed,
    SafetyRefused,
)
from ibkeel.ibkr.code_rows import ERROR_TABLE, RECONCILE
from ibkeel.ibkr.codes import About, Effect, ErrorTable, Farm, Meaning, Reaction
from ibkeel.orders import ErrorFate

ROWS = ERROR_TABLE.rows
ORDERS = (About.ORDER, About.CHANGE)
LISTED = {(row.about, row.code) for row in ROWS}
ENDS = {ErrorFate.REJECTED, ErrorFate.CANCELLED}
UNSURE = {ErrorFate.UNCERTAIN, ErrorFate.CANCEL_REFUSED}


def fate_of(code, *, modifying=False):
    """What the table that comes with the library says of an order."""
    return ERROR_TABLE.find(code, "", About.CHANGE if modifying else About.ORDER).fate


def name_of(row):
    return f"{row.about.name} {row.code} {row.pattern}".strip()


def of(about):
    return [row for row in ROWS if row.about is about]


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_every_row_has_a_source_and_is_found_by_its_text(row):
    assert row.source not in {"", "set by the user"}
    assert ERROR_TABLE.find(row.code, f"Before {row.pattern.upper()} after", row.about) == row


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_a_row_that_ends_something_or_wants_something_done_says_what_a_person_can_do(row):
    ends = row.effect is Effect.ENDS or row.fate in ENDS
    well = {Reaction.NONE, Reaction.FARM_OK, Reaction.FARM_IDLE}

    assert row.remedy or (not ends and row.reaction in well)


def test_no_row_hides_another():
    for before, row in combinations(ROWS, 2):
        if (before.code, before.about) == (row.code, row.about):
            assert before.pattern not in row.pattern


@pytest.mark.parametrize("about", About)
def test_the_rows_are_sorted(about):
    codes = [row.code for row in of(about)]

    assert codes == sorted(codes)


@pytest.mark.parametrize("about", About)
def test_every_code_with_a_pattern_has_a_row_for_all_other_texts(about):
    rows = of(about)

    assert {row.code for row in rows} == {row.code for row in rows if not row.pattern}


def test_every_effect_fate_reaction_and_farm_is_used():
    assert {row.effect for row in ROWS} == set(Effect)
    assert {row.fate for row in ROWS} == set(ErrorFate)
    assert {row.reaction for row in ROWS} == set(Reaction)
    assert {row.farm for row in ROWS} == {None, *Farm}


def test_the_failures_that_count_for_a_breaker_are_those_in_which_the_service_did_not_work():
    counting = Counter(row.code for row in ROWS if row.counts)

    # 100 counts whatever it names, and so does 504.
    assert counting == {
        100: 3, 320: 1, 322: 1, 323: 1, 326: 1, 502: 1, 504: 2, 507: 1, 509: 1, 1300: 1, 10328: 2,
    }  # fmt: skip


@given(st.integers(), st.text(), st.sampled_from(About))
def test_a_code_that_is_not_listed_counts_for_no_breaker(code, text, about):
    assert (about, code) in LISTED or not ERROR_TABLE.find(code, text, about).counts


def test_the_codes_that_client_libraries_make_up_are_marked():
    assert {row.code for row in ROWS if row.from_client} == {501, 502, 503, 504, 507, 509}


@pytest.mark.parametrize(
    ("code", "reaction", "farm"),
    [
        (1100, Reaction.UPSTREAM_LOST, None),
        (1101, Reaction.RESTORED_DATA_LOST, None),
        (1102, Reaction.RESTORED_DATA_KEPT, None),
        (1300, Reaction.RECONNECT, None),
        (2103, Reaction.FARM_BROKEN, Farm.MARKET_DATA),
        (2104, Reaction.FARM_OK, Farm.MARKET_DATA),
        (2105, Reaction.FARM_BROKEN, Farm.HISTORY),
        (2106, Reaction.FARM_OK, Farm.HISTORY),
        (2107, Reaction.FARM_IDLE, Farm.HISTORY),
        (2108, Reaction.FARM_IDLE, Farm.MARKET_DATA),
        (2110, Reaction.UPSTREAM_LOST, None),
        (2119, Reaction.FARM_CONNECTING, Farm.MARKET_DATA),
        (2157, Reaction.FARM_BROKEN, Farm.DEFINITIONS),
        (2158, Reaction.FARM_OK, Farm.DEFINITIONS),
        (100, Reaction.SLOW_DOWN, None),
        (326, Reaction.WAIT_FOR_CLIENT_ID, None),
        (10328, Reaction.RECONCILE, None),
        (77777, Reaction.NONE, None),
    ],
)
def test_a_message_without_an_id_makes_the_session_react(code, reaction, farm):
    meaning = ERROR_TABLE.find(code, "of its own accord:usfarm", About.SYSTEM)

    assert (meaning.reaction, meaning.farm, meaning.effect) == (reaction, farm, Effect.NONE)


# What is not listed.


@given(st.integers(), st.text(), st.sampled_from(About))
def test_every_message_has_a_meaning(code, text, about):
    meaning = ERROR_TABLE.find(code, text, about)

    assert meaning.code == code
    assert meaning.source


@pytest.mark.parametrize("about", About)
@pytest.mark.parametrize("code", [2199, 77777])
def test_what_is_not_listed_says_so_and_an_order_is_to_be_looked_up(code, about):
    meaning = ERROR_TABLE.find(code, "", about)

    unsure = code == 77777 and about in ORDERS
    assert (meaning.source, meaning.remedy) == ("not listed", RECONCILE if unsure else "")


@given(st.integers(2100, 2199), st.text())
def test_a_notice_ends_no_request(code, text):
    assert ERROR_TABLE.find(code, text, About.REQUEST).effect is Effect.NONE


@given(st.integers(), st.text())
def test_a_request_with_a_code_that_nobody_knows_ends(code, text):
    if (About.REQUEST, code) in LISTED or 2100 <= code < 2200:
        return

    meaning = ERROR_TABLE.find(code, text, About.REQUEST)

    assert (meaning.effect, meaning.error) == (Effect.ENDS, GatewayRejected)


@given(st.integers(), st.text(), st.sampled_from(ORDERS))
def test_a_code_that_nobody_knows_never_says_that_an_order_is_dead(code, text, about):
    if (About.ORDER, code) in LISTED:
        return

    assert ERROR_TABLE.find(code, text, about).fate not in ENDS


@given(st.integers(2100, 2199), st.booleans())
def test_a_notice_that_is_not_listed_says_nothing_about_an_order(code, modifying):
    assert (About.ORDER, code) in LISTED or fate_of(code, modifying=modifying) is ErrorFate.NOTICE


# Changes.


@given(st.sampled_from(of(About.ORDER)), st.text())
def test_what_answers_a_change_kills_no_order_but_by_the_word_for_cancelled(row, text):
    meaning = ERROR_TABLE.find(row.code, f"{text}{row.pattern}", About.CHANGE)

    assert meaning.fate is not ErrorFate.REJECTED
    assert (meaning.fate is ErrorFate.CANCELLED) == (row.code == 202)


@pytest.mark.parametrize(
    ("code", "new", "changed"),
    [
        (105, ErrorFate.NOTICE, ErrorFate.NOTICE),
        (109, ErrorFate.REJECTED, ErrorFate.UNCERTAIN),
        (110, ErrorFate.REJECTED, ErrorFate.NOTICE),
        (201, ErrorFate.REJECTED, ErrorFate.UNCERTAIN),
        (202, ErrorFate.CANCELLED, ErrorFate.CANCELLED),
        (321, ErrorFate.REJECTED, ErrorFate.NOTICE),
        (10147, ErrorFate.UNCERTAIN, ErrorFate.UNCERTAIN),
        (10148, ErrorFate.CANCEL_REFUSED, ErrorFate.CANCEL_REFUSED),
        (10311, ErrorFate.NOTICE, ErrorFate.NOTICE),
        (10349, ErrorFate.NOTICE, ErrorFate.NOTICE),
    ],
)
def test_a_code_means_another_thing_for_a_new_order_and_for_a_change(code, new, changed):
    assert (fate_of(code), fate_of(code, modifying=True)) == (new, changed)


def test_a_row_about_a_new_order_that_is_read_for_a_change_says_that_it_is_about_the_change():
    assert ERROR_TABLE.find(201, "", About.CHANGE).about is About.CHANGE


@pytest.mark.parametrize("about", ORDERS)
@pytest.mark.parametrize("code", [103, 109, 135, 161, 10148, 77777])
def test_an_order_that_nobody_is_sure_of_is_reconciled(code, about):
    meaning = ERROR_TABLE.find(code, "", about)

    assert (meaning.reaction is Reaction.RECONCILE) == (meaning.fate in UNSURE)


# Rows of a user.


def test_a_users_row_comes_first_and_leaves_the_table_as_it_was():
    mine = Meaning(code=354, about=About.REQUEST, pattern="vix", error=NoData, remedy="ask CBOE")

    table = ERROR_TABLE.with_rows(mine)

    assert table.find(354, "No subscription for VIX", About.REQUEST) is mine
    assert table.find(354, "No subscription for SPY", About.REQUEST).error is NotEntitled
    assert table.find(354, "VIX", About.ORDER).fate is ErrorFate.UNCERTAIN
    assert ERROR_TABLE.find(354, "VIX", About.REQUEST).error is NotEntitled
    assert table.rows[1:] == ERROR_TABLE.rows
    assert ERROR_TABLE.with_rows() == ERROR_TABLE


def test_a_users_row_about_a_request_ends_it_and_one_about_an_order_settles_nothing():
    about_request, about_order = (Meaning(code=1, about=about) for about in (About.REQUEST, About.ORDER))

    assert (about_request.effect, about_request.error) == (Effect.ENDS, GatewayRejected)
    assert about_request.reaction is Reaction.NONE
    assert (about_order.fate, about_order.reaction) == (ErrorFate.UNCERTAIN, Reaction.RECONCILE)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"code": "162"}, "code is '162'"),
        ({"code": True}, "code is True"),
        ({"pattern": "Pacing"}, "valid: lower-case text, such as 'pacing'"),
        ({"error": ValueError}, "a RequestFailed made of"),
        ({"error": SafetyRefused}, "a RequestFailed made of"),
        ({"error": CircuitOpen}, "a RequestFailed made of"),
        ({"error": lambda message, code: ValueError(message)}, "RequestFailed or a type under it"),
        ({"about": About.ORDER, "effect": Effect.ENDS}, "effect is Effect.ENDS"),
        ({"fate": ErrorFate.REJECTED}, "only a message about an order has one"),
        ({"about": About.CHANGE, "fate": ErrorFate.REJECTED}, "ends no order"),
        ({"about": About.CHANGE, "fate": ErrorFate.CANCELLED}, "ends no order"),
        ({"farm": Farm.HISTORY}, "only a message with id -1"),
    ],
)
def test_a_row_that_cannot_be_is_refused(row, why):
    with pytest.raises(InvalidInput, match=why):
        Meaning(**{"code": 1, "about": About.REQUEST, **row})


def test_an_error_of_the_users_own_is_taken():
    class Halted(RequestFailed):
        """Trading is halted."""

    assert issubclass(Meaning(code=1, about=About.REQUEST, error=Halted).error, RequestFailed)


def test_rows_that_would_never_be_found_are_refused():
    wide, narrow = (Meaning(code=162, about=About.REQUEST, pattern=text) for text in ("pace", "no pace"))

    with pytest.raises(InvalidInput, match="the row for code 162 with 'no pace' would never be found"):
        ERROR_TABLE.with_rows(wide, narrow)

    assert ERROR_TABLE.with_rows(narrow, wide).rows[:2] == (narrow, wide)


@pytest.mark.parametrize("rows", [[162], ["no data"], [{"code": 162}]])
def test_what_is_no_row_is_refused(rows):
    with pytest.raises(InvalidInput, match="valid: values of Meaning"):
        ErrorTable(rows)
    with pytest.raises(InvalidInput, match="valid: values of Meaning"):
        ERROR_TABLE.with_rows(*rows)


def test_a_table_is_a_value():
    again = pickle.loads(pickle.dumps(ERROR_TABLE))

    assert again == ERROR_TABLE
    assert hash(again) == hash(ErrorTable(list(ROWS)))
    assert repr(ERROR_TABLE) == f"ErrorTable(rows=<{len(ROWS)} meanings>)"


def test_a_row_is_called_by_its_code_and_pattern():
    bare, narrow = (Meaning(code=162, about=About.REQUEST, pattern=text) for text in ("", "pacing"))

    assert (str(bare), str(narrow)) == ("code 162", "code 162 with 'pacing'")


def test_the_words_of_an_error_hold_code_text_and_remedy():
    meaning = Meaning(code=162, about=About.REQUEST, remedy="wait")

    assert meaning.words("pacing") == "162, 'pacing'; wait"
    assert Meaning(code=162, about=About.REQUEST).words("pacing") == "162, 'pacing'"
