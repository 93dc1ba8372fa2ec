import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ibkeel.errors import ConfigurationError
from ibkeel.monitor.alerts import AppriseChannel, Courier, DeliveryFailed, Message, WebAddress
from ibkeel.resilience import Backoff


class Still:
    """A clock that a test turns."""

    def __init__(self):
        self.seconds = 0.0

    def monotonic(self):
        return self.seconds


class Rested:
    """Waits for news for real, and for retries not at all: it notes them and turns the clock."""

    def __init__(self, clock):
        self.clock, self.pauses = clock, []

    def until(self, event, seconds):
        if seconds is None:
            event.wait(10)
            return
        self.pauses.append(seconds)
        self.clock.seconds += seconds


class Fussy:
    """A channel that refuses a number of times, and keeps what it takes."""

    name = "1 (fussy)"

    def __init__(self, refusals=0):
        self.refusals, self.taken = refusals, []

    def deliver(self, message):
        if self.refusals > 0:
            self.refusals -= 1
            raise DeliveryFailed("the service did not take it")
        self.taken.append(message.number)


def message(number):
    return Message(number, f"title {number}", "text", "warning")


@pytest.fixture
def work():
    made = []

    def start(channel, **options):
        clock = Still()
        rest, fates = Rested(clock), []
        courier = Courier(channel, fates.append, clock, rest=rest, **options)
        made.append(courier)
        return courier, rest, fates

    yield start
    for courier in made:
        courier.close()


def test_messages_arrive_in_order_each_once_through_refusals(work):
    channel = Fussy(refusals=3)
    courier, rest, fates = work(channel)
    for number in (1, 2, 3):
        courier.post(message(number))

    courier.start()

    assert courier.drain(10)
    assert channel.taken == [1, 2, 3]
    assert rest.pauses == [5.0, 10.0, 20.0]
    assert [(fate.number, fate.attempts, bool(fate.cause)) for fate in fates] == [
        (1, 1, True),
        (1, 2, True),
        (1, 3, True),
        (1, 4, False),
        (2, 1, False),
        (3, 1, False),
    ]


class Broken(Fussy):
    """A channel of somebody else, which raises what it likes."""

    def __init__(self, error):
        super().__init__()
        self.errors = [error]

    def deliver(self, message):
        if self.errors:
            raise self.errors.pop()
        super().deliver(message)


@pytest.mark.parametrize("error", [ValueError("https://secret.example"), SystemExit(1)])
def test_a_channel_that_raises_what_it_should_not_is_told_of_and_tried_again(work, error):
    channel = Broken(error)
    courier, _, fates = work(channel)
    for number in (1, 2):
        courier.post(message(number))

    courier.start()

    assert courier.drain(10)
    assert channel.taken == [1, 2]
    assert [fate.cause for fate in fates] == [f"the channel raised {type(error).__name__}", "", ""]


class Picky(Fussy):
    """A channel that never takes some messages."""

    def __init__(self, *never):
        super().__init__()
        self.never = never

    def deliver(self, message):
        if message.number in self.never:
            raise DeliveryFailed("the service did not take it")
        super().deliver(message)


def test_messages_that_are_never_taken_hold_back_no_others(work):
    channel = Picky(1, 3)
    courier, _, fates = work(channel, give_up_after=3600.0)
    for number in (1, 2, 3, 4):
        courier.post(message(number))

    courier.start()

    assert courier.drain(10)
    assert channel.taken == [2, 4]
    assert [fate.number for fate in fates if fate.is_final] == [1, 3]
    assert max(fate.attempts for fate in fates) < 20


def test_after_a_long_outage_messages_arrive_in_order(work):
    channel = Fussy(refusals=16)
    courier, _, _ = work(channel)
    for number in range(1, 6):
        courier.post(message(number))

    courier.start()

    assert courier.drain(10)
    assert channel.taken == [1, 2, 3, 4, 5]


def test_a_message_is_text_whatever_the_channel_takes_it_for_and_never_too_long(monkeypatch):
    channel = AppriseChannel(1, "tgram://123456789:abcdefg_hijklmnop/12315544")
    (service,) = channel._apprise
    sent = []
    monkeypatch.setattr(service, "send", lambda **told: sent.append(told["body"]) or True)

    channel.deliver(Message(1, "a < b", "loss 3 < 4\n" + "x" * 5000, "warning"))

    whole = "".join(sent)
    assert "3 &lt; 4" in whole.replace("&nbsp;", " ")
    assert whole.count("x") == 5000
    assert max(map(len, sent)) <= service.body_maxlen


def test_a_delivery_runs_in_the_thread_that_asks_for_it_since_no_process_ends_before_those_of_a_pool(
    monkeypatch,
):
    channel = AppriseChannel(1, "json://127.0.0.1:1")
    seen = []
    monkeypatch.setattr(
        channel._apprise[0], "send", lambda **_: seen.append(threading.current_thread()) or True
    )

    channel.deliver(message(1))

    assert seen == [threading.current_thread()]


