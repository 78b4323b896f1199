"""Shapes of single values: what becomes of one element of a request, by the name in a row of `dlms_bindings.csv`.

Each is made once, of the path, the argument and the type of its row, and then encodes the value of any request.
Source: DUIS 5.4 (request bodies); GBCS mapping tables, notes, as collected in the fact tables.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Final

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb import DeviceKind
from meterworks.companions.errors import TransformError
from meterworks.companions.gb.element import Element
from meterworks.companions.gb.transform.dlms_path import ElementPath, index_of
from meterworks.companions.gb.transform.dlms_scope import Encoder, Scope
from meterworks.companions.gb.transform.dlms_wire import (
    MOMENT_NEVER,
    MOMENT_NOW,
    Value,
    Wire,
    calendar_date,
    date_of,
    midnight,
    moment,
    time_of,
)
from meterworks.companions.gb.transform.value import number, one_of, refusal, truth, utc
from meterworks.protocols.dlms import BitString

__all__ = ["HUB_KINDS", "LEAVES", "Shape", "pairs"]

Shape = Callable[[ElementPath, str, Wire], Encoder]
Read = Callable[[Element, Scope], Value]

CANCELLED: Final = datetime(3000, 12, 31, tzinfo=UTC)  # what a request calls a moment that never comes
DECIMAL_SIZE_MAX: Final = 24  # characters
IDENTITY_SIZE: Final = 8
INSTALL_CODE_SIZE: Final = 16
CUSTOMER_NUMBER_SIZE: Final = 4
TOLERANCE_MAX_S: Final = 86_400
LEVEL_MAX: Final = 100  # per cent
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_OUTPUT, _INPUT = 0x1000, 0x2000  # of a controller, in the number of its script

# Kinds of devices as a hub's log counts them (GBCS CCS01; COSEM class 104).
HUB_KINDS: Final[Mapping[DeviceKind, int]] = MappingProxyType(
    {DeviceKind.ESME: 0, DeviceKind.GSME: 1, DeviceKind.HCALCS: 13, DeviceKind.PPMID: 132, DeviceKind.GPF: 254}
)


def pairs(argument: str) -> Mapping[str, str]:
    """The pairs of an argument "GBP=true ECB=false". Raises CatalogueError."""
    split = [pair.partition("=") for pair in argument.split()]
    if not split or not all(name and equals and value for name, equals, value in split):
        raise CatalogueError(f"{argument!r} are no pairs name=value")
    return MappingProxyType({name: value for name, _, value in split})


def _numbers(argument: str) -> Mapping[str, int]:
    try:
        return MappingProxyType({name: int(value) for name, value in pairs(argument).items()})
    except ValueError as error:
        raise CatalogueError(f"{argument!r} are no pairs name=number") from error


def _whole(argument: str) -> int:
    try:
        return int(argument or "0")
    except ValueError as error:
        raise CatalogueError(f"{argument!r} is no whole number") from error


def _leaf(read: Callable[[Element], Value]) -> Shape:
    """A shape of the one element at its path."""
    return _scoped(lambda argument, wire: lambda element, scope: read(element))


def _scoped(make: Callable[[str, Wire], Read]) -> Shape:
    """A shape of the one element at its path, which may look at argument, type and scope besides."""

    def shape(path: ElementPath, argument: str, wire: Wire) -> Encoder:
        read = make(argument, wire)

        def encode(scope: Scope) -> bytes:
            element = path.one(scope.element)
            where = f"{scope.element.name}/{path.text}"
            try:
                value = read(element, scope)
            except TransformError as error:
                if error.facts.get("path") == element.name:
                    raise refusal(where, str(error.facts["value"]), str(error.facts["expected"])) from error
                raise
            return wire.encode(value, where)

        return encode

    return shape


def _meaning(argument: str, wire: Wire) -> Read:
    meanings = {name: _meant(value) for name, value in pairs(argument).items()}
    return lambda element, scope: one_of(element, meanings)


def _meant(value: str) -> bool | int:
    return value == "true" if value in ("true", "false") else _whole(value)


def _named(argument: str, wire: Wire) -> Read:
    meanings = {name: _meant(value) for name, value in pairs(argument).items()}
    return lambda element, scope: meanings[element.name]


def _offset(argument: str, wire: Wire) -> Read:
    """The number of whichever child there is, counted from that child's offset."""
    offsets = _numbers(argument)

    def read(element: Element, scope: Scope) -> int:
        child = _only(element, offsets)
        _, high = wire.range
        return offsets[child.name] + number(child, 0, high - offsets[child.name])

    return read


