"""docs/privacy.md shows the tables as they are."""

import re
from pathlib import Path

import pytest

from meterworks.catalogue import DATA_CLASSES, PURPOSES

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "privacy.md").read_text()


def _rows(block: str) -> list[str]:
    found = re.search(rf"<!-- {block} begin -->\n(.*?)<!-- {block} end -->", PAGE, re.DOTALL)
    assert found is not None
    return found.group(1).splitlines()[2:]


def _months(months: int | None) -> str:
    return "-" if months is None else str(months)


@pytest.mark.parametrize("purpose", PURPOSES.values(), ids=lambda purpose: purpose.name)
def test_each_purpose_is_on_the_page(purpose):
    roles = ", ".join(sorted(role.value for role in purpose.roles))
    sees = ", ".join(f"{group.value} by {detail.label}" for group, detail in purpose.sees.items())
    row = f"| `{purpose.name}` | {purpose.basis.value} | {roles} | {sees} | {purpose.title} |"
    assert row in _rows("purposes")


def test_the_page_has_no_other_rows():
    assert len(_rows("purposes")) == len(PURPOSES)
    assert len(_rows("limits")) == len(DATA_CLASSES)


@pytest.mark.parametrize("kind", DATA_CLASSES.values(), ids=lambda kind: kind.name)
def test_each_limit_is_on_the_page(kind):
    device, store = _months(kind.device_months), _months(kind.store_months)
    row = f"| `{kind.name}` | {device} | {store} | {', '.join(kind.where)} | {kind.why} |"
    assert row in _rows("limits")