def test_what_no_channel_can_write_is_escaped(monkeypatch):
    channel = AppriseChannel(1, "json://127.0.0.1:1")
    sent = []
    monkeypatch.setattr(channel._apprise[0], "send", lambda **told: sent.append(told) or True)

    channel.deliver(Message(1, "SPÄ\nX: 1", "no file named \udcff\nWhen: now", "warning"))

    assert (sent[0]["title"], sent[0]["body"]) == ("SPÄ\\nX: 1", "no file named \\udcff\nWhen: now")


@pytest.mark.parametrize(("more", "seconds"), [("", 20.0), ("?rto=90", 90.0)])
def test_a_service_has_time_to_say_that_it_took_a_message(more, seconds):
    (service,) = AppriseChannel(1, f"json://127.0.0.1:1/{more}")._apprise

    assert service.socket_read_timeout == seconds


@pytest.fixture
def answering():
    """An address in apprise's form that answers the next message with a status."""
    with ThreadPoolExecutor(1) as worker, ExitStack() as stack:

        def serve(status):
            class Handler(BaseHTTPRequestHandler):
                def do_POST(self):
                    self.send_response(status)
                    self.end_headers()

                def log_message(self, *_): ...

            server = stack.enter_context(HTTPServer(("127.0.0.1", 0), Handler))
            server.timeout = 30.0  # a message that does not come holds up no suite
            worker.submit(server.handle_request)
            return f"json://me:my-secret-password@127.0.0.1:{server.server_port}/my-secret-token"

        yield serve


@pytest.mark.parametrize("status", [401, 404, 500])
def test_what_a_service_answered_is_told_and_nothing_else_that_apprise_says(
    answering, status, caplog, capsys
):
    caplog.set_level(logging.DEBUG)
    channel = AppriseChannel(1, answering(status))

    with pytest.raises(DeliveryFailed, match=f"^the service answered {status}$"):
        channel.deliver(message(1))

    assert "127.0.0.1" not in caplog.text + "".join(capsys.readouterr())


def test_a_service_that_cannot_be_reached_is_told_so(unused_port):
    channel = AppriseChannel(1, f"json://me:my-secret-password@127.0.0.1:{unused_port}")

    with pytest.raises(DeliveryFailed, match="no connection, or a login that was refused"):
        channel.deliver(message(1))


def test_a_message_that_is_too_old_is_given_up_and_the_next_is_tried(work):
    channel = Fussy(refusals=4)
    courier, _, fates = work(channel, give_up_after=30.0)
    for number in (1, 2):
        courier.post(message(number))

    courier.start()

    assert courier.drain(10)
    assert channel.taken == [2]
    assert [(fate.number, fate.attempts) for fate in fates if fate.is_final] == [(1, 4)]


def test_a_message_with_one_attempt_is_not_tried_again(work):
    courier, rest, fates = work(Fussy(refusals=1), retries=Backoff(attempts=1))
    courier.post(message(0))

    courier.start()

    assert courier.drain(10)
    assert (rest.pauses, fates[0].is_final) == ([], True)


def test_when_too_many_wait_the_oldest_is_given_up_but_not_the_one_under_way(work):
    courier, _, fates = work(Fussy(), capacity=3)

    for number in range(1, 6):
        courier.post(message(number))

    assert [(fate.number, fate.cause) for fate in fates] == [
        (2, "too many messages wait"),
        (3, "too many messages wait"),
    ]


def test_a_channel_that_hangs_holds_back_nobody_but_its_own_messages(work):
    release = threading.Event()

    class Hanging(Fussy):
        def deliver(self, message):
            release.wait(10)
            super().deliver(message)

    slow, quick = Hanging(), Fussy()
    couriers = [work(channel)[0] for channel in (slow, quick)]
    for courier in couriers:
        courier.start()
        courier.post(message(1))

    assert couriers[1].drain(10)
    assert not couriers[0].drain(0)
    release.set()
    assert couriers[0].drain(10)


def test_an_address_that_cannot_be_reached_is_not_named(unused_port):
    channel = WebAddress(f"http://127.0.0.1:{unused_port}/my-secret-uuid", timeout=1)

    with pytest.raises(DeliveryFailed, match="could not be reached") as caught:
        channel.deliver(message(0))

    assert "my-secret-uuid" not in f"{caught.value!r}{channel.name}"


def test_an_address_that_apprise_does_not_know_is_not_named():
    with pytest.raises(ConfigurationError, match="apprise does not know the address number 2") as caught:
        AppriseChannel(2, "nonsense://my-secret-token")

    assert "my-secret-token" not in str(caught.value)


def test_a_service_that_raises_is_a_refusal_without_its_words():
    channel = AppriseChannel(1, "json://127.0.0.1:1/my-secret-token")

    def notify(**_):
        raise ValueError("https://my-secret-token")

    channel._apprise = type("Raising", (), {"notify": staticmethod(notify)})()

    with pytest.raises(DeliveryFailed, match="apprise raised ValueError") as caught:
        channel.deliver(message(1))

    assert caught.value.__cause__ is None
    assert "my-secret-token" not in str(caught.value)
