"""Readers of whole arrays: which charges a credit pays, and when billing periods begin."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from meterworks.catalogue.gb import DeviceKind
from meterworks.companions.errors import RequestError
from meterworks.companions.gb.correlate.fact import AnyOf, Carriers, Term
from meterworks.companions.gb.correlate.reader import DLMS_READERS, Reader
from meterworks.companions.gb.correlate.scope import Scope
from meterworks.companions.gb.correlate.term import billing_dates, debts_suspended, octets_of
from meterworks.companions.gb.correlate.zcl_reader import PERIODS
from meterworks.companions.gb.situation import HubBackup
from meterworks.protocols import DecodeError
from meterworks.protocols.dlms import DataValue, Tag

__all__ = ["COMPOUND_READERS", "COMPOUND_TERMS"]

_METER_BALANCE, _EMERGENCY_CREDIT = "19.10.0", "19.10.1"
_TARIFF, _STANDING_CHARGE, _SECONDARY_TARIFF = "19.20.0", "19.20.4", "19.20.5"
_TIME_DEBTS: Final = ("19.20.1", "19.20.2")
_PAYMENT_DEBT = "19.20.3"
_COLLECTED, _RESTING = "111", "110"  # while supply is disabled: the third bit
_METER_TYPES: Final[Mapping[DeviceKind | None, int]] = MappingProxyType({DeviceKind.ESME: 0, DeviceKind.GSME: 1})
_ENCRYPTION: Final = 4
DAILY_RESET: Final = ((0, 0, 0, 0), (None, None, None, None))


def _entries(items: tuple[DataValue, ...], readers: tuple[str, ...]) -> tuple[tuple[Term, ...], ...]:
    """An array of structures, each part read by its reader."""
    return tuple(tuple(_part(part, name) for part, name in _parts(item, readers)) for item in items)


def _parts(item: DataValue, readers: tuple[str, ...]) -> Iterable[tuple[DataValue, str]]:
    if item.tag != Tag.STRUCTURE or len(item.value) != len(readers):
        raise DecodeError(f"an array of structures of {len(readers)} parts")
    return zip(item.value, readers, strict=True)


def _part(part: DataValue, name: str) -> Term:
    reader = DLMS_READERS[name]
    if part.tag != reader.wire:
        raise DecodeError(f"a part of type {part.tag.name.lower()}")
    return reader.of_wire(part.value)


def _charges(items: tuple[DataValue, ...]) -> Term:
    return tuple(
        (_object(credit), _object(charge), bits) for credit, charge, bits in _entries(items, ("o", "o", "bits"))
    )


def _object(name: bytes) -> str:
    if len(name) != 6 or name[:2] != b"\x00\x00" or name[5] != 0xFF:
        raise DecodeError(f"{name.hex()} names no credit and no charge")
    return ".".join(map(str, name[2:5]))


def _dates(items: tuple[DataValue, ...]) -> Term:
    found = _entries(items, ("clock", "date"))
    if len(set(found)) != len(found):
        raise DecodeError("a date stands twice")
    return frozenset(found)


def _credit_charges(scope: Scope) -> Term:
    """In credit mode the meter balance pays the tariffs and the standing charge, and no debt."""
    single = _paid(_METER_BALANCE, _TARIFF, _STANDING_CHARGE)
    twin = _paid(_METER_BALANCE, _SECONDARY_TARIFF)
    return single + twin if scope.situation.has_second_element else single


def _prepayment_charges(scope: Scope) -> Term:
    """In prepayment mode both credits pay debts too, unless time-based ones are to rest."""
    disabled, emergency = debts_suspended(scope)
    bits = _RESTING if disabled else _COLLECTED
    single = (
        *_paid(_METER_BALANCE, _TARIFF, _STANDING_CHARGE),
        *_paid(_METER_BALANCE, *_TIME_DEBTS, bits=bits),
        *_paid(_METER_BALANCE, _PAYMENT_DEBT),
        *_paid(_EMERGENCY_CREDIT, _PAYMENT_DEBT, _TARIFF, _STANDING_CHARGE),
        *(() if emergency else _paid(_EMERGENCY_CREDIT, *_TIME_DEBTS, bits=bits)),
    )
    twin = (*_paid(_METER_BALANCE, _SECONDARY_TARIFF), *_paid(_EMERGENCY_CREDIT, _SECONDARY_TARIFF))
    return single + twin if scope.situation.has_second_element else single


def _paid(credit: str, *charges: str, bits: str = _COLLECTED) -> tuple[tuple[str, str, str], ...]:
    return tuple((credit, charge, bits) for charge in charges)


def _daily_reset(text: str) -> Term:
    return frozenset({DAILY_RESET}) if DLMS_READERS["b"].of_text(text) else frozenset()


def _answer_reader(scope: Scope) -> Term:
    """Who is to decrypt the answer: the user; or the broker or the user where the broker speaks for it."""
    originator = scope.request.request_id.originator
    return originator if scope.situation.knows_originator else AnyOf((scope.situation.broker, originator))


def _answer_counter(scope: Scope) -> Term:
    """The counter in the transaction of the answer's encryption: of the same parties."""
    counter = scope.request.request_id.counter
    return counter if scope.situation.knows_originator else AnyOf((scope.counter, counter))


