"""Nobody looks or halts who should not: names, tokens, origins and lengths."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkeel.errors import ConfigurationError
from ibkeel.monitor.dashboard import Access
from ibkeel.monitor.doors import is_loopback

TOKEN = "correct horse battery staple"
LOCAL = {"host": "127.0.0.1:8765"}


def changing(access, **more):
    return {
        "host": "127.0.0.1:8765",
        "origin": "http://127.0.0.1:8765",
        "content-type": "application/json",
        "x-ibkeel-page": access.csrf,
        **more,
    }


@pytest.mark.parametrize("name", ["127.0.0.1:8765", "localhost:8765", "[::1]:8765", "localhost"])
def test_a_page_on_loopback_answers_to_the_machines_own_names(name):
    assert Access().against_reading({"host": name}, None) == ""


@pytest.mark.parametrize("name", ["evil.example:8765", "evil.example", "", "127.0.0.1.evil.example:8765"])
def test_a_foreign_name_that_leads_to_loopback_is_refused(name):
    assert "that name" in Access().against_reading({"host": name}, None)


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("localhost", True), ("127.0.0.2", True), ("::1", True), ("0.0.0.0", False), ("::", False), ("", False),
        ("localhost.evil.example", False), ("10.0.0.1", False),
    ],
)  # fmt: skip
def test_only_an_address_of_this_machine_alone_goes_without_a_token(host, is_ours):
    assert is_loopback(host) is is_ours


def test_a_page_that_others_can_reach_needs_a_token_of_some_length():
    with pytest.raises(ConfigurationError, match="without a token"):
        Access(host="0.0.0.0")
    with pytest.raises(ConfigurationError, match="16 characters"):
        Access(host="0.0.0.0", token="short")


@pytest.mark.parametrize("token", ["пароль-пароль-пароль", "correct horse\nbattery staple"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_told(token):
    with pytest.raises(ConfigurationError, match="plain ASCII") as caught:
        Access(token=token)

    assert token not in str(caught.value)


@given(given_token=st.text(max_size=40))
def test_only_the_token_opens_by_header_or_by_cookie(given_token):
    access = Access(host="0.0.0.0", token=TOKEN)

    by_header = access.against_reading({"host": "bot:1", "authorization": f"Bearer {given_token}"}, None)
    by_cookie = access.against_reading({"host": "bot:1"}, given_token)

    assert bool(by_header) == (given_token != TOKEN)
    assert bool(by_cookie) == (given_token != TOKEN)
    assert access.against_reading({"host": "bot:1", "authorization": f"Bearer {TOKEN}"}, None) == ""
    assert access.against_reading({"host": "bot:1"}, TOKEN) == ""


def test_behind_a_proxy_with_a_port_of_its_own_the_documented_header_is_the_one_that_browsers_send():
    access = Access(names=("bot.example",))
    address = {"origin": "https://bot.example:8443"}
    page = Path(__file__).parents[4] / "docs" / "how-to" / "watch-a-bot.md"

    assert access.against_changing(changing(access, host="bot.example:8443", **address)) == ""  # $http_host
    assert access.against_reading({"host": "bot.example:8443"}, None) == ""
    assert "another site" in access.against_changing(changing(access, host="bot.example", **address))  # $host
    assert "proxy_set_header Host $http_host;" in page.read_text(encoding="utf-8")


def test_a_page_behind_a_proxy_answers_to_the_name_it_was_given():
    access = Access(host="0.0.0.0", token=TOKEN, names=("bot.example",))

    assert access.against_reading({"host": "bot.example"}, TOKEN) == ""
    assert "that name" in access.against_reading({"host": "evil.example"}, TOKEN)


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        ({"origin": "http://evil.example"}, "another site"),
        ({"origin": "null"}, "another site"),
        ({"sec-fetch-site": "cross-site"}, "another site"),
        ({"content-type": "text/plain"}, "application/json"),
        ({"content-type": ""}, "application/json"),
        ({"x-ibkeel-page": "guess"}, "load the page anew"),
        ({"x-ibkeel-page": ""}, "load the page anew"),
    ],
)
def test_what_changes_something_must_come_from_the_page_itself(spoilt, why):
    access = Access()

    assert access.against_changing(changing(access)) == ""
    assert why in access.against_changing(changing(access, **spoilt))


@pytest.mark.parametrize(
    ("length", "refused"),
    [("0", False), ("2048", False), ("2049", True), ("", True), ("-1", True), ("x", True)],
)
def test_a_long_body_or_one_of_unknown_length_is_not_read(length, refused):
    assert Access().is_too_long({"content-length": length}) is refused


def test_neither_token_nor_the_pages_word_shows():
    access = Access(token=TOKEN)

    assert TOKEN not in repr(access)
    assert access.csrf not in repr(access)
