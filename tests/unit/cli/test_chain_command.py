import io
import json
import re
import socket
from datetime import timedelta

import pytest
from rich.console import Console

from ibkeel.cli.app import run
from ibkeel.cli.chain import ChainOptions, Rehearsal, _looked
from ibkeel.cli.chain_command import _print_chain
from ibkeel.errors import QuoteUnavailable
from ibkeel.model import OptionChain, OptionClass, Quote, Stock
from ibkeel.options import DeltaRule
from ibkeel.sim import GatewaySettings
from ibkeel.testing import FakeBroker
from ibkeel.virtual import DEFAULT_START, run_virtual, virtual_clock

KEYS = [
    "symbol", "at", "spot", "dte", "right", "target_delta", "chosen", "greeks_check", "is_proven", "forward", "quotes", "waves",
    "candidates", "series",
]  # fmt: skip


def told(capsys, *arguments):
    code = run(["chain", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_option_of_a_delta_is_found_with_a_dozen_quotes(capsys):
    arguments = ("SPY", "--dte", "30..60", "--right", "P", "--delta", "0.30", "--max-spread", "10%")

    code, found = told(capsys, *arguments)

    chosen = found["chosen"]
    assert code == 0
    assert list(found) == KEYS
    assert (found["right"], found["target_delta"], found["is_proven"]) == ("P", 0.3, True)
    assert found["quotes"] <= 13
    assert 30 <= chosen["dte"] <= 60
    assert chosen["delta"] == pytest.approx(-0.30, abs=0.01)
    assert (chosen["ask"] - chosen["bid"]) / (chosen["ask"] + chosen["bid"]) * 2 <= 0.10
    assert found["candidates"][0] == chosen


def test_the_table_names_series_candidates_and_the_choice(capsys):
    code = run(["chain", "SPX", "--delta", "0.2", "--right", "c", "--class", "SPXW"])

    out = " ".join(capsys.readouterr().out.split())
    assert code == 0
    assert re.search(r"SPXW \d{4}-\d\d-\d\d, \d\d days, calls", out)
    assert "quotes in 2 waves, forward" in out
    assert re.search(r"C: delta 0\.(19|20|21)\d", out)


def test_greeks_that_agree_with_our_own_are_not_remarked_on(capsys):
    _, found = told(capsys, "SPY", "--delta", "0.3")
    run(["chain", "SPY", "--delta", "0.3"])

    assert found["greeks_check"] == []
    assert "greeks differ" not in capsys.readouterr().out


def test_greeks_that_differ_from_our_own_are_told_with_the_likely_cause(capsys):
    arguments = ("SPY", "--delta", "0.3", "--rate", "0.04")  # the simulated market has no interest

    _, found = told(capsys, *arguments)
    run(["chain", *arguments])

    (reason,) = found["greeks_check"]
    assert re.match(r"iv 0\.\d+, ours is 0\.\d+ at the bid", reason)
    assert f"the broker's greeks differ: {reason}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("arguments", [("--strikes", "3"), ("--delta", "0.3", "--max-spread", "0%"), ()])
def test_without_a_choice_no_greeks_are_compared(arguments, capsys):
    _, found = told(capsys, "SPY", *arguments)

    assert found["greeks_check"] is None


HALF_DAY = ("SPY", "--date", "2024-11-29", "--dte", "0", "--at")


def test_on_a_half_day_the_clock_of_an_option_runs_to_the_early_close(capsys):
    code, found = told(capsys, *HALF_DAY, "11:00", "--delta", "0.3")

    assert code == 0
    assert found["chosen"]["expiry"] == "2024-11-29"
    assert found["greeks_check"] == []


def test_after_an_early_close_nothing_of_that_day_is_listed(capsys):
    before, after = told(capsys, *HALF_DAY, "12:59"), told(capsys, *HALF_DAY, "13:00")
    search = run(["chain", *HALF_DAY, "13:00", "--delta", "0.3"])

    assert [row["expiry"] for row in before[1]["series"]] == ["2024-11-29"]
    assert (before[0], after[0], search) == (0, 5, 3)
    assert after[1]["series"] == []
    assert "that still trades" in capsys.readouterr().err


def test_an_index_series_settled_at_the_open_is_not_offered_on_the_evening_before(capsys):
    def monthly(at):
        _, found = told(capsys, "SPX", "--class", "SPX", "--date", "2024-09-19", "--dte", "0..7", "--at", at)
        return [row["expiry"] for row in found["series"]]

    assert (monthly("15:59"), monthly("17:30")) == (["2024-09-19"], [])


def test_without_a_target_the_listed_series_are_shown_and_nothing_is_quoted(capsys):
    code, found = told(capsys, "SPX", "--index", "--dte", "0..60", "--kind", "monthly")
    shown = run(["chain", "SPX", "--dte", "0..60"])

    out = capsys.readouterr().out
    assert (code, shown) == (0, 0)
    assert found["quotes"] == 0
    assert {row["settlement"] for row in found["series"]} == {"am"}
    assert all(row["last_trading_day"] == row["expiry"] for row in found["series"])
    for words in ("SPXW", "weekly", "monthly", "AM", "european"):
        assert words in out


def test_strikes_around_the_price_are_quoted_in_one_wave(capsys):
    code, found = told(capsys, "SPY", "--strikes", "5", "--min-volume", "1")
    shown = run(["chain", "SPY", "--strikes", "5"])

    assert (code, shown) == (0, 0)
    assert (found["quotes"], found["waves"]) == (5, 1)
    assert [row["strike"] for row in found["candidates"]] == sorted(
        row["strike"] for row in found["candidates"]
    )
    assert all(row["delta"] < 0 for row in found["candidates"])
    assert "5 of 5 options will do" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("SPY", "--delta", "0.3", "--min-open-interest", "900000000"), "nothing fits"),
        (("SPY", "--strikes", "3", "--at", "09:00"), "no quote"),
        (
            ("SPY", "--strikes", "3", "--dte", "1000"),
            "no expiry fits --dte, --kind and --class; listed are 2024-09-06,",
        ),
        (("SPY", "--delta", "0.3", "--max-spread", "0%"), "nothing fits"),
        (("SPY", "--delta", "0.3", "--within", "0.0001"), "nothing fits"),
        (("SPX", "--date", "2024-09-20", "--dte", "0"), "listed are 2024-09-"),
        (("SPY", "--kind", "quarterly", "--dte", "1"), "listed are 2024-09-06,"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_when_nothing_fits_the_code_says_so(arguments, words, capsys):
    assert run(["chain", *arguments]) == 5
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("NOSUCH",), 2, "NOSUCH"),
        (("SPY", "--index"), 2, "SPY"),
        (("SPY", "--dte", "soon"), 2, "valid: 30..60"),
        (("SPY", "--dte", "60..30"), 2, "valid: 30..60"),
        (("SPY", "--max-spread", "wide"), 2, "valid: 10%"),
        (("SPY", "--max-spread", "10"), 2, "'10' is 1000%, more than a spread can be; valid: 10% or 0.1"),
        (("SPY", "--delta", "30"), 2, "'--delta': 30.0 is not in the range 0<x<1"),
        (("SPY", "--delta", "nan"), 2, "'--delta': 'nan' is no number"),
        (("SPY", "--delta", "0.3", "--within", "5"), 2, "'--within': 5.0 is not in the range 0<=x<=1"),
        (("SPY", "--delta", "0.3", "--strikes", "3"), 2, "exclude"),
        (("SPY", "--delta", "0.3", "--rate", "4"), 2, "-1<=x<=1"),
        (("SPY", "--within", "0.05"), 2, "goes with --delta"),
        (("SPY", "--max-spread", "1%"), 2, "go with --delta or --strikes"),
        (("SPY", "--min-volume", "1"), 2, "go with --delta or --strikes"),
        (("SPX", "--delta", "0.3", "--date", "2024-09-20", "--dte", "0"), 3, "that still trades"),
        (("SPY", "--date", "2024-12-25"), 2, "2024-12-25"),
        (("SPY", "--class", "NOPE", "--delta", "0.3"), 2, "NOPE"),
        (("SPX", "--class", "spxw"), 2, "it has SPX on SMART, SPXW on SMART"),
        (("VIX", "--delta", "0.3"), 3, "no options"),
        (("SPY", "--delta", "0.3", "--dte", "1000"), 3, "no expiry from 1000"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_one_sentence_and_a_code(arguments, code, words, capsys):
    got = run(["chain", *arguments])

    out, err = capsys.readouterr()
    assert got == code
    assert out == ""
    assert words in err
    assert "Traceback" not in err


def test_a_closed_port_is_told_as_such(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

    code = run(["chain", "SPY", "--port", str(port)])

    assert code == 3
    assert f"127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "code"), [((), 3), (("--delayed",), 0)])
def test_an_account_without_live_data_is_shown_delayed_prices_where_it_asks_for_them(
    arguments, code, ibkeel_gateway, capsys
):
    ibkeel_gateway.play(start="11:00", settings=GatewaySettings(is_entitled=False))

    got = run(["chain", "SPY", "--delta", "0.3", "--host", "127.0.0.1", *arguments, "--json"])

    out, err = capsys.readouterr()
    assert got == code
    assert ("NotEntitled" in err) is (code == 3)
    assert bool(out) is (code == 0)


def test_equal_seeds_tell_the_same(capsys):
    first, again = told(capsys, "QQQ", "--delta", "0.25"), told(capsys, "QQQ", "--delta", "0.25")

    assert first == again


class Unpriced(FakeBroker):
    """Answers for the underlying without any price, as a Gateway may that says so of each field."""

    def __init__(self, close, clock):
        row = OptionClass(
            trading_class="SPY",
            expiries=(DEFAULT_START.date() + timedelta(40),),
            strikes=(1, 2, 479, 480, 481),
        )
        super().__init__(chains=[OptionChain(underlying=Stock("SPY"), classes=(row,))], clock=clock)
        self.close = close

    async def quote(self, contract):
        return Quote(contract=contract, at=DEFAULT_START, close=self.close)


def around(close):
    options = ChainOptions(
        symbol="SPY", rule=DeltaRule(right="P", min_dte=0, max_dte=60), strikes=2, where=Rehearsal()
    )

    async def asked():
        async with Unpriced(close, virtual_clock()) as broker:
            return await _looked(options, broker, virtual_clock())

    return run_virtual(asked())


def test_no_strikes_are_quoted_around_a_price_that_there_is_not():
    with pytest.raises(QuoteUnavailable, match=r"SPY has neither a price now nor a last close.*--delta"):
        around(None)


def test_without_a_price_strikes_are_quoted_around_the_last_close_and_that_is_said():
    report = around(480.2)

    console = Console(width=120, record=True, file=io.StringIO())
    _print_chain(console, report)

    assert [float(one.option.strike) for one in report.window] == [480.0, 481.0]
    assert report.as_data()["spot"] is None
    assert "SPY, no price now, closed at 480.20" in console.export_text()
