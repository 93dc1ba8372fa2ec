"""What others said is shown, not obeyed."""

from hypothesis import given
from hypothesis import strategies as st

from ibkeel.telemetry.redaction import printable


@given(st.text())
def test_nothing_that_is_shown_commands_the_terminal(text):
    assert printable(text).isprintable()


def test_letters_of_every_language_stay():
    assert printable("Société [red] 日本") == "Société [red] 日本"
