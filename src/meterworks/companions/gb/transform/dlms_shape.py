"""Shapes of whole values: price matrices, charges, billing times, alert and channel masks, a hub's backup, log windows.

Like the leaves, each is made once of path, argument and type of its row. What the standard describes in prose only is
here; what no reference message shows is said so.
Source: GBCS 7.3 and mapping tables, notes; DUIS 5.4 (request bodies); fact sheet gb/GBCS.md section 7.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from meterworks.catalogue.errors import CatalogueError
from meterworks.companions.errors import TransformError
from meterworks.companions.gb.element import Element
from meterworks.companions.gb.transform.dlms_leaf import LEAVES, Shape
from meterworks.companions.gb.transform.dlms_path import ElementPath, index_of
from meterworks.companions.gb.transform.dlms_scope import Encoder, Scope
from meterworks.companions.gb.transform.dlms_wire import Wire, moment, seconds, time_of
from meterworks.companions.gb.transform.value import need, number, one_of, refusal, truth, utc
from meterworks.protocols.dlms import (
    BitString,
    ObisCode,
    encode_array,
    encode_bit_string,
    encode_double_long_unsigned,
    encode_enum,
    encode_integer,
    encode_long,
    encode_long_unsigned,
    encode_null,
    encode_octet_string,
    encode_structure,
)

__all__ = ["CONDITIONS", "SHAPES", "protection", "restriction", "selection"]

TIMES_OF_USE: Final = 48  # registers of a tariff by time
BLOCK_TIMES: Final = 8  # times of use that are cut into blocks
BLOCKS: Final = 4
BLOCK_BASE: Final = 0xA0  # blocks are A1.., B1.., C1.., D1.. : block in the upper half of the octet, time in the lower
ELEMENT_PRICES: Final = 4  # of a second element
PRICE_MIN, PRICE_MAX = -0x8000, 0x7FFF
ALERTS: Final = 256  # bits for what is to be changed, and as many for what it is to be
DAY_MAX: Final = 28  # of a month, for billing


def _prices(indexed: Iterable[tuple[int, int]]) -> bytes:
    return encode_array(
        encode_structure(encode_octet_string(bytes((index,))), encode_long(price)) for index, price in indexed
    )


def _by_index(elements: Iterable[Element], count: int) -> dict[int, Element]:
    """Elements by their index 1..count, each once."""
    found: dict[int, Element] = {}
    for element in elements:
        index = index_of(element)
        if not 1 <= index <= count or index in found:
            raise refusal(f"{element.name}/@index", str(index), f"each of 1..{count} once at most")
        found[index] = element
    return found


def _price(element: Element | None) -> int:
    return 0 if element is None else number(element, PRICE_MIN, PRICE_MAX)


def _price_matrix(path: ElementPath, argument: str, wire: Wire) -> Encoder:
    """Prices by time of use, then by block and time of use. What the request does not price is zero."""
    times, blocks, inner = map(ElementPath.compile, ("*/TOUPrice", "*/BlockPrices", "BlockPrice"))

    def encode(scope: Scope) -> bytes:
        element = path.one(scope.element)
        priced = _by_index(times.all(element), TIMES_OF_USE)
        matrix = {
            time: _by_index(inner.all(holder), BLOCKS)
            for time, holder in _by_index(blocks.all(element), BLOCK_TIMES).items()
        }
        if not priced and not matrix:
            raise refusal(f"{scope.element.name}/{path.text}", "", "BlockTariff, TOUTariff or HybridTariff with prices")
        rows = [(index, _price(priced.get(index))) for index in range(1, TIMES_OF_USE + 1)]
        for block in range(1, BLOCKS + 1):
            base = BLOCK_BASE + 0x10 * (block - 1)
            rows += [(base + time, _price(matrix.get(time, {}).get(block))) for time in range(1, BLOCK_TIMES + 1)]
        return _prices(rows)

    return encode


def _element_prices(path: ElementPath, argument: str, wire: Wire) -> Encoder:
    """Prices by time of use of a second element. What the request does not price is zero."""

    def encode(scope: Scope) -> bytes:
        priced = _by_index(path.all(scope.element), ELEMENT_PRICES)
        if not priced:
            raise refusal(f"{scope.element.name}/{path.text}", "", "at least one price")
        return _prices((index, _price(priced.get(index))) for index in range(1, ELEMENT_PRICES + 1))

    return encode


# Accounts of a meter: credits, and charges that are collected from them.
_METER_BALANCE, _EMERGENCY_CREDIT = "0-0:19.10.0.255", "0-0:19.10.1.255"
_TARIFF, _STANDING_CHARGE, _SECOND_TARIFF = "0-0:19.20.0.255", "0-0:19.20.4.255", "0-0:19.20.5.255"
_TIME_DEBTS, _PAYMENT_DEBT = ("0-0:19.20.1.255", "0-0:19.20.2.255"), "0-0:19.20.3.255"
_ALWAYS, _NOT_DISABLED = "111", "110"  # collected also while disabled, load limited, in a non-disablement period


def _charges(rows: Iterable[tuple[str, str, str]]) -> bytes:
    return encode_array(
        encode_structure(
            encode_octet_string(bytes(ObisCode(credit))),
            encode_octet_string(bytes(ObisCode(charge))),
            encode_bit_string(BitString.from_text(bits)),
        )
        for credit, charge, bits in rows
    )


def _credit_charges(path: ElementPath, argument: str, wire: Wire) -> Encoder:
    """What is collected from which credit in credit mode. A second element has charges of its own."""

    def encode(scope: Scope) -> bytes:
        charges = [_TARIFF, _STANDING_CHARGE]
        if scope.situation.has_second_element:
            charges.append(_SECOND_TARIFF)
        return _charges((_METER_BALANCE, charge, _ALWAYS) for charge in charges)

    return encode


def _prepayment_charges(path: ElementPath, argument: str, wire: Wire) -> Encoder:
    """What is collected from which credit in prepayment mode.

    Debts that are suspended while the supply is disabled lose that bit; those suspended in emergency credit are not
    collected from it at all (no reference message shows the second; it follows from the meaning of the rows).
    """
    disabled, emergency = map(ElementPath.compile, ("SuspendDebtDisabled", "SuspendDebtEmergency"))

    def encode(scope: Scope) -> bytes:
        mode = path.one(scope.element)
        debt_bits = _NOT_DISABLED if truth(disabled.one(mode)) else _ALWAYS
        debts = [(debt, debt_bits) for debt in _TIME_DEBTS]
        rows = [(_METER_BALANCE, charge, _ALWAYS) for charge in (_TARIFF, _STANDING_CHARGE)]
        rows += [(_METER_BALANCE, debt, bits) for debt, bits in debts]
        rows += [(credit, _PAYMENT_DEBT, _ALWAYS) for credit in (_METER_BALANCE, _EMERGENCY_CREDIT)]
        rows += [(_EMERGENCY_CREDIT, charge, _ALWAYS) for charge in (_TARIFF, _STANDING_CHARGE)]
        if not truth(emergency.one(mode)):
            rows += [(_EMERGENCY_CREDIT, debt, bits) for debt, bits in debts]
        if scope.situation.has_second_element:
            rows += [(credit, _SECOND_TARIFF, _ALWAYS) for credit in (_METER_BALANCE, _EMERGENCY_CREDIT)]
        return _charges(rows)

    return encode


_EVERY_MONTH, _EVERY_DAY = 0xFF, 0xFF
_MONTHS_APART: Final[Mapping[str, int]] = MappingProxyType({"Quarterly": 3, "SixMonthly": 6, "Yearly": 12})


def _execution(time: bytes, dates: Iterable[bytes]) -> bytes:
    return encode_array(encode_structure(encode_octet_string(time), encode_octet_string(date)) for date in dates)


def _billing_times(path: ElementPath, argument: str, wire: Wire) -> Encoder:
    """Dates of billing with wildcards, as many a year as the period needs."""

    def encode(scope: Scope) -> bytes:
        calendar = path.one(scope.element)
        time = time_of(need(calendar, "BillingTime"))
        periods = [child for child in calendar.children if child.name != "BillingTime"]
        if len(periods) != 1:
            raise refusal(f"{scope.element.name}/{path.text}", "", "one period")
        return _execution(time, _billing_dates(periods[0]))

    return encode


def _billing_dates(period: Element) -> list[bytes]:
    match period.name:
        case "Daily":
            return [_billing_date()]
        case "Weekly":
            return [_billing_date(weekday=number(period, 1, 7))]
        case "Monthly":
            return [_billing_date(day=number(period, 1, DAY_MAX))]
    apart = one_of(Element("period", period.name), _MONTHS_APART)
    day = number(need(period, "DayOfMonth"), 1, DAY_MAX)
    first = number(need(period, "BillingPeriodStartMonth"), 1, 12)
    return [_billing_date(month=(first - 1 + later) % 12 + 1, day=day) for later in range(0, 12, apart)]


def _billing_date(*, month: int = _EVERY_MONTH, day: int = _EVERY_DAY, weekday: int = _EVERY_DAY) -> bytes:
    return b"\xff\xff" + bytes((month, day, weekday))


def _daily_reset(path: ElementPath, argument: str, wire: Wire) -> Encoder:
    """Midnight of every day, or no time at all (no reference message shows the second)."""

    def encode(scope: Scope) -> bytes:
        return _execution(bytes(4), [_billing_date()] if truth(path.one(scope.element)) else [])

    return encode


_ENABLED: Final = MappingProxyType({"Enable": True, "Disable": False})


def _alerts(path: ElementPath, argument: str, wire: Wire) -> Encoder:
    """Two halves of bits: which alerts are changed, and which of them are enabled. A bit's place counts from the end
    of its half by the last octet of the alert's code."""

    def encode(scope: Scope) -> bytes:
        changed = enabled = 0
        for group in path.one(scope.element).children:
            for alert in group.children:
                bit = 1 << _alert_place(alert)
                changed |= bit
                enabled |= bit if one_of(alert, _ENABLED) else 0
        octets = changed.to_bytes(ALERTS // 8, "big") + enabled.to_bytes(ALERTS // 8, "big")
        return wire.encode(BitString(2 * ALERTS, octets), path.text)

    return encode


def _alert_place(alert: Element) -> int:
    code = alert.name.removeprefix("x")
    try:
        return int(code, 16) & 0xFF
    except ValueError as error:
        raise refusal(alert.name, alert.text, "an alert, x810D,") from error


def _channels(path: ElementPath, argument: str, wire: Wire) -> Encoder:
    """A channel mask of sub-GHz radio: the page in five bits, then a bit a channel, the last one first."""
    try:
        page, first, count = map(int, argument.split())
    except ValueError as error:
        raise CatalogueError(f"{argument!r} is not page, first channel and count") from error
    places = {f"Channel{first + place}": place for place in range(count)}

    def encode(scope: Scope) -> bytes:
        mask = page << 27
        for channel in path.one(scope.element).children:
            mask |= 1 << one_of(Element("channel", channel.name), places)
        return wire.encode(BitString(32, mask.to_bytes(4, "big")), path.text)

    return encode


def _hub_backup(path: ElementPath, argument: str, wire: Wire) -> Encoder:
    """The log of an old hub as the carrier kept it: network, and devices with the hashes of their link keys."""
    identity = LEAVES["identity"](path, "", Wire("octet-string", 8))

    def encode(scope: Scope) -> bytes:
        old = identity(scope)[2:]
        backup = scope.situation.hub_backups.get(old)
        if backup is None:
            raise TransformError(
                f"the situation has no backup of the hub {path.one(scope.element).text}",
                path="Situation.hub_backups", value=path.one(scope.element).text, expected="a backup of that hub",
            )  # fmt: skip
        devices = (encode_structure(*map(encode_octet_string, device)) for device in backup.devices)
        return encode_structure(encode_octet_string(backup.network), encode_array(devices))

    return encode


SHAPES: Final[Mapping[str, Shape]] = MappingProxyType(
    {
        **LEAVES,
        "price_matrix": _price_matrix,
        "element_prices": _element_prices,
        "credit_charges": _credit_charges,
        "prepayment_charges": _prepayment_charges,
        "billing_times": _billing_times,
        "daily_reset": _daily_reset,
        "alerts": _alerts,
        "channels": _channels,
        "hub_backup": _hub_backup,
    }
)


def _present(path: ElementPath, argument: str) -> Callable[[Scope], bool]:
    """Whether an object is in the command at all: its element is there and, where the row wants it, true."""
    if argument:
        return lambda scope: any(truth(element) for element in path.all(scope.element))
    return lambda scope: bool(path.all(scope.element))


CONDITIONS: Final[Mapping[str, Callable[[ElementPath, str], Callable[[Scope], bool]]]] = MappingProxyType(
    {"present": _present}
)

_START, _END = ElementPath.compile("StartDateTime"), ElementPath.compile("EndDateTime")
_BY_TIME: Final = encode_structure(
    encode_long_unsigned(1), encode_octet_string(bytes(ObisCode("0-0:94.44.100.255"))), encode_integer(2),
    encode_long_unsigned(0),
)  # fmt: skip


def selection(path: ElementPath) -> Encoder:
    """The entries of a log between two moments, as a range of its time stamps (selector 1)."""

    def encode(scope: Scope) -> bytes:
        window = path.one(scope.element)
        first, last = (encode_double_long_unsigned(seconds(end.one(window))) for end in (_START, _END))
        return b"\x01" + encode_structure(_BY_TIME, first, last, encode_array([]))

    return encode


def restriction(path: ElementPath | None) -> Encoder:
    """The same as a restriction of what is to be protected; without a path none."""
    if path is None:
        none = encode_structure(encode_enum(0), encode_null())
        return lambda scope: none

    def encode(scope: Scope) -> bytes:
        window = path.one(scope.element)
        ends = (encode_octet_string(moment(utc(end.one(window)))) for end in (_START, _END))
        return encode_structure(encode_enum(1), encode_structure(*ends))

    return encode


_TRANSACTION_FLAG: Final = b"\x04"  # of keys for encryption
_AUTHENTICATED_AND_ENCRYPTED, _AGREED_KEY = 2, 2
_STATIC_KEYS: Final = b"\x02"  # key agreement of two static key pairs


def protection(scope: Scope) -> bytes:
    """How sensitive data are to be protected: encrypted for the user, with a key agreed of both static key pairs."""
    key = encode_structure(
        encode_enum(_AGREED_KEY),
        encode_structure(encode_octet_string(_STATIC_KEYS), encode_octet_string(b"")),
    )
    options = encode_structure(
        encode_octet_string(_TRANSACTION_FLAG + scope.counter.to_bytes(8, "big")),
        encode_octet_string(scope.party),
        encode_octet_string(scope.request.request_id.target),
        encode_octet_string(b""),
        key,
    )
    return encode_array([encode_structure(encode_enum(_AUTHENTICATED_AND_ENCRYPTED), options)])
