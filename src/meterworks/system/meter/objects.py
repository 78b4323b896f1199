"""What a meter has, as it shows it to this client: its object list, the names in it, and a memory of it per meter.

A meter's object list may be tens of kilobytes over a line of 9,600 baud, and it changes only with the firmware. So it
is kept, with the scalers of its registers, in a file per meter and client address; the meter is recognised by its
logical device name and system title, not by its address.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from meterworks.errors import MeterworksError
from meterworks.protocols import DecodeError, EncodeError, ServiceRefused
from meterworks.protocols.dlms import AttributeAddress, ObisCode, ScalerUnit
from meterworks.protocols.dlms.cosem import (
    AccessRights,
    InterfaceClass,
    ObjectListEntry,
    decode_object_list,
    describe,
    encode_object_list,
    interface_class,
)
from meterworks.system.errors import ConfigurationError
from meterworks.system.meter.file import write_private
from meterworks.system.meter.link import AskedMeter, Progress

__all__ = [
    "ObjectBook",
    "Wanted",
    "book_of",
    "explicit_attribute",
    "identity_of",
    "keep_book",
    "load_dump",
    "object_document",
    "object_tree",
    "read_book",
    "rights_text",
    "save_dump",
    "small_number",
]

CURRENT_ASSOCIATION: Final = AttributeAddress(15, ObisCode("0.0.40.0.0.255"), 2)
DEVICE_NAME: Final = AttributeAddress(1, ObisCode("0.0.42.0.0.255"), 2)
LIST_VERSION: Final = 3  # of association LN: the version whose rights can say everything
DUMP_SIZE_MAX: Final = 32 * 2**20
CANDIDATES_SHOWN: Final = 8
NUMBER_MAX: Final = 127  # of an attribute or method: integer8 on the wire
NUMBER_LENGTH_MAX: Final = 4
FORMAT: Final = "meterworks-objects-1"

_MEDIUMS: Final[Mapping[int, str]] = MappingProxyType(
    {0: "abstract", 1: "electricity", 4: "heat cost allocator", 5: "cooling", 6: "heat", 7: "gas", 8: "cold water",
     9: "hot water", 15: "other media"}
)  # fmt: skip

_PURPOSES_TEXT: Final = {
    "measured values": (3, 4, 5, 61, 62, 63),
    "profiles and logs": (7,),
    "time and tariff": (6, 8, 9, 10, 11, 20, 21, 22, 65),
    "associations and security": (12, 15, 17, 30, 64, 124),
    "firmware": (18, 122),
    "supply control": (68, 70, 71),
    "payment": (111, 112, 113, 115, 116),
    "M-Bus devices": (25, 72, 73, 74, 76, 77),
    "communication": (19, 23, 24, 27, 28, 29, 40, 41, 42, 43, 44, 45, 46, 47, 48, 100, 151, 152, 153),
}
_PURPOSES: Final[Mapping[int, str]] = MappingProxyType(
    {class_id: purpose for purpose, class_ids in _PURPOSES_TEXT.items() for class_id in class_ids}
)
OTHER_PURPOSE: Final = "data and identification"

#                 class: (attribute of the scaler and unit, attributes it holds for)
_SCALED: Final[Mapping[int, tuple[int, tuple[int, ...]]]] = MappingProxyType(
    {3: (3, (2,)), 4: (3, (2,)), 5: (4, (2, 3)), 61: (4, (2,))}
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An attribute of an object, found by what a person wrote."""

    address: AttributeAddress
    version: int
    name: str

    @property
    def interface_class(self) -> InterfaceClass:
        """The row of its class."""
        return interface_class(self.address.class_id, self.version)

    @property
    def attribute_name(self) -> str:
        """The attribute's name in its class; its number where the class is not known."""
        rows = self.interface_class.attributes
        number = self.address.attribute
        return rows[number - 1].name if 0 < number <= len(rows) else f"attribute {number}"


