"""A small logical device for tests: clock, register, profile, things to write and to invoke, three clients."""

from datetime import UTC, datetime, timedelta

from meterworks.protocols.dlms import (
    CLOCK_OBJECT,
    ActionResult,
    AssociationSettings,
    AttributeAddress,
    CaptureObject,
    CosemDateTime,
    DataAccessResult,
    EntrySelection,
    MethodAddress,
    ObisCode,
    RangeSelection,
    ScalerUnit,
    Unit,
    decode_selection,
    encode_array,
    encode_date_time,
    encode_double_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
    encode_visible_string,
)
from meterworks.protocols.dlms.settings import Mechanism, Protection

GUEK = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
GAK = bytes.fromhex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf")
METER_TITLE = b"MWKexamp"
CLIENT_TITLE = b"MWKheade"
PASSWORD = b"12345678"

NAME = AttributeAddress(1, ObisCode("0.0.42.0.0.255"), 2)
CLOCK = AttributeAddress(8, ObisCode("0.0.1.0.0.255"), 2)
ENERGY = AttributeAddress(3, ObisCode("1.0.1.8.0.255"), 2)
ENERGY_UNIT = AttributeAddress(3, ObisCode("1.0.1.8.0.255"), 3)
PROFILE = AttributeAddress(7, ObisCode("1.0.99.1.0.255"), 2)
CAPTURE_OBJECTS = AttributeAddress(7, ObisCode("1.0.99.1.0.255"), 3)
NOTE = AttributeAddress(1, ObisCode("0.0.96.13.0.255"), 2)
LONG_VALUE = AttributeAddress(1, ObisCode("0.0.96.1.9.255"), 2)
ECHO = MethodAddress(9, ObisCode("0.0.10.0.1.255"), 1)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
FIRST_ROW = datetime(2026, 11, 20, 0, 30, tzinfo=UTC)
ROW_COUNT = 48
STATUS = CaptureObject(1, ObisCode("0.0.96.10.1.255"), 2)
INTERVAL_ENERGY = CaptureObject(3, ObisCode("1.0.1.29.0.255"), 2)


def row(index: int) -> bytes:
    """Give row `index` of the profile, encoded."""
    moment = CosemDateTime.from_datetime(FIRST_ROW + timedelta(minutes=30 * index))
    return encode_structure(encode_date_time(moment), encode_unsigned(0), encode_double_long_unsigned(100 + index))


class ExampleDevice:
    """Implements `LogicalDevice`. events: what it recorded. accepted: counters by client title."""

    def __init__(self, *, mechanism: Mechanism = Mechanism.GMAC, pdu_size: int = 0xFFFF) -> None:
        self.system_title = METER_TITLE
        self.events: list[tuple[str, int]] = []
        self.accepted: dict[bytes, int] = {}
        self.counter = 1000
        self.written: dict[AttributeAddress, bytes] = {}
        self.invoked: list[tuple[MethodAddress, bytes | None]] = []
        secured = AssociationSettings(
            mechanism=mechanism,
            guek=GUEK,
            gak=GAK,
            password=PASSWORD,
            required_protection=Protection.BOTH,
            max_pdu=pdu_size,
        )
        self.associations = {
            16: AssociationSettings(max_pdu=pdu_size),
            2: secured,
            1: secured,
            3: AssociationSettings(mechanism=Mechanism.LOW, password=PASSWORD, max_pdu=pdu_size),
            4: AssociationSettings(mechanism=Mechanism.GMAC, guek=GUEK, gak=GAK, max_pdu=pdu_size),
        }
        self.values: dict[AttributeAddress, bytes] = {
            NAME: encode_octet_string(b"MWKexample"),
            CLOCK: encode_date_time(CosemDateTime.from_datetime(NOW)),
            ENERGY: encode_double_long_unsigned(1_234_567),
            ENERGY_UNIT: ScalerUnit(0, Unit.WATT_HOUR).to_bytes(),
            CAPTURE_OBJECTS: encode_array(c.to_bytes() for c in (CLOCK_OBJECT, STATUS, INTERVAL_ENERGY)),
            LONG_VALUE: encode_octet_string(bytes(range(256)) * 1024),
            NOTE: encode_visible_string(""),
        }

    def association(self, client_sap: int) -> AssociationSettings | None:
        return self.associations.get(client_sap)

    def get(self, client_sap: int, address: AttributeAddress, selection: bytes | None) -> bytes | DataAccessResult:
        if client_sap == 16 and address not in (NAME, CLOCK, ENERGY, LONG_VALUE):
            return DataAccessResult.READ_WRITE_DENIED
        if address == PROFILE:
            return self._profile(selection)
        value = self.values.get(address)
        return DataAccessResult.OBJECT_UNDEFINED if value is None else value

    def _profile(self, selection: bytes | None) -> bytes:
        rows = list(range(ROW_COUNT))
        match None if selection is None else decode_selection(selection):
            case RangeSelection(from_=first, to=last):
                times = [FIRST_ROW + timedelta(minutes=30 * index) for index in rows]
                rows = [i for i in rows if first.to_datetime() <= times[i] <= last.to_datetime()]
            case EntrySelection(from_entry=first_entry, to_entry=last_entry):
                rows = rows[first_entry - 1 : last_entry or None]
        return encode_array(map(row, rows))

    def set(self, client_sap: int, address: AttributeAddress, value: bytes) -> DataAccessResult:
        if client_sap == 16:
            return DataAccessResult.READ_WRITE_DENIED
        if address not in self.values:
            return DataAccessResult.OBJECT_UNDEFINED
        self.values[address] = self.written[address] = value
        return DataAccessResult.SUCCESS

    def action(
        self, client_sap: int, address: MethodAddress, parameter: bytes | None
    ) -> tuple[ActionResult, bytes | None]:
        if client_sap == 16:
            return ActionResult.READ_WRITE_DENIED, None
        if address != ECHO:
            return ActionResult.OBJECT_UNDEFINED, None
        self.invoked.append((address, parameter))
        return ActionResult.SUCCESS, parameter

    def next_invocation_counter(self) -> int:
        self.counter += 1
        return self.counter

    def lowest_acceptable_counter(self, client_title: bytes) -> int:
        return self.accepted.get(client_title, -1) + 1

    def accept_invocation_counter(self, client_title: bytes, counter: int) -> bool:
        if counter < self.lowest_acceptable_counter(client_title):
            return False
        self.accepted[client_title] = counter
        return True

    def security_event(self, kind: str, client_sap: int) -> None:
        self.events.append((kind, client_sap))
