"""Options of the console's charts. The greys are readable on light and dark paper alike; no animation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["POINT_COUNT_MAX", "bar_chart", "line_chart", "thinned"]

POINT_COUNT_MAX = 3_000  # a page's memory is the data put into it
_ACCENT, _SECOND, _GREY, _LINE = "#0e9488", "#d97706", "#8492a6", "rgba(132,146,166,0.28)"
_COLOURS = (_ACCENT, _SECOND, "#6366f1", "#dc2626")


def _axes(unit: str) -> dict[str, Any]:
    axis = {"axisLabel": {"color": _GREY}, "axisLine": {"lineStyle": {"color": _LINE}}, "axisTick": {"show": False}}
    return {
        "animation": False,
        "color": list(_COLOURS),
        "grid": {"left": 58, "right": 14, "top": 34, "bottom": 30},
        "tooltip": {"trigger": "axis"},
        "legend": {"top": 0, "textStyle": {"color": _GREY}},
        "xAxis": {"type": "time", **axis},
        "yAxis": {
            "type": "value",
            "name": unit,
            "nameTextStyle": {"color": _GREY},
            "splitLine": {"lineStyle": {"color": _LINE}},
            **axis,
        },
    }


def thinned(values: npt.NDArray[Any], count_max: int = POINT_COUNT_MAX) -> slice:
    """Every n-th value, so that at most `count_max` remain."""
    return slice(None, None, max(1, -(-len(values) // count_max)))


def points(epochs_s: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> list[list[float]]:
    """Pairs of milliseconds since 1970 and value, as charts want them."""
    step = thinned(epochs_s)
    pairs: list[list[float]] = np.column_stack((epochs_s[step] * 1000.0, np.round(values[step], 3))).tolist()
    return pairs


def line_chart(
    series: Sequence[tuple[str, npt.NDArray[np.int64], npt.NDArray[np.float64]]],
    *,
    unit: str,
    zoom: bool = False,
    stepped: bool = False,
) -> dict[str, Any]:
    """Lines over time; the first is filled. stepped: a value holds until the next, as an amount per interval does."""
    options = _axes(unit)
    options["series"] = [
        {
            "type": "line",
            "name": name,
            "showSymbol": False,
            "step": "end" if stepped else False,
            "lineStyle": {"width": 1.8},
            "areaStyle": {"opacity": 0.14} if place == 0 else None,
            "data": points(epochs_s, values),
        }
        for place, (name, epochs_s, values) in enumerate(series)
    ]
    if zoom:
        options["dataZoom"] = [{"type": "inside"}, {"type": "slider", "height": 18, "bottom": 6}]
        options["grid"]["bottom"] = 58
    return options


def bar_chart(
    labels: Sequence[str], series: Sequence[tuple[str, Sequence[float]]], *, unit: str, maximum: float | None = None
) -> dict[str, Any]:
    """Bars by category."""
    options = _axes(unit)
    options["xAxis"] |= {"type": "category", "data": list(labels)}
    if maximum is not None:
        options["yAxis"] |= {"min": 0, "max": maximum}
    options["series"] = [
        {
            "type": "bar",
            "name": name,
            "barMaxWidth": 34,
            "itemStyle": {"borderRadius": [3, 3, 0, 0]},
            "data": list(data),
        }
        for name, data in series
    ]
    return options
