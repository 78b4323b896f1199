"""Values of a request, read for the wire: each reader says path, value and what was expected where it refuses one.

Paths start below the request's body element, as `Element` has them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar

from meterworks.companions.errors import TransformError
from meterworks.companions.gb.element import Element

__all__ = ["SHOWN_MAX", "need", "need_text", "number", "one_of", "refusal", "truth", "utc"]

Meaning = TypeVar("Meaning")

SHOWN_MAX: Final = 40  # characters of a refused value that an error repeats
DIGITS_MAX: Final = 20  # of a number; no wire type holds more


def refusal(path: str, value: str, expected: str) -> TransformError:
    """The one error of a bad value. Facts: path, value (cut short), expected."""
    shown = value if len(value) <= SHOWN_MAX else value[:SHOWN_MAX] + "…"
    return TransformError(f"{path} is {shown!r}; {expected} expected", path=path, value=shown, expected=expected)


def need(element: Element, path: str) -> Element:
    """The one element at a path. Raises TransformError where there is none, or several."""
    found = element.all(path)
    if len(found) != 1:
        where = f"{element.name}/{path}"
        raise TransformError(
            f"{where} stands {len(found)} times in the request; once expected", path=where, expected="one element"
        )
    return found[0]


def need_text(element: Element, path: str) -> str:
    """The text of the one element at a path."""
    return need(element, path).text


def number(element: Element, minimum: int, maximum: int) -> int:
    """A whole number of a leaf, minimum..maximum."""
    text = element.text.strip()
    digits = text.removeprefix("-").removeprefix("+")
    value = int(text) if digits.isascii() and digits.isdigit() and len(digits) <= DIGITS_MAX else None
    if value is None or not minimum <= value <= maximum:
        raise refusal(element.name, element.text, f"a whole number of {minimum}..{maximum}")
    return value


def truth(element: Element) -> bool:
    """A boolean of a leaf, as XML schema writes it."""
    return one_of(element, {"true": True, "1": True, "false": False, "0": False})


def one_of(element: Element, meanings: Mapping[str, Meaning]) -> Meaning:
    """What the text of a leaf means."""
    text = element.text.strip()
    if text not in meanings:
        raise refusal(element.name, element.text, f"one of {', '.join(meanings)}")
    return meanings[text]


def utc(element: Element) -> datetime:
    """A moment of a leaf, in UTC; a time without zone is UTC."""
    try:
        moment = datetime.fromisoformat(element.text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise refusal(element.name, element.text, "a date and time, 2030-01-15T09:00:00Z,") from error