@dataclass(slots=True)
class ObjectBook:
    """The objects of one meter by name, and the scalers that were read of it."""

    identity: str
    entries: tuple[ObjectListEntry, ...]
    scalers: dict[str, ScalerUnit | None] = field(default_factory=dict)

    def find(self, text: str) -> Wanted:
        """Find an attribute by what a person wrote: `CLASS/OBIS/NUMBER`, an OBIS code in full or short, or a name.

        After an OBIS code or a name `/` and the attribute's number or name may follow. Raises ConfigurationError with
        the candidates where several fit.
        """
        explicit = explicit_attribute(text)
        if explicit is not None:
            return explicit
        subject, separator, which = text.partition("/")
        entry = self._entry(subject.strip())
        number = _attribute_number(entry, which.strip()) if separator else 2
        return _wanted(entry, number)

    def entry(self, code: ObisCode, class_id: int | None = None) -> ObjectListEntry | None:
        """The object of a logical name, and of a class where several share the name."""
        for entry in self.entries:
            if entry.obis_code == code and class_id in (None, entry.class_id):
                return entry
        return None

    def _entry(self, subject: str) -> ObjectListEntry:
        pattern = _pattern(subject)
        found = [entry for entry in self.entries if _fits(entry.obis_code, pattern)] if pattern else []
        if pattern and not found:
            raise ConfigurationError(f"the meter shows this client no object {subject}; see `meterworks meter objects`")
        if not pattern:
            found = self._named(subject)
        if len(found) > 1 and pattern and pattern[:2] == (None, None):
            found = _usual(found)
        if len(found) > 1:
            shown = ", ".join(
                f"{entry.obis_code.text} {describe(entry.obis_code)}" for entry in found[:CANDIDATES_SHOWN]
            )
            more = f" and {len(found) - CANDIDATES_SHOWN} more" if len(found) > CANDIDATES_SHOWN else ""
            raise ConfigurationError(f"{subject} fits {len(found)} objects: {shown}{more}; write the code in full")
        return found[0]

    def _named(self, subject: str) -> list[ObjectListEntry]:
        words = subject.lower().split()
        names = [(entry, describe(entry.obis_code).lower()) for entry in self.entries]
        exact = [entry for entry, name in names if name == subject.lower()]
        found = exact or [entry for entry, name in names if words and all(word in name for word in words)]
        if not found:
            raise ConfigurationError(f"{subject}: neither an OBIS code nor the name of an object of this meter")
        return found

    def scaler_address(self, address: AttributeAddress) -> AttributeAddress | None:
        """Where the scaler and unit of an attribute stand; None where it has none."""
        row = _SCALED.get(address.class_id)
        if row is None or address.attribute not in row[1]:
            return None
        return AttributeAddress(address.class_id, address.obis_code, row[0])

    def scaler(self, meter: AskedMeter, address: AttributeAddress) -> ScalerUnit | None:
        """The scaler and unit of an attribute, asked of the meter once; None where it has none or hides it."""
        where = self.scaler_address(address)
        if where is None:
            return None
        key = f"{where.class_id}/{where.obis_code}"
        if key not in self.scalers:
            try:
                self.scalers[key] = ScalerUnit.from_bytes(meter.get(where))
            except (ServiceRefused, DecodeError):
                self.scalers[key] = None
        return self.scalers[key]


def explicit_attribute(text: str) -> Wanted | None:
    """`CLASS/OBIS/NUMBER`, which needs no object list; None for what is not written so. Raises ConfigurationError."""
    parts = text.split("/")
    if len(parts) != 3:
        return None
    try:
        address = AttributeAddress(int(parts[0]), ObisCode(parts[1]), int(parts[2]))
        address.to_bytes()
    except (ValueError, EncodeError) as error:
        raise ConfigurationError(f"{text}: write it as CLASS/OBIS/NUMBER, as 3/1.0.1.8.0.255/2") from error
    return Wanted(address, 0, describe(address.obis_code))


def _pattern(subject: str) -> tuple[int | None, ...] | None:
    """The parts of an OBIS code that a person gave; None for those left out. None where it is no code at all."""
    short = subject.replace("*", ".").split(".") if not any(mark in subject for mark in "-:") else []
    if len(short) in (2, 3) and all(part.isdigit() for part in short):
        numbers = [int(part) for part in short]
        if len(numbers) == 2:
            numbers.append(0)
        return (None, None, *numbers, 255) if max(numbers) <= 255 else None
    try:
        return tuple(ObisCode(subject))
    except EncodeError:
        return None