def _credit_mode(scope: Scope) -> Term:
    return "Credit"


def _block_thresholds(scope: Scope) -> Term:
    """How many thresholds a gas tariff uses: one less than its blocks have prices, and none by time of use.

    A tariff brings as many thresholds with it; a price says their number. Either count does what was asked.
    """
    tariff = "PriceElements/GasPriceElements/BlockTariff"
    blocks, said = scope.all(f"{tariff}/BlockPrice"), scope.text(f"{tariff}/NumberOfThresholds")
    if said is None:
        return 0
    brought = scope.all("GasTariffElements/ThresholdMatrix/BlockThreshold")
    return AnyOf((len(blocks) - 1, len(brought) or int(said)))


def _billing_period(part: int) -> Callable[[Scope], Term]:
    return lambda scope: PERIODS[scope.text("GasBillingCalendar/Periodicity") or ""][part]


def _meter_type(scope: Scope) -> int:
    """What a hub is told of the device that it lets in: electricity or gas, as ZigBee counts metering devices."""
    kind = scope.situation.device_kinds.get(octets_of(scope.text("DeviceID") or ""))
    if kind not in _METER_TYPES:
        raise RequestError("the situation does not say that the device is a meter (device_kinds)")
    return _METER_TYPES[kind]


def _backup(scope: Scope) -> HubBackup:
    """What the carrier kept of the hub that is replaced."""
    old = octets_of(scope.text("OldCHFID") or "")
    if old not in scope.situation.hub_backups:
        raise RequestError("what was in the log of the old hub, the situation does not say (hub_backups)")
    return scope.situation.hub_backups[old]


def _hub_devices(items: tuple[DataValue, ...]) -> Term:
    return _entries(items, ("o", "o"))


def _device(scope: Scope) -> Term:
    return scope.request.request_id.target


def _transaction(octets: bytes) -> Term:
    if len(octets) != 9 or octets[0] != _ENCRYPTION:
        raise DecodeError("the transaction of an encryption has 9 octets, the first one 4")
    return int.from_bytes(octets[1:], "big")


def _customer_number(scope: Scope) -> Term:
    return scope.situation.customer_number or Carriers("one to four digits that the carrier draws", 4)


COMPOUND_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "charges": Reader(Tag.ARRAY, _charges, str),
        "billing": Reader(Tag.ARRAY, _dates, str, billing_dates),
        "daily_reset": Reader(Tag.ARRAY, _dates, _daily_reset),
        "hub_devices": Reader(Tag.ARRAY, _hub_devices, str),
        "transaction": Reader(Tag.OCTET_STRING, _transaction, int),
    }
)

COMPOUND_TERMS: Final[Mapping[str, Callable[[Scope], Any]]] = MappingProxyType(
    {
        "credit_charges": _credit_charges,
        "prepayment_charges": _prepayment_charges,
        "customer_number": _customer_number,
        "answer_reader": _answer_reader,
        "answer_counter": _answer_counter,
        "device": _device,
        "meter_type": _meter_type,
        "hub_network": lambda scope: _backup(scope).network,
        "hub_devices": lambda scope: tuple(_backup(scope).devices),
        "credit_mode": _credit_mode,
        "block_thresholds": _block_thresholds,
        "billing_count": _billing_period(0),
        "billing_unit": _billing_period(1),
    }
)
