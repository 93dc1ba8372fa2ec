"""The page: one file, nothing from elsewhere, nothing private, well-formed pictures."""

import json
import re
from datetime import date
from xml.etree import ElementTree as ET

import attrs
import numpy as np
import pytest

from ibkeel.backtest import BarSettings, Curve, backtest_bars
from ibkeel.backtest.figures import lasting
from ibkeel.backtest.pictures import area_picture, histogram, line_picture
from ibkeel.errors import ConfigurationError
from ibkeel.model import Bars, BarSpec, Stock


class EverySecond:
    """Buys and sells in turn."""

    def __init__(self):
        self._held = 0

    def on_bar(self, bar):
        self._held = 5 - self._held
        return self._held


@pytest.fixture(scope="module")
def report():
    count = 40
    closes = 100 + np.sin(np.arange(count))
    at = np.datetime64("2024-03-04T14:30:00", "s") + 60 * np.arange(count).astype("timedelta64[s]")
    columns = {"open": closes, "high": closes, "low": closes, "close": closes, "volume": np.ones(count)}
    bars = Bars(contract=Stock("SPY"), spec=BarSpec(), at=at, **columns)
    return backtest_bars(EverySecond(), bars, BarSettings(half_spread=0.01))


def pictures_of(page):
    return [ET.fromstring(text) for text in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


def test_the_page_loads_nothing_and_runs_nothing(report):
    page = report.to_html()

    assert not re.search(r"https?:|src=|<link|<script|@import|url\(", page)
    assert "prefers-color-scheme: dark" in page
    assert page.startswith("<!doctype html>")


def test_the_pictures_are_well_formed_and_lie_within_their_frames(report):
    pictures = pictures_of(report.to_html())

    assert len(pictures) == 4
    for picture in pictures:
        _, _, width, height = map(float, picture.get("viewBox").split())
        assert picture.get("aria-label")
        for path in picture.iter("path"):
            numbers = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path.get("d"))
            assert all(0 <= float(x) <= width and 0 <= float(y) <= height for x, y in numbers)


def test_each_closed_trade_has_a_sign_for_its_entry_and_its_exit(report):
    price = pictures_of(report.to_html())[2]

    kinds = [path.get("class") for path in price.iter("path")]

    closed = sum(trade.is_closed for trade in report.trades)
    assert kinds.count("mark entry") == len(report.trades)
    assert kinds.count("mark win") + kinds.count("mark loss") == closed


def test_what_others_wrote_is_escaped(report):
    loud = attrs.evolve(report, strategy="<b>&", errors=("<script>",), settings={"a": "<i>"})

    page = loud.to_html()

    assert "<b>&amp;" not in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_account_is_masked_everywhere(report):
    assert report.account == "DU***01"
    assert "DU0000001" not in report.to_html() + report.to_json()


def test_json_holds_the_figures_and_every_trade(report):
    data = json.loads(report.to_json())

    assert data["figures"] == report.figures.as_data()
    assert len(data["trades"]) == len(report.trades)
    assert data["equity"][-1][1] == pytest.approx(report.figures.end_equity)
    assert data["first_session"] == "2024-03-04"


def test_a_page_that_cannot_be_written_is_told_in_a_sentence(report, tmp_path):
    report.save_html(tmp_path / "report.html")

    assert (tmp_path / "report.html").read_text(encoding="utf-8") == report.to_html()
    with pytest.raises(ConfigurationError, match="cannot write"):
        report.save_html(tmp_path)


def test_a_report_without_trades_says_so(report):
    page = attrs.evolve(report, trades=()).to_html()

    assert "There were none." in page
    assert len(pictures_of(page)) == 3


def test_a_span_of_days_and_a_symbol_without_prices(report):
    longer = attrs.evolve(report, last_session=date(2024, 3, 5), prices={"SPY": Curve(at=[], value=[])})

    page = longer.to_html()

    assert "2024-03-04 to 2024-03-05" in page
    assert len(pictures_of(page)) == 3


def test_nights_take_little_room():
    at = np.array(
        ["2024-03-04T20:58", "2024-03-04T20:59", "2024-03-05T14:30", "2024-03-05T14:31"], "datetime64[s]"
    )
    curve = Curve(at=at, value=[1.0, 2.0, 3.0, 4.0])

    line = ET.fromstring(line_picture("x", curve, str)).find("path[@class='line']").get("d")

    first, second, third, _ = (float(x) for x in re.findall(r"[ML]([\d.]+) ", line))
    assert third - second == pytest.approx(5 * (second - first), abs=0.5)


@pytest.mark.parametrize("values", [[5.0, 5.0], [0.0, 0.0], [-1.0, -1.0]])
def test_a_flat_line_has_a_picture(values):
    curve = Curve(at=[0, 60], value=values)

    for picture in (line_picture("x", curve, str), area_picture("x", curve, str)):
        assert "nan" not in ET.tostring(ET.fromstring(picture), encoding="unicode")


@pytest.mark.parametrize("values", [[0.0, 0.0], [1.0, 1.0], [-3.0, 8.0, 8.0], [-2.0]])
def test_a_histogram_counts_every_value(values):
    bars = ET.fromstring(histogram("x", values, "{:g}".format)).findall("rect")

    counted = sum(int(bar.find("title").text.rpartition(": ")[2]) for bar in bars)

    assert counted == len(values)


def test_failures_are_told_at_the_top_of_the_page(report):
    failed = attrs.evolve(report, errors=("KeyError: 'SPY'",), counts={"failures": 75})

    assert "75 looks failed" in failed.to_html().split('<div class="cards">')[0]
    assert "failed" not in report.to_html().split('<div class="cards">')[0]


def test_a_report_at_the_prompt_is_a_few_lines(report):
    shown = repr(report)

    assert "net_profit=" in shown
    assert len(shown) < 1000


@pytest.mark.parametrize(
    ("minutes", "shown"),
    [(0, "0.0 min"), (99.9, "99.9 min"), (377, "6.3 h"), (5_000, "83.3 h"), (19_360, "13.4 days")],
)
def test_a_length_of_time_is_told_in_the_unit_that_reads_best(minutes, shown):
    assert lasting(minutes * 60.0) == shown


@pytest.mark.parametrize(("days", "shown"), [(0.2, "09:30"), (2, "03-04 09:30"), (30, "2024-03-04")])
def test_the_labels_below_a_picture_tell_its_days_apart(days, shown):
    at = np.datetime64("2024-03-04T14:30:00", "s") + np.arange(40) * np.timedelta64(
        round(days * 86400 / 39), "s"
    )

    picture = line_picture("Any", Curve(at=at, value=np.arange(40.0)), str)

    assert f">{shown}<" in picture
