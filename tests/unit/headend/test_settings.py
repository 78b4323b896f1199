"""Settings: every one explained, with its unit, and sane by default."""

import ast
import dataclasses
import inspect
from itertools import pairwise
from pathlib import Path

from meterworks.headend import HeadendSettings
from meterworks.headend import settings as module

UNITS = ("_s", "_max", "_host", "_port", "_share", "_title", "_failures", "_adjust", "_block", "_days", "_rows_max")
UNITS += ("personalise", "_days_max", "_per_minute", "_mark")


def explained():
    tree = ast.parse(Path(inspect.getfile(module)).read_text(encoding="utf-8"))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef)).body[1:]
    pairs = pairwise(body)
    return {
        field.target.id
        for field, text in pairs
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


def test_every_setting_is_explained():
    assert {field.name for field in dataclasses.fields(HeadendSettings)} == explained()


def test_every_name_tells_its_unit_or_what_it_counts():
    odd = [f.name for f in dataclasses.fields(HeadendSettings) if not f.name.endswith(UNITS)]
    assert odd == []


def test_the_defaults_fit_together():
    settings = HeadendSettings()
    assert len(bytes.fromhex(settings.system_title)) == 8
    assert settings.window_s < settings.cycle_s
    assert settings.connect_timeout_s < settings.answer_timeout_s < settings.session_s_max
    assert settings.unconfirmed_s_max < settings.unconfirmed_stale_s_max
    assert 0.3 <= settings.on_demand_share < 1
    assert settings.clock_tolerance_s < settings.clock_shift_s_max