def _fits(code: ObisCode, pattern: tuple[int | None, ...]) -> bool:
    return all(wanted in (None, part) for part, wanted in zip(code, pattern, strict=True))


def _usual(found: list[ObjectListEntry]) -> list[ObjectListEntry]:
    """Those that a short code means first: electricity of the meter itself, then abstract objects, then others."""
    for medium in (1, 0):
        own = [entry for entry in found if entry.obis_code[0] == medium and entry.obis_code[1] == 0]
        if own:
            return own
    return found


def small_number(which: str) -> int | None:
    """The number of an attribute or method as a person wrote it; None for a name. Raises ConfigurationError."""
    if not which.removeprefix("-").isdecimal():
        return None
    number = int(which) if len(which) <= NUMBER_LENGTH_MAX else NUMBER_MAX + 1
    if not -NUMBER_MAX - 1 <= number <= NUMBER_MAX:
        raise ConfigurationError(f"{which[:20]}: attributes and methods have numbers from -128 to 127")
    return number


def _attribute_number(entry: ObjectListEntry, which: str) -> int:
    if (number := small_number(which)) is not None:
        return number
    for attribute in entry.interface_class.attributes:
        if attribute.name == which:
            return attribute.number
    names = ", ".join(f"{row.number} {row.name}" for row in entry.interface_class.attributes)
    raise ConfigurationError(f"{entry.obis_code.text} has no attribute {which}; it has {names}")


def _wanted(entry: ObjectListEntry, number: int) -> Wanted:
    address = AttributeAddress(entry.class_id, entry.obis_code, number)
    return Wanted(address, entry.version, describe(entry.obis_code))


# --- reading and keeping --------------------------------------------------------------------------------------------


def read_book(meter: AskedMeter, progress: Progress | None = None) -> ObjectBook:
    """Read the object list. Raises ServiceRefused, DecodeError."""
    entries = decode_object_list(meter.get(CURRENT_ASSOCIATION, progress=progress))
    return ObjectBook(identity=identity_of(meter), entries=tuple(sorted(entries, key=_order)))


def _order(entry: ObjectListEntry) -> tuple[int, bytes, int]:
    return entry.class_id, bytes(entry.obis_code), entry.version


def identity_of(meter: AskedMeter) -> str:
    """By what a meter is recognised: its system title and its logical device name, as far as it tells them."""
    title = (meter.server_title or b"").hex()
    try:
        name = meter.get(DEVICE_NAME).hex()
    except ServiceRefused:
        name = ""
    return f"{title}/{name}"


def book_of(
    meter: AskedMeter, *, client: int, cache: Path | None, fresh: bool = False, progress: Progress | None = None
) -> ObjectBook:
    """The object list from the cache folder, or read and kept there. fresh: read it anyway.

    A cache that cannot be read is read anew, one that cannot be written is done without.
    """
    if cache is None:
        return read_book(meter, progress)
    identity = identity_of(meter)
    path = _cache_path(cache, identity, client)
    if not fresh and path.exists() and identity != "/":
        try:
            kept = load_dump(path)
            if kept.identity == identity:
                return kept
        except MeterworksError:
            path.unlink(missing_ok=True)
    book = read_book(meter, progress)
    keep_book(book, cache, client)
    return book


def keep_book(book: ObjectBook, cache: Path, client: int) -> None:
    """Write the book to the cache folder, if it can be written."""
    try:
        write_private(_cache_path(cache, book.identity, client), _dump(book))
    except OSError:
        return


def _cache_path(cache: Path, identity: str, client: int) -> Path:
    """The file of a meter, as a client address sees it, in a cache folder."""
    return cache / (hashlib.sha256(f"{identity} {client}".encode()).hexdigest()[:24] + ".json")


def _dump(book: ObjectBook) -> bytes:
    scalers = {name: None if row is None else [row.scaler, row.unit] for name, row in book.scalers.items()}
    document = {
        "format": FORMAT,
        "identity": book.identity,
        "list": encode_object_list(book.entries, LIST_VERSION).hex(),
        "scalers": scalers,
        "objects": [object_document(entry) for entry in book.entries],
    }
    return json.dumps(document, indent=1, ensure_ascii=False).encode()