def _script(argument: str, wire: Wire) -> Read:
    """A script of a switch: its index in the upper octet, in the lower one what is to be done."""
    actions = _numbers(argument)

    def read(element: Element, scope: Scope) -> int:
        child = _only(element, actions)
        numbered = child if child.attributes else element
        return index_of(numbered) << 8 | actions[child.name]

    return read


def _only(element: Element, names: Mapping[str, int]) -> Element:
    found = [child for child in element.children if child.name in names]
    if len(found) != 1:
        raise refusal(element.name, ", ".join(c.name for c in element.children), f"one of {', '.join(names)}")
    return found[0]


def _level(argument: str, wire: Wire) -> Read:
    """A script of a controller: direction, its number, and the level it is commanded to, plus what the row adds."""
    added = _whole(argument)
    level_path, input_path = ElementPath.compile("CommandedStateLevel"), ElementPath.compile("InputFromControlledLoad")

    def read(element: Element, scope: Scope) -> int:
        direction = _INPUT if input_path.all(element) else _OUTPUT
        return direction | index_of(element) << 8 | added | number(level_path.one(element), 0, LEVEL_MAX)

    return read


def _decimal(argument: str, wire: Wire) -> Read:
    """A decimal number in units of its n-th digit behind the point."""
    digits = _whole(argument)

    def read(element: Element, scope: Scope) -> int:
        text = element.text.strip()
        try:
            scaled = Decimal(text).scaleb(digits) if len(text) <= DECIMAL_SIZE_MAX else Decimal("NaN")
        except InvalidOperation:
            scaled = Decimal("NaN")
        if not scaled.is_finite() or scaled != scaled.to_integral_value():
            raise refusal(element.name, element.text, f"a number with at most {digits} digits behind the point")
        return int(scaled)

    return read


def _moment(argument: str, wire: Wire) -> Read:
    """A moment, later by the seconds of another element where the row names one."""
    later = ElementPath.compile(argument) if argument else None

    def read(element: Element, scope: Scope) -> bytes:
        at = utc(element)
        if later is not None:
            added = timedelta(seconds=number(later.one(scope.element), 0, TOLERANCE_MAX_S))
            try:
                at += added
            except OverflowError as error:
                raise refusal(element.name, element.text, "a moment before the year 10000") from error
        return moment(at)

    return read


def _activation(path: ElementPath, argument: str, wire: Wire) -> Encoder:
    """When a change takes effect: at once where the request does not say, never where it cancels one."""

    def encode(scope: Scope) -> bytes:
        # Times of activation stand in the body, however deep the value they belong to.
        element = path.find(scope.request.body)
        at = None if element is None else utc(element)
        octets = MOMENT_NOW if at is None else MOMENT_NEVER if at == CANCELLED else moment(at)
        return wire.encode(octets, path.text)

    return encode


def _digits(argument: str, wire: Wire) -> Read:
    """So many digits. They may be a credit token, so that no error repeats them."""
    size = _whole(argument)

    def read(element: Element, scope: Scope) -> str:
        text = element.text.strip()
        if len(text) != size or not (text.isascii() and text.isdigit()):
            raise refusal(element.name, f"{len(text)} characters", f"{size} digits")
        return text

    return read


def _joined(path: ElementPath, argument: str, wire: Wire) -> Encoder:
    """Texts of one size each, one behind the other."""
    size = _whole(argument)

    def encode(scope: Scope) -> bytes:
        elements = path.all(scope.element) or [path.one(scope.element)]
        for element in elements:
            if len(element.text) != size:
                raise refusal(f"{scope.element.name}/{path.text}", element.text, f"{size} characters")
        return wire.encode("".join(element.text for element in elements), path.text)

    return encode


def _hexadecimal(element: Element, size: int, expected: str) -> bytes:
    text = element.text.strip().replace("-", "")
    try:
        octets = bytes.fromhex(text)
    except ValueError:
        octets = b""
    if len(octets) != size:
        raise refusal(element.name, f"{len(text)} characters", expected)
    return octets


