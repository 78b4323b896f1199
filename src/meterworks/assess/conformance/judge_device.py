"""The small meter behind which a client is judged: an association, a clock, registers, a profile, a note, a script.

It has what any client reads first, values long enough to need blocks, and nothing that can be broken.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from meterworks.assess.conformance.credential import Credential
from meterworks.assess.conformance.request import CURRENT_ASSOCIATION
from meterworks.errors import PeerError
from meterworks.protocols.dlms import (
    CLOCK_OBJECT,
    PUBLIC_CLIENT,
    ActionResult,
    AssociationSettings,
    AttributeAddress,
    CaptureObject,
    CosemDateTime,
    DataAccessResult,
    EntrySelection,
    Mechanism,
    MethodAddress,
    ObisCode,
    Protection,
    RangeSelection,
    ScalerUnit,
    SecuritySuite,
    Unit,
    decode_selection,
    encode_array,
    encode_date_time,
    encode_double_long_unsigned,
    encode_enum,
    encode_integer,
    encode_long,
    encode_long_unsigned,
    encode_null,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
    encode_visible_string,
)
from meterworks.protocols.dlms.cosem import interface_class

__all__ = ["JUDGE_TITLE", "JudgeDevice"]

JUDGE_TITLE: Final = b"MWJ\x00\x00\x00\x00\x01"
CLOCK: Final = ObisCode("0.0.1.0.0.255")
DEVICE_NAME: Final = ObisCode("0.0.42.0.0.255")
SAP_LIST: Final = ObisCode("0.0.41.0.0.255")
ENERGY: Final = ObisCode("1.0.1.8.0.255")
PROFILE: Final = ObisCode("1.0.99.1.0.255")
NOTE: Final = ObisCode("0.0.96.13.0.255")
SCRIPT: Final = ObisCode("0.0.10.0.1.255")
COUNTER: Final = ObisCode("0.0.43.1.0.255")
ENERGY_COLUMN: Final = CaptureObject(3, ENERGY, 2)
ROW_COUNT: Final = 96
PERIOD: Final = timedelta(minutes=30)
OBJECTS: Final = (
    (15, 1, CURRENT_ASSOCIATION), (17, 0, SAP_LIST), (1, 0, DEVICE_NAME), (8, 0, CLOCK), (3, 0, ENERGY),
    (7, 1, PROFILE), (1, 0, NOTE), (9, 0, SCRIPT), (1, 0, COUNTER),
)  # fmt: skip
WRITABLE: Final = frozenset({(1, NOTE, 2), (8, CLOCK, 2)})
MAX_PDU: Final = 512
NOTE_SIZE_MAX: Final = 16 * 1024


class JudgeDevice:
    """A logical device for one client with secrets and for the public one. now: gives the time, UTC."""

    def __init__(self, credential: Credential, now: Callable[[], datetime], *, max_pdu: int = MAX_PDU) -> None:
        self.credential = credential
        self._now = now
        self._max_pdu = max_pdu
        self._counter = 0
        self._accepted: dict[bytes, int] = {}
        self._note = encode_visible_string("")
        self.events: list[tuple[str, int]] = []

    @property
    def system_title(self) -> bytes:
        """Eight octets, unique to the device."""
        return JUDGE_TITLE

    def association(self, client_sap: int) -> AssociationSettings | None:
        """Give what a client must bring: the one that is judged, or the public one."""
        credential = self.credential
        if client_sap == credential.client_sap:
            return AssociationSettings(
                mechanism=Mechanism(credential.mechanism),
                suite=SecuritySuite(credential.suite),
                guek=credential.guek,
                gak=credential.gak,
                password=credential.password,
                secret=credential.secret,
                peer_signing_key=credential.server_signing_key,
                required_protection=Protection(credential.protection),
                max_pdu=self._max_pdu,
            )
        return AssociationSettings(max_pdu=self._max_pdu) if client_sap == PUBLIC_CLIENT else None

    # --- attributes -------------------------------------------------------------------------------------------------

    def get(self, client_sap: int, address: AttributeAddress, selection: bytes | None) -> bytes | DataAccessResult:
        """Give an attribute, or why not."""
        known = {name: class_id for class_id, _, name in OBJECTS}.get(address.obis_code)
        if known is None:
            return DataAccessResult.OBJECT_UNDEFINED
        if known != address.class_id:
            return DataAccessResult.OBJECT_CLASS_INCONSISTENT
        if known == 7 and address.attribute == 2:
            return self._buffer(selection)
        if selection is not None:
            return DataAccessResult.TYPE_UNMATCHED
        if address.attribute == 1:
            return encode_octet_string(address.obis_code)
        value = self._value(client_sap, known, address)
        return DataAccessResult.OBJECT_UNDEFINED if value is None else value

    def _value(self, client_sap: int, class_id: int, address: AttributeAddress) -> bytes | None:
        if class_id == 15:
            return self._association_value(client_sap, address.attribute)
        if class_id == 1 and address.attribute == 2:
            return {
                DEVICE_NAME: encode_octet_string(b"MWJudge000000001"),
                NOTE: self._note,
                COUNTER: encode_double_long_unsigned(max(self._accepted.values(), default=0)),
            }[address.obis_code]
        return {
            (17, 2): encode_array(
                [encode_structure(encode_long_unsigned(1), encode_octet_string(b"MWJudge000000001"))]
            ),
            (8, 2): encode_octet_string(CosemDateTime.from_datetime(self._now()).to_bytes()),
            (8, 3): encode_long(0),
            (8, 4): encode_unsigned(0),
            (3, 2): encode_double_long_unsigned(1_234_567),
            (3, 3): ScalerUnit(0, Unit.WATT_HOUR).to_bytes(),
            (7, 3): encode_array(column.to_bytes() for column in (CLOCK_OBJECT, ENERGY_COLUMN)),
            (7, 4): encode_double_long_unsigned(int(PERIOD.total_seconds())),
            (7, 5): encode_enum(1),
            (7, 6): CLOCK_OBJECT.to_bytes(),
            (7, 7): encode_double_long_unsigned(ROW_COUNT),
            (7, 8): encode_double_long_unsigned(ROW_COUNT),
            (9, 2): encode_array([]),
        }.get((class_id, address.attribute))

    def _association_value(self, client_sap: int, attribute: int) -> bytes | None:
        settings = self.association(client_sap)
        if settings is None:
            return None
        context = 3 if settings.is_ciphered else 1
        return {
            2: self._object_list(client_sap) if attribute == 2 else b"",
            3: encode_structure(encode_integer(client_sap), encode_long_unsigned(1)),
            4: encode_octet_string(bytes.fromhex("608574050801") + bytes((context,))),
            6: encode_octet_string(bytes.fromhex("608574050802") + bytes((settings.mechanism,))),
            8: encode_enum(2),
        }.get(attribute)

    def _object_list(self, client_sap: int) -> bytes:
        """Encode the list, with what can be read as readable and what can be written as writable."""
        return encode_array(self._entry(client_sap, *row) for row in OBJECTS)

    def _entry(self, client_sap: int, class_id: int, version: int, name: ObisCode) -> bytes:
        known = interface_class(class_id, version)
        attributes = []
        for row in known.attributes:
            address = AttributeAddress(class_id, name, row.number)
            # The list is the one value that cannot be asked for while it is made.
            readable = (class_id, row.number) == (15, 2) or isinstance(self.get(client_sap, address, None), bytes)
            writable = client_sap != PUBLIC_CLIENT and (class_id, name, row.number) in WRITABLE
            mode = encode_enum(readable + 2 * writable)
            attributes.append(encode_structure(encode_integer(row.number), mode, encode_null()))
        methods = [encode_structure(encode_integer(row.number), encode_enum(1)) for row in known.methods]
        return encode_structure(
            encode_long_unsigned(class_id),
            encode_unsigned(version),
            encode_octet_string(name),
            encode_structure(encode_array(attributes), encode_array(methods)),
        )

    def _buffer(self, selection: bytes | None) -> bytes | DataAccessResult:
        newest = self._now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        rows = [(newest - PERIOD * (ROW_COUNT - number), 1_000_000 + number) for number in range(1, ROW_COUNT + 1)]
        try:
            chosen = None if selection is None else decode_selection(selection)
        except PeerError:
            return DataAccessResult.TYPE_UNMATCHED
        columns = slice(None)
        if isinstance(chosen, EntrySelection):
            rows = rows[max(chosen.from_entry - 1, 0) : chosen.to_entry or None]
            columns = slice(max(chosen.from_column - 1, 0), chosen.to_column or None)
        elif isinstance(chosen, RangeSelection):
            first, last = chosen.from_.to_datetime(), chosen.to.to_datetime()
            rows = [row for row in rows if first <= row[0] <= last]
        cells = (
            (encode_date_time(CosemDateTime.from_datetime(stamp)), encode_double_long_unsigned(energy))
            for stamp, energy in rows
        )
        return encode_array(encode_structure(*row[columns]) for row in cells)

    def set(self, client_sap: int, address: AttributeAddress, value: bytes) -> DataAccessResult:
        """Take a note, or the time (which is not set); all else is read-only."""
        if (address.class_id, address.obis_code, address.attribute) not in WRITABLE or client_sap == PUBLIC_CLIENT:
            return DataAccessResult.READ_WRITE_DENIED
        if address.obis_code == NOTE:
            if len(value) > NOTE_SIZE_MAX:
                return DataAccessResult.OTHER_REASON
            self._note = value
        return DataAccessResult.SUCCESS

    def action(
        self, client_sap: int, address: MethodAddress, parameter: bytes | None
    ) -> tuple[ActionResult, bytes | None]:
        """Run the script, which does nothing."""
        if address != MethodAddress(9, SCRIPT, 1) or client_sap == PUBLIC_CLIENT:
            return ActionResult.READ_WRITE_DENIED, None
        return ActionResult.SUCCESS, None

    # --- counters and events ------------------------------------------------------------------------------------------

    def next_invocation_counter(self) -> int:
        """Give the device's next counter."""
        self._counter += 1
        return self._counter

    def lowest_acceptable_counter(self, client_title: bytes) -> int:
        """Give the smallest counter that this client may still use."""
        return self._accepted.get(client_title, -1) + 1

    def accept_invocation_counter(self, client_title: bytes, counter: int) -> bool:
        """Store a verified counter; False where it was used."""
        if counter < self.lowest_acceptable_counter(client_title):
            return False
        self._accepted[client_title] = counter
        return True

    def security_event(self, kind: str, client_sap: int) -> None:
        """Record what a client did."""
        self.events.append((kind, client_sap))