def save_dump(book: ObjectBook, path: Path) -> None:
    """Write the objects of a meter as JSON: for people, and for `meter learn`. Raises ConfigurationError."""
    try:
        write_private(path, _dump(book))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error}", path=str(path)) from error


def load_dump(path: Path) -> ObjectBook:
    """Read what `save_dump` wrote. Raises ConfigurationError."""
    try:
        if path.stat().st_size > DUMP_SIZE_MAX:
            raise ConfigurationError(f"{path} is larger than {DUMP_SIZE_MAX} octets", path=str(path))
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("format") != FORMAT:
            raise ConfigurationError(f"{path} is no dump of objects: write one with `meter objects --save`")
        scalers = {
            str(name): None if row is None else ScalerUnit(int(row[0]), int(row[1]))
            for name, row in document["scalers"].items()
        }
        entries = decode_object_list(bytes.fromhex(document["list"]), LIST_VERSION)
        return ObjectBook(identity=str(document["identity"]), entries=entries, scalers=scalers)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, DecodeError) as error:
        raise ConfigurationError(f"{path} is no dump of objects: {error}", path=str(path)) from error


# --- showing --------------------------------------------------------------------------------------------------------


def rights_text(entry: ObjectListEntry) -> str:
    """What this client may do with an object: `r 1-3 w 2 x 1`, with `!` where a request must be protected."""
    parts = []
    for mark, rights, test in (
        ("r", entry.attributes, lambda right: right.readable),
        ("w", entry.attributes, lambda right: right.writable),
        ("x", entry.methods, lambda right: right.executable),
    ):
        text = _numbers(rights, test)
        if text:
            parts.append(f"{mark} {text}")
    return "  ".join(parts)


def _numbers(rights: Mapping[int, AccessRights], test: Callable[[AccessRights], bool]) -> str:
    """Numbers as ranges, those under protection marked: `1-3,5!`."""
    runs: list[tuple[int, int, str]] = []
    for number in sorted(number for number, right in rights.items() if test(right)):
        mark = "!" if rights[number].request_protection else ""
        if runs and runs[-1][1] == number - 1 and runs[-1][2] == mark:
            runs[-1] = (runs[-1][0], number, mark)
        else:
            runs.append((number, number, mark))
    return ",".join(f"{first}{mark}" if first == last else f"{first}-{last}{mark}" for first, last, mark in runs)


def object_document(entry: ObjectListEntry) -> dict[str, object]:
    """One object for JSON: class, version, code, name, and each attribute and method with its rights."""
    row = entry.interface_class
    return {
        "class": entry.class_id,
        "version": entry.version,
        "obis_code": entry.obis_code.text,
        "name": describe(entry.obis_code),
        "class_name": row.name,
        "attributes": [
            {"number": number, "name": _name_at(row.attributes, number), "rights": list(rights.names)}
            for number, rights in sorted(entry.attributes.items())
        ],
        "methods": [
            {"number": number, "name": _name_at(row.methods, number), "rights": list(rights.names)}
            for number, rights in sorted(entry.methods.items())
        ],
    }


def _name_at(rows: Iterable[object], number: int) -> str | None:
    for row in rows:
        if getattr(row, "number", None) == number:
            return str(getattr(row, "name", ""))
    return None


def object_tree(entries: Iterable[ObjectListEntry]) -> dict[str, dict[str, list[ObjectListEntry]]]:
    """Objects by medium (and M-Bus channel), then by purpose, in order of their names."""
    tree: dict[str, dict[str, list[ObjectListEntry]]] = {}
    for entry in sorted(entries, key=lambda each: (bytes(each.obis_code), each.class_id)):
        medium, channel = entry.obis_code[0], entry.obis_code[1]
        trunk = _MEDIUMS.get(medium, f"medium {medium}") + (f", channel {channel}" if channel else "")
        purpose = _PURPOSES.get(entry.class_id, OTHER_PURPOSE)
        tree.setdefault(trunk, {}).setdefault(purpose, []).append(entry)
    return tree