def _identity(element: Element) -> bytes:
    return _hexadecimal(element, IDENTITY_SIZE, "an EUI-64")


def _switch_identity(element: Element) -> bytes:
    """Who a switch is: one on the home network has an EUI-64, one in the meter none."""
    remote = element.find("HCALCS")
    return bytes(IDENTITY_SIZE) if remote is None else _identity(remote)


def _device_type(element: Element, scope: Scope) -> int:
    kind = scope.situation.device_kinds.get(_identity(element))
    if kind is None or kind not in HUB_KINDS:
        raise TransformError(
            f"the situation does not say of what kind {element.text} is, or it is none a hub's log knows",
            path="Situation.device_kinds", value=element.text, expected=", ".join(HUB_KINDS),
        )  # fmt: skip
    return HUB_KINDS[kind]


def _customer_number(element: Element, scope: Scope) -> str:
    text = scope.situation.customer_number
    if len(text) != CUSTOMER_NUMBER_SIZE or not (text.isascii() and text.isdigit()):
        raise TransformError(
            f"the situation lacks a customer identification number of {CUSTOMER_NUMBER_SIZE} digits",
            path="Situation.customer_number", value=f"{len(text)} characters", expected="4 digits",
        )  # fmt: skip
    return text


def _weekdays(path: ElementPath, argument: str, wire: Wire) -> Encoder:
    """One bit a day of the week, Monday first. Where the request names no days, none is set."""
    days = ElementPath.compile("DayOfWeekApplicability/DayOfWeekID")
    places = {name: place for place, name in enumerate(_WEEKDAYS)}

    def encode(scope: Scope) -> bytes:
        found = [one_of(day, places) for holder in path.all(scope.element) for day in days.all(holder)]
        return wire.encode(_bits(len(_WEEKDAYS), found), path.text)

    return encode


def _special_days(path: ElementPath, argument: str, wire: Wire) -> Encoder:
    """One bit a special day that the request defines; the row's argument says where it defines them."""
    defined = ElementPath.compile(argument)

    def encode(scope: Scope) -> bytes:
        count = len(defined.all(scope.request.body))
        places = []
        for element in path.all(scope.element):
            place = index_of(element) if element.attributes else number(element, 1, 0xFF)
            if not 1 <= place <= count:
                raise refusal(f"{scope.element.name}/{path.text}", str(place), f"one of the {count} days defined")
            places.append(place - 1)
        return wire.encode(_bits(count, places), path.text)

    return encode


def _bits(count: int, places: list[int]) -> BitString:
    return BitString.from_text("".join("1" if place in places else "0" for place in range(count)))


def _constant(path: ElementPath, argument: str, wire: Wire) -> Encoder:
    octets = wire.constant(argument)
    return lambda scope: octets


LEAVES: Final[Mapping[str, Shape]] = MappingProxyType(
    {
        "number": _scoped(lambda argument, wire: lambda element, scope: wire.read_number(element)),
        "decimal": _scoped(_decimal),
        "text": _leaf(lambda element: element.text),
        "digits": _scoped(_digits),
        "joined": _joined,
        "truth": _leaf(truth),
        "meaning": _scoped(_meaning),
        "named": _scoped(_named),
        "offset": _scoped(_offset),
        "script": _scoped(_script),
        "level": _scoped(_level),
        "octet": _leaf(lambda element: bytes((number(element, 0, 0xFF),))),
        "position": _scoped(lambda argument, wire: lambda element, scope: scope.position + _whole(argument)),
        "index": _leaf(index_of),
        "constant": _constant,
        "time": _leaf(time_of),
        "date": _leaf(date_of),
        "calendar_date": _leaf(calendar_date),
        "midnight": _leaf(midnight),
        "moment": _scoped(_moment),
        "activation": _activation,
        "weekdays": _weekdays,
        "special_days": _special_days,
        "identity": _leaf(_identity),
        "switch_identity": _leaf(_switch_identity),
        "install_code": _leaf(lambda element: _hexadecimal(element, INSTALL_CODE_SIZE, "16 octets without check")),
        "device_type": _scoped(lambda argument, wire: _device_type),
        "customer_number": _scoped(lambda argument, wire: _customer_number),
    }
)
