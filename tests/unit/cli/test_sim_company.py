"""Who watches a simulated Gateway: the picture in the terminal, the web page, and their commands."""

import asyncio
import io
import json
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from click.testing import CliRunner
from rich.console import Console
from rich.text import Text

from ibkeel.cli.app import run
from ibkeel.cli.sim_record import sim_record
from ibkeel.cli.sim_view import Company, accompany, picture, recording
from ibkeel.cli.sim_web import Stage, page, serve_page, view_data
from ibkeel.errors import ConfigurationError
from ibkeel.sim import FaultSeen, SimulatedGateway
from ibkeel.sim.market import SeededMarket
from ibkeel.sim.transcripts import Transcript
from ibkeel.sim.view import ClientView, GatewayView, MessageSeen, OrderView
from ibkeel.sim.wire import GREETING, encode, frame
from ibkeel.telemetry.redaction import printable
from ibkeel.virtual import run_virtual, virtual_clock

AT = datetime(2026, 1, 5, 16, 0, tzinfo=UTC)
VIEW = GatewayView(
    at=AT,
    clients=(ClientView(client_id=7, version=176, lines=3, histories=1, streams=2, violations=4),),
    connections=2,
    lines=3,
    line_limit=100,
    histories=1,
    messages=33,
    violations={"message_rate": 4},
    orders=(
        OrderView(client_id=7, order_id=9, contract="SPY", what="BUY 1 MKT", status="Submitted", filled=0.0),
    ),
    faults=(
        FaultSeen(kind="mute", at=AT, detail=""),
        FaultSeen(kind="notice", at=AT, ended_at=AT),
        FaultSeen(kind="slow", at=AT, ended_at=AT + timedelta(seconds=5)),
    ),
    said=(
        MessageSeen(
            at=AT, client_id=7, sender="gateway", name="error", detail="1 201 for DU1234567", times=2
        ),
        MessageSeen(at=AT, client_id=None, sender="", name="opened", detail=""),
    ),
)


@pytest.fixture
def stage():
    done = []
    made = Stage(title="Here", view=lambda: VIEW, inject=done.append, heal=lambda: done.append("healed"))
    return made, done


def ask(stage, path, *, method="GET", host="127.0.0.1:8000", origin=None, body=b""):
    """One request to the page; status, headers and text."""
    headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin else [])
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": headers,
        "query_string": b"",
        "root_path": "",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 5),
    }
    sent = []

    async def main():
        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        await page(stage)(scope, receive, send)

    asyncio.run(main())
    text = b"".join(each.get("body", b"") for each in sent).decode()
    return sent[0]["status"], dict(sent[0]["headers"]), text


def test_the_picture_shows_everything_and_no_account():
    console = Console(width=150, height=40, record=True, file=io.StringIO())

    console.print(picture(VIEW, "Here"))

    text = console.export_text()
    for word in (
        "11:00:00 New York",
        "message_rate 4",
        "BUY 1 MKT",
        "mute",
        "11:00:05",
        "2 times",
        "DU***67",
    ):
        assert word in text
    assert "DU1234567" not in text


@pytest.mark.parametrize("said", ["[/x] [red]", "\x1b]0;pwned\x07", "\x1b[2J", "\udcff", "a\nb"])
def test_the_picture_shows_what_clients_say_and_obeys_none_of_it(said):
    [order], [fault, *_], [message, *_] = VIEW.orders, VIEW.faults, VIEW.said
    view = attrs.evolve(
        VIEW,
        orders=(attrs.evolve(order, contract=said, what=said, status=said),),
        faults=(attrs.evolve(fault, detail=said),),
        said=(attrs.evolve(message, name=said, detail=said),),
    )
    console = Console(width=200, height=40, file=io.StringIO())

    console.print(picture(view, "Here"))

    shown = console.file.getvalue()
    assert shown.count(printable(said)) == 6
    assert all(each.isprintable() for each in shown if each != "\n")


def test_the_page_needs_nothing_from_elsewhere(stage):
    status, headers, text = ask(stage[0], "/")

    assert status == 200
    assert b"default-src 'self'" in headers[b"content-security-policy"]
    assert '"message_rate": 4' in text
    assert "http://" not in text
    assert "https://" not in text


def test_bytes_that_are_no_text_do_not_end_the_page(stage):
    [message, *_] = VIEW.said
    view = attrs.evolve(VIEW, said=(attrs.evolve(message, name="\udcff", detail="\udcff"),))

    status, _, text = ask(attrs.evolve(stage[0], view=lambda: view), "/state")

    assert status == 200
    assert "udcff" in text


def test_the_state_is_data_without_accounts(stage):
    status, _, text = ask(stage[0], "/state")

    data = json.loads(text)
    assert status == 200
    assert data["title"] == "Here"
    assert data["clients"][0]["client_id"] == 7
    assert [each["is_over"] for each in data["faults"]] == [False, True, True]
    assert data["said"][0]["detail"] == "1 201 for DU***67"
    assert "nightly-restart" in view_data(stage[0])["scenarios"]


@pytest.mark.parametrize("path", ["/", "/state", "/events"])
def test_the_page_is_refused_under_another_name(stage, path):
    assert ask(stage[0], path, host="evil.example:8000")[0] == 403


def test_the_page_can_let_a_scenario_happen_at_once(stage):
    made, done = stage

    status, _, _ = ask(
        made, "/faults", method="POST", origin="http://127.0.0.1:8000", body=b'{"name": "nightly-restart"}'
    )

    assert status == 200
    assert done
    assert not done[0].after
    assert done[0].at is None


