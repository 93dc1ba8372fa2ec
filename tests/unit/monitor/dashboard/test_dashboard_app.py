"""The web application: what it shows, what it refuses, and what halting does."""

import json
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from ibkeel.errors import ConfigurationError
from ibkeel.monitor.board import Board
from ibkeel.monitor.dashboard import Access, BoardSource, HaltControls
from ibkeel.monitor.dashboard.app import dashboard_app, serve_page
from ibkeel.runner import Halt
from ibkeel.system import SystemClock
from ibkeel.telemetry import SessionChanged

TOKEN = "correct horse battery staple"
BASE = "http://127.0.0.1:8765"


@pytest.fixture
def halt(tmp_path):
    return tmp_path / "halt"


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def opened(halt, board):
    """Makes a client of the application."""

    def make(access=None, **more):
        access = access or Access()
        clock = SystemClock()
        app = dashboard_app(BoardSource(board, clock), HaltControls(halt, clock), access, **more)
        return TestClient(app, base_url=BASE, follow_redirects=False), access

    return make


def halting(access, **headers):
    return {"x-ibkeel-page": access.csrf, "origin": BASE, "content-type": "application/json", **headers}


def test_the_page_its_files_and_its_board_are_served_and_kept_by_nobody(opened):
    client, access = opened()

    page = client.get("/")

    assert access.csrf in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    for path in ("/static/board.css", "/static/board.js", "/api/board"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
    assert client.get("/static/../api.py").status_code == 404
    assert client.get("/static/board.html").status_code == 404


def test_the_button_halts_by_the_file_with_its_reason_and_lifts_it(opened, halt):
    client, access = opened()

    answer = client.post("/api/halt", json={"reason": "news\nat  noon"}, headers=halting(access))

    assert answer.json()["halted"].startswith("the page: news at noon, since ")
    assert Halt(halt).reason.startswith("the page: news at noon")
    assert client.get("/api/board").json()["halted"].startswith("the page")
    assert client.post("/api/lift", json={}, headers=halting(access)).json() == {"halted": ""}
    assert not halt.exists()


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[1]", b'{"reason": null}', b'{"reason": {"a": 1}}'])
def test_a_halt_without_a_good_reason_halts_all_the_same(opened, halt, body):
    client, access = opened()

    answer = client.post("/api/halt", content=body, headers=halting(access))

    assert answer.status_code == 200
    assert Halt(halt).reason.startswith("the page")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"x-ibkeel-page": "guess"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"host": "evil.example"},
        {"sec-fetch-site": "cross-site"},
    ],
    ids=str,
)
def test_a_request_from_elsewhere_changes_nothing_and_reveals_nothing(opened, halt, board, headers):
    client, access = opened()
    board.on_event(SessionChanged(at=SystemClock().now(), before="syncing", after="ready", cause="planted"))

    answer = client.post("/api/halt", json={}, headers=halting(access, **headers))

    assert answer.status_code == 403
    assert "planted" not in answer.text
    assert access.csrf not in answer.text
    assert not halt.exists()


def test_an_oversized_request_is_not_read(opened, halt):
    client, access = opened()

    answer = client.post("/api/halt", json={"reason": "x" * 5000}, headers=halting(access))

    assert answer.status_code == 413
    assert not halt.exists()


@pytest.mark.parametrize("path", ["/api/halt", "/api/lift"])
def test_a_file_that_cannot_be_changed_is_told_and_nobody_believes_otherwise(opened, halt, path):
    halt.mkdir()
    (halt / "full").touch()
    client, access = opened()

    answer = client.post(path, json={}, headers=halting(access))

    assert answer.status_code == 500
    assert str(halt) in answer.json()["error"]


def test_an_oversized_token_is_not_read(opened):
    client, _ = opened(Access(host="0.0.0.0", token=TOKEN))

    assert client.post("/login", data={"token": "x" * 5000}).status_code == 413


@pytest.mark.parametrize("port", [0, -1, 65536])
async def test_a_port_that_is_none_is_refused_before_anything_is_served(opened, port):
    client, _ = opened()

    with pytest.raises(ConfigurationError, match=f"port is {port}; valid: 1 to 65535"):
        await serve_page(client.app, "127.0.0.1", port)


def test_halting_by_a_link_or_an_image_is_impossible(opened, halt):
    client, _ = opened()

    assert client.get("/api/halt").status_code == 405
    assert not halt.exists()


def test_with_a_token_nothing_is_told_before_it_is_given(opened, board):
    client, access = opened(Access(host="0.0.0.0", token=TOKEN))
    board.on_event(SessionChanged(at=SystemClock().now(), before="syncing", after="ready", cause="planted"))

    for path in ("/", "/api/board", "/api/stream", "/metrics", "/static/board.js"):
        answer = client.get(path)
        assert answer.status_code == 401
        assert "planted" not in answer.text
        assert access.csrf not in answer.text
    assert client.post("/login", data={"token": "wrong horse battery staple"}).status_code == 401

    entered = client.post("/login", data={"token": TOKEN})

    assert entered.status_code == 303
    assert "HttpOnly" in entered.headers["set-cookie"]
    assert "SameSite=strict" in entered.headers["set-cookie"]
    assert client.get("/api/board").status_code == 200


def test_life_is_told_to_anybody_and_readiness_in_one_word(opened, board):
    client, _ = opened(Access(host="0.0.0.0", token=TOKEN), every=0)

    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503

    board.on_event(SessionChanged(at=SystemClock().now(), before="syncing", after="ready", cause=""))

    assert client.get("/readyz").text == "ready\n"


def test_a_bot_in_which_nothing_happens_any_more_is_not_ready(opened, board):
    client, _ = opened(every=0)

    board.on_event(
        SessionChanged(at=SystemClock().now() - timedelta(seconds=301), before="syncing", after="ready")
    )

    assert client.get("/readyz").status_code == 503


def test_metrics_are_those_that_it_was_given_or_a_hint_at_the_bots_own(opened):
    client, _ = opened(metrics=lambda: "ibkeel_up 1\n")
    elsewhere, _ = opened()

    assert client.get("/metrics").text == "ibkeel_up 1\n"
    assert "metrics_port" in elsewhere.get("/metrics").text


def test_the_page_never_makes_markup_of_what_it_shows(opened):
    client, _ = opened()

    script = client.get("/static/board.js").text

    assert "innerHTML" not in script
    assert "insertAdjacentHTML" not in script
    assert json.dumps("<script>")  # texts reach the page as JSON only


def test_pages_beyond_the_most_are_refused_and_told_why(opened, monkeypatch):
    monkeypatch.setattr("ibkeel.monitor.dashboard.app._STREAMS", 0)
    client, _ = opened()

    answer = client.get("/api/stream")

    assert answer.status_code == 503
    assert "close one" in answer.json()["error"]
