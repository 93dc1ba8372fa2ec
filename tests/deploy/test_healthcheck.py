import json
import runpy
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

HEALTHCHECK = Path(__file__).parents[2] / "deploy" / "healthcheck.py"
ailing = runpy.run_path(str(HEALTHCHECK))["ailing"]


@contextmanager
def bot(folder, status, body):
    """Something that answers where a bot's API would."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            right = self.headers["Authorization"] == "Bearer secret" and self.path == "/board"
            self.send_response(status if right else 401)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        address = {"host": "127.0.0.1", "port": server.server_port, "token": "secret", "pid": 1}
        (folder / "api.json").write_text(json.dumps(address), encoding="utf-8")
        yield
        thread.join(timeout=10)


@pytest.mark.parametrize("age", [None, 0.5, 299.0])
def test_a_bot_that_answers_is_well(tmp_path, age):
    with bot(tmp_path, 200, json.dumps({"age": age}).encode()):
        assert ailing(tmp_path) is None


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b'{"age": 301.2}', "nothing has happened in the bot for 301 s"),
        (401, b'{"error": "no token"}', "the bot refuses: 401"),
        (200, b"not json", "the bot does not answer"),
    ],
)
def test_a_bot_that_is_stuck_or_strange_is_not(tmp_path, status, body, said):
    with bot(tmp_path, status, body):
        assert ailing(tmp_path).startswith(said)


def test_a_file_left_behind_by_a_dead_bot_is_not_believed(tmp_path):
    with bot(tmp_path, 200, b'{"age": 0}'):
        ailing(tmp_path)

    assert ailing(tmp_path).startswith("the bot does not answer")


@pytest.mark.parametrize("text", ["", "{", "\x00"])
def test_a_file_that_cannot_be_read_is_said(tmp_path, text):
    (tmp_path / "api.json").write_text(text, encoding="utf-8")

    assert ailing(tmp_path).startswith("no bot runs here")
