from ibkeel.ibkr.client import Tap


class Wrapper:
    """Notes what the library's own handlers see."""

    def __init__(self):
        self.seen = []

    def error(self, *args):
        self.seen.append(("error", *args))
        return "handled"

    def openOrder(self, *args):
        self.seen.append(("openOrder", *args))


def test_a_hearer_hears_first_and_the_library_after_it():
    wrapper, heard = Wrapper(), []
    tap = Tap(wrapper)

    tap.hear("error", lambda *args: heard.append((args, list(wrapper.seen))))
    answer = wrapper.error(-1, 2104, "farm")

    assert heard == [((-1, 2104, "farm"), [])]
    assert wrapper.seen == [("error", -1, 2104, "farm")]
    assert answer == "handled"


def test_a_hearer_may_keep_a_message_from_the_library():
    wrapper = Wrapper()

    Tap(wrapper).hear("error", lambda *_: True)
    wrapper.error(7, 162, "no data")

    assert wrapper.seen == []


def test_every_hearer_hears_even_what_another_keeps():
    wrapper, heard = Wrapper(), []
    tap = Tap(wrapper)

    tap.hear("error", lambda *_: heard.append("first") or True)
    tap.hear("error", lambda *_: heard.append("second"))
    wrapper.error(7, 162, "no data")

    assert heard == ["first", "second"]
    assert wrapper.seen == []


def test_other_messages_and_other_wrappers_are_not_touched():
    wrapper, other = Wrapper(), Wrapper()

    Tap(wrapper).hear("error", lambda *_: True)
    wrapper.openOrder(1)
    other.error(2)

    assert wrapper.seen == [("openOrder", 1)]
    assert other.seen == [("error", 2)]


def test_a_removed_tap_gives_the_library_its_own_back():
    wrapper = Wrapper()
    tap = Tap(wrapper)
    tap.hear("error", lambda *_: True)

    tap.remove()
    wrapper.error(7, 162, "no data")

    assert wrapper.seen == [("error", 7, 162, "no data")]
    assert vars(wrapper).keys() == {"seen"}
