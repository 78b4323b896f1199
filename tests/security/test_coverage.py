"""Each requirement of docs/security.md has its tests, each test its requirement, each check a defect it catches."""

import ast
import re
from pathlib import Path

import pytest
from tests.security.seeded import defects_of

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DOCUMENT = ROOT / "docs" / "security.md"


def checks() -> dict[str, tuple[str, str]]:
    """Requirement, module and name of each check, by `path::name`."""
    found = {}
    for path in sorted(HERE.glob("*/test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.requirement":
                        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                        for argument in mark.args:
                            assert isinstance(argument, ast.Constant)
                            key = f"{path.relative_to(HERE)}::{node.name}"
                            found[f"{argument.value} {key}"] = (module, node.name)
    return found


def test_each_check_catches_a_defect():
    """A check without a seeded defect has not been shown to check anything."""
    for key, (module, name) in checks().items():
        assert any(defect.caught_by == name for defect in defects_of(module)), f"{key} has no seeded defect"


@pytest.mark.parametrize("path", sorted(HERE.glob("*/defects.py")), ids=lambda path: path.parent.name)
def test_each_defect_names_a_check(path):
    """A slip of the pen in a defect's row would leave it untried."""
    part = path.parent.name
    names = {name for module, name in checks().values() if module.split(".")[2] == part}
    for defect in defects_of(f"tests.security.{part}.test"):
        assert defect.caught_by in names, f"{part}: {defect.name} names no check of its part"


def test_the_document_lists_exactly_the_checks():
    """docs/security.md: one row a requirement, and in it each test that proves it as `part/test_file.py::name`."""
    rows = re.findall(r"^\| (SEC-\d{3}) .*$", DOCUMENT.read_text(), re.MULTILINE)
    assert len(rows) == len(set(rows)), "a requirement stands in two rows"
    listed = {
        f"{match.group(1)} {test}"
        for match in re.finditer(r"^\| (SEC-\d{3}) (.*)$", DOCUMENT.read_text(), re.MULTILINE)
        for test in re.findall(r"`([a-z_]+/test_[a-z_0-9]+\.py::test_[a-z_0-9]+)`", match.group(2))
    }
    assert listed == set(checks())