def test_the_page_can_end_everything(stage):
    made, done = stage

    ask(made, "/faults", method="POST", origin="http://127.0.0.1:8000", body=b'{"name": "heal"}')

    assert done == ["healed"]


@pytest.mark.parametrize("origin", [None, "http://evil.example", "https://127.0.0.1:8000"])
def test_nobody_but_the_page_can_let_something_happen(stage, origin):
    made, done = stage

    status, _, _ = ask(made, "/faults", method="POST", origin=origin, body=b'{"name": "heal"}')

    assert (status, done) == (403, [])


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"name": "no-such"}', b'{"name": 5}'])
def test_nonsense_is_refused_with_a_reason(stage, body):
    made, done = stage

    status, _, text = ask(made, "/faults", method="POST", origin="http://127.0.0.1:8000", body=body)

    assert (status, done) == (400, [])
    assert json.loads(text)["error"]


async def test_a_port_of_the_page_that_is_taken_is_refused_in_a_sentence(stage):
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 8123)

    with pytest.raises(ConfigurationError, match="--web"):
        await serve_page(stage[0], 8123)

    server.close()


def test_a_picture_needs_a_terminal(capsys):
    with pytest.raises(ConfigurationError, match="--view"):
        Company(view=True).check()


def test_the_page_is_told_anew_every_second_until_it_leaves(stage):
    sent = []

    async def main():
        async def receive():
            await asyncio.sleep(2.5)
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http", "method": "GET", "path": "/events", "query_string": b"", "root_path": "", "scheme": "http",
            "http_version": "1.1", "headers": [(b"host", b"127.0.0.1:8000")], "server": ("127.0.0.1", 8000),
        }  # fmt: skip
        await page(stage[0])(scope, receive, send)

    run_virtual(main())

    told = [each["body"] for each in sent if each.get("body")]
    assert len(told) == 3
    assert all(json.loads(each.removeprefix(b"data: "))["title"] == "Here" for each in told)


def test_a_gateway_is_drawn_until_nobody_watches(capsys, monkeypatch):
    for name, value in (("FORCE_COLOR", "1"), ("COLUMNS", "150"), ("LINES", "40")):
        monkeypatch.setenv(name, value)
    market = SeededMarket(7)

    async def main():
        gateway = SimulatedGateway(market=market, clock=virtual_clock(), seed=7)
        async with gateway.listening("127.0.0.1", 4002):
            watching = asyncio.create_task(accompany(gateway, Company(view=True), "Here"))
            await asyncio.sleep(0.7)
            _, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, "127.0.0.1", 4002)
            await asyncio.sleep(0.7)
            watching.cancel()
            with pytest.raises(asyncio.CancelledError):
                await watching

    run_virtual(main())

    drawn = capsys.readouterr().out
    assert drawn.count("rules broken") == 3
    assert Text.from_ansi(drawn).plain.count("connections 1") == 1


@pytest.fixture
def recorded_file(tmp_path):
    """A short session, written down by the command's own recorder."""
    path, told = tmp_path / "t.jsonl", []
    market = SeededMarket(7)
    start = market.sessions(market.session_date, market.session_date)[0].opens_at + timedelta(hours=1)

    async def main():
        gateway = SimulatedGateway(market=market, clock=virtual_clock(), seed=7)
        notes = {"seed": 7, "date": market.session_date.isoformat()}
        async with gateway.listening("127.0.0.1", 4002):
            with recording(gateway, path, notes, told.append):
                loop = asyncio.get_running_loop()
                transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", 4002)
                transport.write(GREETING + frame(b"v157..176") + encode(("71", "2", "1", "")))
                transport.write(encode(("49", "1")) + encode(("61", "1")))
                await asyncio.sleep(1)

    run_virtual(main(), start=start)
    assert told == []
    return path


def test_a_session_is_recorded_and_compares_clean(recorded_file, capsys):
    path = recorded_file

    assert Transcript.load(path).header.notes["seed"] == 7
    assert run(["sim", "compare", str(path)]) == 0
    assert "no differences" in capsys.readouterr().out


def test_a_difference_ends_in_exit_code_5_and_is_named_in_json(recorded_file, capsys):
    path = recorded_file
    text = path.read_text()
    assert '"62", "1"' in text
    path.write_text(text.replace('"texts": ["62", "1"]', '"texts": ["62", "1", "more"]'))

    code = run(["sim", "compare", str(path), "--json"])

    data = json.loads(capsys.readouterr().out)
    assert code == 5
    [difference] = data["differences"]
    assert (difference["kind"], difference["where"]) == ("fields", "position_end")
    assert run(["sim", "compare", str(path)]) == 5
    assert "other fields" in capsys.readouterr().out


@pytest.mark.parametrize("address", ["nowhere", "host:0", "host:port", ":4002"])
def test_an_upstream_that_is_no_address_is_refused(address, tmp_path):
    result = CliRunner().invoke(sim_record, [str(tmp_path / "t.jsonl"), "--upstream", address])

    assert result.exit_code == 2
    assert "127.0.0.1:4002 would be" in result.output


def test_a_file_that_is_no_transcript_ends_in_a_sentence(tmp_path, capsys):
    path = tmp_path / "t.jsonl"
    path.write_text("nonsense\n")

    assert run(["sim", "compare", str(path)]) == 2
    assert run(["sim", "serve", "--replay-transcript", str(path)]) == 2
    assert "line 1" in capsys.readouterr().err
