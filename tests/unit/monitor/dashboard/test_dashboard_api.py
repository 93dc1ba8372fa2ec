"""The bot's own API: who is named in the state directory, and what clients that misbehave cost."""

import http.client
import json
import socket
import threading
from pathlib import Path

import attrs
import pytest

from ibkeel.errors import ConfigurationError
from ibkeel.monitor.board import Board
from ibkeel.monitor.dashboard import API_FILE, BoardApi
from ibkeel.monitor.dashboard.api import Sign
from ibkeel.system import SystemClock


@attrs.define
class Turned:
    """A clock that a test turns on."""

    seconds: float = 0.0

    def monotonic(self):
        return self.seconds

    def now(self):
        return SystemClock().now()


class CountedBoard(Board):
    """Knows how often it was looked at."""

    looks = 0

    @property
    def snapshot(self):
        self.looks += 1
        return super().snapshot


def named(folder):
    return json.loads((folder / API_FILE).read_text())["token"]


def closed_port():
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


def test_a_second_bots_end_leaves_the_first_one_named(tmp_path):
    first, second = Sign(tmp_path / API_FILE, "first"), Sign(tmp_path / API_FILE, "second")
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        first.put_up(port)
        second.put_up(port)

        first.take_down()
        assert named(tmp_path) == "second"
        first.look_after(port)
        assert named(tmp_path) == "second"
        second.take_down()
        first.look_after(port)

    assert named(tmp_path) == "first"


@pytest.mark.parametrize("text", ["nonsense", "[]", "{}", '{"port": 99999999}', '{"port": "x"}'])
def test_a_file_that_names_nobody_is_put_right(tmp_path, text):
    (tmp_path / API_FILE).write_text(text)

    Sign(tmp_path / API_FILE, "mine").look_after(1)

    assert named(tmp_path) == "mine"


def test_a_bot_that_was_killed_leaves_its_place_to_one_that_lives(tmp_path):
    Sign(tmp_path / API_FILE, "killed").put_up(closed_port())

    Sign(tmp_path / API_FILE, "mine").look_after(1)

    assert named(tmp_path) == "mine"


def test_all_who_ask_at_once_share_one_look():
    board, clock = CountedBoard(), Turned()
    api = BoardApi(board, clock)

    threads = [threading.Thread(target=api.text) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert board.looks == 1

    clock.seconds = 1.0
    api.text()
    assert board.looks == 2


def test_clients_that_hang_are_few_and_not_for_long(tmp_path):
    clock = Turned(10.0)
    with BoardApi(Board(), clock).served(tmp_path) as port:
        hanging = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(16)]
        for client in hanging:
            client.sendall(b"GET /bo")
        with socket.create_connection(("127.0.0.1", port), 5) as one_too_many:
            refused = one_too_many.recv(1)

        clock.seconds = 30.0
        sent_away = [client.recv(1) for client in hanging]
        for client in hanging:
            client.close()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/board", headers={"Authorization": f"Bearer {named(tmp_path)}"})
        status = connection.getresponse().status
        connection.close()

    assert refused == b""
    assert set(sent_away) == {b""}
    assert status == 200


def test_a_port_that_is_taken_is_refused_in_a_sentence(tmp_path):
    api = BoardApi(Board(), SystemClock())
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}"):
            api.served(tmp_path, port).__enter__()

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_no_file_keeps_no_bot_from_starting_and_it_is_named_there_later(tmp_path):
    """On a full disk a bot that held a position did not start again, and nobody was told."""
    clock, folder = Turned(10.0), tmp_path / "gone"
    with BoardApi(Board(), clock).served(folder) as port:
        folder.mkdir()
        clock.seconds = 12.0
        rounds = 0
        while not (folder / API_FILE).exists() and rounds < 2000:  # the server's own, twice a second
            socket.create_connection(("127.0.0.1", port), 5).close()  # and after each client
            rounds += 1

        assert named(folder)
    assert list(folder.iterdir()) == []


def test_who_asks_for_something_else_is_told_what_there_is(tmp_path):
    with BoardApi(Board(), SystemClock()).served(tmp_path) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {named(tmp_path)}"})
        answer = connection.getresponse()
        told = (answer.status, json.loads(answer.read()))
        connection.close()

    assert told == (404, {"error": "valid: /board"})


class SlowFolder(type(Path())):
    """A folder on a disk so slow that others ask the bot for its board before its name is written, and taken away."""

    seen = ()

    def replace(self, target):
        if threading.current_thread() is threading.main_thread():
            self.ask()
        return super().replace(target)

    def unlink(self, missing_ok=False):
        if self.name == API_FILE:
            self.ask()
        super().unlink(missing_ok=missing_ok)

    @classmethod
    def ask(cls):
        answers = [
            cls.answer(),
            cls.answer(),
        ]  # when the second has come, the server has taken its turn after the first
        cls.seen = (*cls.seen, answers[1])

    @classmethod
    def answer(cls):
        try:
            with socket.create_connection(("127.0.0.1", cls.port), 5) as client:
                client.sendall(b"GET /board HTTP/1.0\r\n\r\n")
                return client.recv(12).decode()
        except ConnectionRefusedError:
            return "nobody"


def test_a_name_is_put_up_once_and_taken_down_for_good_however_slow_the_disk(tmp_path):
    SlowFolder.port, SlowFolder.seen = closed_port(), ()

    with BoardApi(Board(), Turned(10.0)).served(SlowFolder(tmp_path), SlowFolder.port):
        named(tmp_path)

    assert SlowFolder.seen == ("HTTP/1.1 401", "nobody")
    assert list(tmp_path.iterdir()) == []
