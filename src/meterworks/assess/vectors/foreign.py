"""Vectors of protocols that come with later issues: recognised, so that nobody wonders why they were not run."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from meterworks.assess.vectors.lookup import Lookup
from meterworks.assess.vectors.verdict import NotRun

__all__ = ["FOREIGN", "check_foreign"]

_LATER: Final = "are recognised and not run: this version has no decoder of them"


def _first_row(content: Any) -> Mapping[str, Any]:
    rows = content
    if isinstance(content, Mapping):
        rows = next((value for value in content.values() if isinstance(value, list)), [])
    row = rows[0] if isinstance(rows, list) and rows else {}
    return row if isinstance(row, Mapping) else {}


def _is_mbus(content: Any) -> bool:
    row = _first_row(content)
    return isinstance(content, list) and "frame" in row and _begins(row["frame"], "68", "10", "e5")


def _is_wmbus(content: Any) -> bool:
    row = _first_row(content)
    return isinstance(content, list) and "frame" in row and not _begins(row["frame"], "68", "7e", "db", "10", "e5")


def _begins(frame: Any, *heads: str) -> bool:
    return isinstance(frame, str) and frame.lower().startswith(heads)


def _is_sml(content: Any) -> bool:
    return isinstance(content, Mapping) and "frames" in content and "frame_count" in content


def _is_p1(content: Any) -> bool:
    row = _first_row(content)
    return "telegram" in row or ("frame" in row and "layer" in row)


def _is_gb(content: Any) -> bool:
    row = _first_row(content)
    if isinstance(content, bytes):
        return b"ServiceUserGateway" in content[:2000] or b"DUIS" in content[:2000] or b"MMC" in content[:2000]
    return any(
        name in text for text in map(str, (*row, *_names(content))) for name in ("utrn", "gbcs", "originator_eui")
    )


def _names(content: Any) -> list[str]:
    return [str(name).lower() for name in content] if isinstance(content, Mapping) else []


def _is_green_button(content: Any) -> bool:
    return isinstance(content, bytes) and (b"naesb.org/espi" in content[:8000] or b"w3.org/2005/Atom" in content[:8000])


def _is_schema(content: Any) -> bool:
    return isinstance(content, bytes) and b"XMLSchema" in content[:4000] and b"<xs:schema" in content[:4000].lower()


FOREIGN: Final[tuple[tuple[str, Callable[[Any], bool], str], ...]] = (
    ("p1", _is_p1, f"P1 and H1 telegrams {_LATER}"),
    ("mbus", _is_mbus, f"M-Bus frames {_LATER}"),
    ("wmbus", _is_wmbus, f"wireless M-Bus frames {_LATER}"),
    ("sml", _is_sml, f"SML dumps {_LATER}"),
    ("gb", _is_gb, "a GB vector alone: name the folder of its set, which has rtds/, duis/ and keystore/"),
    ("greenbutton", _is_green_button, f"Green Button feeds {_LATER}"),
    ("schema", _is_schema, "an XML schema is no vector"),
)


def check_foreign(reason: str) -> Callable[[Any, Lookup], None]:
    """Make the check that says why a document is not run."""

    def check(_content: Any, _lookup: Lookup) -> None:
        raise NotRun(reason)

    return check
