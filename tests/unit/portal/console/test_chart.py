"""Options of charts: few enough points, no animation, labels for what is drawn."""

import json

import numpy as np
import pytest

from meterworks.portal.console.chart import POINT_COUNT_MAX, bar_chart, line_chart, points, thinned


@pytest.mark.parametrize("count", [0, 1, POINT_COUNT_MAX, POINT_COUNT_MAX + 1, 10 * POINT_COUNT_MAX + 7])
def test_a_chart_never_gets_more_points_than_its_limit(count: int) -> None:
    values = np.arange(count)
    left = values[thinned(values)]
    assert len(left) <= POINT_COUNT_MAX
    assert (len(left) > 0) == (count > 0)


def test_points_are_milliseconds_and_values() -> None:
    assert points(np.array([1, 2]), np.array([0.12345, 7.0])) == [[1000.0, 0.123], [2000.0, 7.0]]


def test_lines_over_time_can_be_stepped_and_zoomed() -> None:
    series = [("Import", np.array([0, 1800]), np.array([1.0, 2.0])), ("Export", np.array([0]), np.array([0.5]))]
    plain = line_chart(series, unit="kW")
    assert [line["name"] for line in plain["series"]] == ["Import", "Export"]
    assert plain["series"][0]["step"] is False
    assert plain["yAxis"]["name"] == "kW"
    assert plain["animation"] is False
    assert "dataZoom" not in plain
    stepped = line_chart(series, unit="kWh", zoom=True, stepped=True)
    assert stepped["series"][0]["step"] == "end"
    assert len(stepped["dataZoom"]) == 2


def test_bars_have_categories_and_may_have_a_top() -> None:
    bars = bar_chart(["Jan", "Feb"], [("Import", [1, 2])], unit="%", maximum=100)
    assert bars["xAxis"]["data"] == ["Jan", "Feb"]
    assert (bars["yAxis"]["min"], bars["yAxis"]["max"]) == (0, 100)
    assert "max" not in bar_chart([], [], unit="kWh")["yAxis"]


def test_options_are_plain_data() -> None:
    series = [("a", np.arange(5), np.arange(5) / 3)]
    assert json.loads(json.dumps(line_chart(series, unit="kW")))["series"][0]["data"][0] == [0.0, 0.0]
