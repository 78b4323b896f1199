"""Every check marked with a requirement runs as the product is, and with its own seeded defects; see `seeded.py`.

EVERY_DEFECT=1 (`make soak`) runs it with all defects of its part, so that none but its own makes it fail.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.security.seeded import Defect, defects_of

ROOT = Path(__file__).resolve().parents[2]


def _module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask a check for the product as it is, and for each defect: its own one must make it fail."""
    if metafunc.definition.get_closest_marker("requirement") is None:
        return
    module = _module_name(Path(metafunc.module.__file__))
    cases: list[object] = [pytest.param(None, id="sound")]
    for defect in defects_of(module):
        own = defect.caught_by == metafunc.function.__name__
        if not own and not os.environ.get("EVERY_DEFECT"):
            continue
        marks: Sequence[pytest.MarkDecorator] = [pytest.mark.xfail(strict=True, reason="seeded defect")] if own else []
        cases.append(pytest.param(defect, id=defect.name, marks=marks))
    metafunc.parametrize("seeded_defect", cases, indirect=True)


@pytest.fixture(autouse=True)
def seeded_defect(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Defect | None:
    """The defect of this run, planted before any other fixture of the check; None in the sound run."""
    defect: Defect | None = getattr(request, "param", None)
    if defect is not None:
        defect.plant(monkeypatch)
    return defect
