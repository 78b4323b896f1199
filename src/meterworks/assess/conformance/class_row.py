"""Class behaviour: the object list and every object in it, against COSEM's class table and against each other.

Every attribute that the list says is readable is read and its type compared, all the way down where the table knows;
then objects that speak of the same thing (clock, security set-up, association, profiles) are compared.
Source: COSEM interface classes (IEC 62056-6-2); fact sheet section 7.
"""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from meterworks.assess.conformance.request import (
    CURRENT_ASSOCIATION,
    INVOKE,
    data_of,
    describe_result,
    get_request,
    set_request,
    whole_data,
)
from meterworks.assess.conformance.row import Group, Need, Row, expect, fail
from meterworks.assess.conformance.session import Session
from meterworks.assess.conformance.tester import ListedObject, Tester, needed
from meterworks.errors import PeerError
from meterworks.protocols.dlms import (
    AttributeAddress,
    BitString,
    CosemDateTime,
    ObisCode,
    ScalerUnit,
    decode_capture_objects,
    decode_typed,
)
from meterworks.protocols.dlms.cosem import AccessRights, interface_class

__all__ = ["CLASS_ROWS"]

NAMED_FAULTS_MAX: Final = 8  # faults that a reason names before it counts the rest
LOGICAL_DEVICE_NAME: Final = ObisCode("0.0.42.0.0.255")
SAP_ASSIGNMENT: Final = ObisCode("0.0.41.0.0.255")
ASSOCIATION_CLASS: Final = 15
BUFFERS: Final = frozenset({(7, 2), (62, 2)})  # long by nature: read in part, by tests of their own
SECRETS: Final = frozenset({(ASSOCIATION_CLASS, 7)})
DENIED: Final = frozenset({3, 13})
UNDEFINED_UNIT: Final = frozenset({0})
ONE_ROW: Final = bytes.fromhex("02020406000000010600000001120001120000")
MINUTES_MAX: Final = 840  # of a deviation: fourteen hours


def _version(t: Tester) -> int:
    """Give the version of the current association object, by which access rights are written."""
    for row in t.objects():
        if row.name == CURRENT_ASSOCIATION and row.class_id == ASSOCIATION_CLASS:
            return row.version
    return max((row.version for row in t.survey.named(ASSOCIATION_CLASS)), default=1)


def _readable(row: ListedObject, version: int) -> list[int]:
    """Give the attributes that the list says are readable."""
    return [
        number
        for number, mode in row.attributes.items()
        if number < 0x80 and AccessRights.from_attribute_mode(mode, version).readable
    ]


def _writable(row: ListedObject, version: int) -> list[int]:
    return [
        number
        for number, mode in row.attributes.items()
        if number < 0x80 and AccessRights.from_attribute_mode(mode, version).writable
    ]


def _where(row: ListedObject, attribute: int) -> str:
    return f"{row.class_id}/{row.name}/{attribute}"


def _judge(faults: list[str], what: str) -> str:
    """Fail with the first of the faults named; or say how much was looked at."""
    if faults:
        more = f"; and {len(faults) - NAMED_FAULTS_MAX} more" if len(faults) > NAMED_FAULTS_MAX else ""
        fail("; ".join(faults[:NAMED_FAULTS_MAX]) + more)
    return what


def _list_is_whole(t: Tester) -> str:
    t.agreed()
    if not t.survey.objects:
        fail(f"the object list cannot be read: {t.survey.fault or 'it is empty'}")
    return f"{len(t.survey.objects)} objects"


def _no_object_twice(t: Tester) -> str:
    counts = Counter((row.class_id, bytes(row.name)) for row in t.objects())
    faults = [f"{class_id}/{ObisCode(name)} stands {n} times" for (class_id, name), n in counts.items() if n > 1]
    return _judge(faults, f"{len(counts)} objects")


def _mandatory_objects(t: Tester) -> None:
    names = {(row.class_id, row.name) for row in t.objects()}
    expect((ASSOCIATION_CLASS, CURRENT_ASSOCIATION) in names, f"{CURRENT_ASSOCIATION}, the association, is not listed")
    device_name = any(name == LOGICAL_DEVICE_NAME for _, name in names)
    expect(device_name, f"{LOGICAL_DEVICE_NAME}, the logical device name, is not listed")
    if t.credential.server_sap == 1:
        expect((17, SAP_ASSIGNMENT) in names, f"{SAP_ASSIGNMENT}, the SAP assignment, is not listed")


def _known_classes(t: Tester) -> str:
    unknown = sorted({(r.class_id, r.version) for r in t.objects() if interface_class(r.class_id, r.version).generic})
    return (
        "not in the class table: " + ", ".join(f"{c} v{v}" for c, v in unknown) if unknown else "all are in the table"
    )


def _lists_its_attributes(t: Tester) -> str:
    faults = []
    for row in t.objects():
        known = interface_class(row.class_id, row.version)
        if known.generic:
            continue
        strange = [number for number in row.attributes if number < 0x80 and not 1 <= number <= len(known.attributes)]
        if strange:
            faults.append(
                f"{row.class_id}/{row.name}: attributes {strange}, and {known.name} has {len(known.attributes)}"
            )
        strange = [number for number in row.methods if number < 0x80 and not 1 <= number <= len(known.methods)]
        if strange:
            faults.append(f"{row.class_id}/{row.name}: methods {strange}, and {known.name} has {len(known.methods)}")
    return _judge(faults, f"{len(t.objects())} objects")


def _access_modes(t: Tester) -> str:
    version, faults = _version(t), []
    for row in t.objects():
        try:
            for mode in row.attributes.values():
                AccessRights.from_attribute_mode(mode, version)
            for mode in row.methods.values():
                AccessRights.from_method_mode(mode, version)
        except PeerError as error:
            faults.append(f"{row.class_id}/{row.name}: {error}")
    return _judge(faults, f"as association LN version {version} writes them")


def _own_names(t: Tester) -> str:
    session, version, faults, count = t.associated(), _version(t), [], 0
    for row in t.objects():
        if 1 not in _readable(row, version):
            continue
        count += 1
        result, data = t.try_get(session, AttributeAddress(row.class_id, row.name, 1))
        if result or data != b"\x09\x06" + bytes(row.name):
            faults.append(f"{_where(row, 1)} reads {data.hex() or describe_result(result)}")
    return _judge(faults, f"{count} objects")


def _types(t: Tester) -> str:
    """Read everything readable and compare it with the class table."""
    session, version, faults, count = t.associated(), _version(t), [], 0
    for row in t.objects():
        known = interface_class(row.class_id, row.version)
        for number in _readable(row, version):
            if (row.class_id, number) in BUFFERS | SECRETS or not 1 <= number <= len(known.attributes):
                continue
            result, data = t.try_get(session, AttributeAddress(row.class_id, row.name, number))
            if result:
                continue  # whether it may be refused is another test's
            count += 1
            attribute = known.attributes[number - 1]
            if not attribute.shape.takes(data):
                value = data[:24].hex() + (".." if len(data) > 24 else "")
                faults.append(f"{_where(row, number)} {attribute.name} is {attribute.shape}, and reads {value}")
    return _judge(faults, f"{count} attributes")


def _rights_hold(t: Tester) -> str:
    """What the list says is readable is not denied, and what it says is not readable is."""
    session, version, faults, count = t.associated(), _version(t), [], 0
    for row in t.objects():
        readable = _readable(row, version)
        for number in row.attributes:
            if number >= 0x80 or (row.class_id, number) in BUFFERS:
                continue
            count += 1
            answer = session.request(get_request(AttributeAddress(row.class_id, row.name, number)))
            given = answer.plain[:2] == b"\xc4\x02" or (answer.plain[:2] == b"\xc4\x01" and answer.plain[3:4] == b"\0")
            if given and number not in readable:
                faults.append(f"{_where(row, number)} is read, and the list says it may not")
            if not given and number in readable and answer.plain[4:5] in (b"\x03", b"\x04", b"\x0d"):
                faults.append(f"{_where(row, number)}: {describe_result(answer.plain[4])}, and the list says readable")
    return _judge(faults, f"{count} attributes")


def _writes_denied(t: Tester) -> str:
    """A SET of its own value to what the list says is not writable is refused; so nothing can change by it."""
    session, version, faults, count = t.associated(), _version(t), [], 0
    for row in t.objects():
        closed = [number for number in _readable(row, version) if number not in _writable(row, version)]
        for number in closed[:2]:
            address = AttributeAddress(row.class_id, row.name, number)
            if (row.class_id, number) in BUFFERS:
                continue
            read = session.request(get_request(address))
            if read.plain[:4] != bytes((0xC4, 1, INVOKE, 0)):
                continue
            count += 1
            answer = session.request(set_request(address, data_of(read.plain)))
            if answer.plain[:2] == b"\xc5\x01" and answer.plain[3] == 0:
                faults.append(f"{_where(row, number)} was written, and the list says it may not")
    return _judge(faults, f"{count} attributes")


def _writes_taken(t: Tester) -> str:
    """A SET of its own value to what the list says is writable succeeds."""
    session, version, faults, count = t.associated(), _version(t), [], 0
    for row in t.objects():
        for number in _writable(row, version):
            if number not in _readable(row, version) or (row.class_id, number) in SECRETS | {(8, 2)}:
                continue
            address = AttributeAddress(row.class_id, row.name, number)
            read = session.request(get_request(address))
            if read.plain[:4] != bytes((0xC4, 1, INVOKE, 0)):
                continue
            count += 1
            answer = session.request(set_request(address, data_of(read.plain)))
            if answer.plain[:2] != b"\xc5\x01" or answer.plain[3]:
                faults.append(f"{_where(row, number)} takes not its own value: {answer.describe()}")
    needed(count > 0, "this client may write nothing that it can read")
    return _judge(faults, f"{count} attributes")


# --- single classes --------------------------------------------------------------------------------------------------


def _first(t: Tester, class_id: int, name: str) -> ListedObject:
    rows = t.survey.named(class_id) if t.objects() else []
    needed(bool(rows), f"there is no {name} in the object list")
    return rows[0]


def _read(t: Tester, session: Session, row: ListedObject, number: int) -> object:
    """Read an attribute of an object; inapplicable where this client may not."""
    result, data = t.try_get(session, AttributeAddress(row.class_id, row.name, number))
    needed(result == 0, f"{_where(row, number)} is refused to this client: {describe_result(result)}")
    return whole_data(data)


def _moment(value: object) -> CosemDateTime:
    if isinstance(value, CosemDateTime):
        return value
    if not isinstance(value, bytes) or len(value) != 12:
        fail(f"no date-time of twelve octets: {value!r}")
    try:
        return CosemDateTime.from_bytes(value)
    except PeerError as error:
        fail(f"no date-time: {error}")


def _clock_time(t: Tester) -> str:
    session = t.associated()
    clock = _first(t, 8, "clock")
    earlier = _moment(_read(t, session, clock, 2))
    later = _moment(_read(t, session, clock, 2))
    try:
        step = later.to_datetime() - earlier.to_datetime()
    except PeerError as error:
        fail(f"the clock's time has wild cards: {error}")
    expect(timedelta(0) <= step < timedelta(minutes=5), f"read twice, the clock moved by {step}")
    return later.to_datetime().isoformat()


def _clock_zone(t: Tester) -> str:
    session = t.associated()
    clock = _first(t, 8, "clock")
    zone, saving = _read(t, session, clock, 3), _read(t, session, clock, 7)
    expect(isinstance(zone, int) and abs(zone) <= MINUTES_MAX, f"the time zone is {zone!r} minutes")
    assert isinstance(zone, int)
    now = _moment(_read(t, session, clock, 2))
    active = now.to_bytes()[11] & 0x80 if now.to_bytes()[11] != 0xFF else 0
    shift = _read(t, session, clock, 8)
    deviation = int.from_bytes(now.to_bytes()[9:11], "big", signed=True)
    if deviation == -0x8000 or not isinstance(shift, int):
        return "the time carries no deviation"
    wanted = zone - shift if active and saving else zone
    lawful = deviation in (zone, wanted, zone + shift if active else wanted)
    expect(lawful, f"the time's deviation is {deviation}, the zone {zone}, daylight saving {shift} and {bool(active)}")
    return f"zone {zone}, deviation {deviation}"


def _scalers(t: Tester) -> str:
    session, version, faults, count = t.associated(), _version(t), [], 0
    for row in t.objects():
        number = {3: 3, 4: 3, 5: 4}.get(row.class_id)
        if number is None or number not in _readable(row, version):
            continue
        result, data = t.try_get(session, AttributeAddress(row.class_id, row.name, number))
        if result:
            continue
        count += 1
        try:
            scaler_unit = ScalerUnit.from_bytes(data)
        except PeerError as error:
            faults.append(f"{_where(row, number)}: {error}")
            continue
        if int(scaler_unit.unit) in UNDEFINED_UNIT or not -20 <= scaler_unit.scaler <= 20:
            faults.append(f"{_where(row, number)}: scaler {scaler_unit.scaler}, unit {int(scaler_unit.unit)}")
    needed(count > 0, "this client reads no register")
    return _judge(faults, f"{count} registers")


def _profiles(t: Tester) -> str:
    """Columns of each profile's first row, its counters, its sort method."""
    session, faults, count = t.associated(), [], 0
    for row in t.survey.named(7) if t.objects() else []:
        result, data = t.try_get(session, AttributeAddress(7, row.name, 3))
        if result:
            continue
        count += 1
        try:
            columns = decode_capture_objects(data)
        except PeerError as error:
            faults.append(f"{_where(row, 3)}: {error}")
            continue
        used, entries = (_number(t, session, row, number) for number in (7, 8))
        if entries and used > entries:
            faults.append(f"{row.name}: {used} entries in use of {entries}")
        faults += _first_row(t, session, row, len(columns), used)
    needed(count > 0, "this client reads no profile")
    return _judge(faults, f"{count} profiles")


def _number(t: Tester, session: Session, row: ListedObject, number: int) -> int:
    result, data = t.try_get(session, AttributeAddress(row.class_id, row.name, number))
    value = whole_data(data) if result == 0 else 0
    return value if isinstance(value, int) else 0


def _first_row(t: Tester, session: Session, row: ListedObject, columns: int, used: int) -> list[str]:
    result, data = t.try_get(session, AttributeAddress(7, row.name, 2), ONE_ROW)
    if result:
        return []  # selective access is another test's
    rows = whole_data(data)
    if not isinstance(rows, list):
        return [f"{_where(row, 2)} is no array"]
    if len(rows) != min(used, 1):
        return [f"{row.name}: {used} entries in use, and entry 1 reads {len(rows)} rows"]
    widths = {len(cells) for cells in rows if isinstance(cells, list | tuple)}
    return [f"{row.name}: {columns} capture objects, rows of {sorted(widths)}"] if widths - {columns} else []


def _sap_assignment(t: Tester) -> str:
    session = t.associated()
    rows = _read(t, session, _first(t, 17, "SAP assignment"), 2)
    if not isinstance(rows, list):
        fail("the SAP assignment is no array")
    saps = {}
    for row in rows:
        match row:
            case (int(sap), bytes(name)):
                saps[sap] = name
            case _:
                fail(f"a row of the SAP assignment is no {{SAP, name}}: {row!r}")
    own = t.credential.server_sap
    expect(own in saps, f"the logical device {own}, to which we speak, is not in the SAP assignment: {sorted(saps)}")
    result, data = t.try_get(session, AttributeAddress(1, LOGICAL_DEVICE_NAME, 2))
    if result == 0:
        value = whole_data(data)
        called = value.encode() if isinstance(value, str) else value
        expect(called == saps[own], f"the SAP assignment says {saps[own]!r}, the device calls itself {called!r}")
    return ", ".join(f"{sap}: {name.decode('latin-1')}" for sap, name in sorted(saps.items()))


def _device_name(t: Tester) -> str:
    session = t.associated()
    result, data = t.try_get(session, AttributeAddress(1, LOGICAL_DEVICE_NAME, 2))
    needed(result == 0, f"the logical device name is refused: {describe_result(result)}")
    name = whole_data(data)
    octets = name.encode() if isinstance(name, str) else name
    if not isinstance(octets, bytes):
        fail(f"the logical device name is no string: {name!r}")
    expect(0 < len(octets) <= 16, f"the logical device name has {len(octets)} octets; 16 are the most")
    expect(octets[:3].isalpha(), f"the logical device name begins with no manufacturer: {octets[:3]!r}")
    return octets.decode("latin-1")


def _association(t: Tester) -> str:
    """What the association object says of itself against what was negotiated."""
    agreed, session = t.agreed(), t.associated()
    row = ListedObject(ASSOCIATION_CLASS, 0, CURRENT_ASSOCIATION)
    context = _read(t, session, row, 4)
    wanted = 3 if t.credential.is_ciphered else 1
    found = _last_number(context)
    expect(found == wanted, f"the association object names context {found}, and context {wanted} was negotiated")
    mechanism = _last_number(_read(t, session, row, 6))
    expect(mechanism == t.credential.mechanism, f"it names mechanism {mechanism}, not {t.credential.mechanism}")
    partners = _read(t, session, row, 3)
    own = (t.credential.client_sap, t.credential.server_sap)
    expect(partners == own, f"it names the partners {partners!r}, and they are {own}")
    information = _read(t, session, row, 5)
    expect(isinstance(information, tuple) and len(information) == 6, f"xDLMS context: {information!r}")
    return f"context {found}, mechanism {mechanism}, max PDU {agreed.max_pdu}"


def _last_number(value: object) -> object:
    """Give the last number of a context or mechanism name, a structure or an octet-string."""
    match value:
        case bytes() | (_, *_) if value:
            return value[-1]
    fail(f"no name of a context or mechanism: {value!r}")


def _security_setup(t: Tester) -> str:
    session = t.associated()
    row = _first(t, 64, "security set-up")
    suite = _read(t, session, row, 3)
    if t.credential.is_ciphered:
        expect(suite == t.credential.suite, f"the security set-up names suite {suite}, and {t.credential.suite} holds")
    title = _read(t, session, row, 5)
    known = t.survey.server_title
    expect(not known or title == known, f"the security set-up names the title {title!r}, the association {known!r}")
    policy = _read(t, session, row, 2)
    if not isinstance(policy, int):
        fail(f"the security policy is {policy!r}")
    if row.version:
        expect(not policy & 3, f"policy {policy:#04x} has bits 0 or 1, which version 1 reserves")
    else:
        expect(policy <= 3, f"policy {policy}: version 0 has 0 to 3")
    return f"policy {policy:#04x}, suite {suite}"


def _disconnect(t: Tester) -> str:
    session = t.associated()
    row = _first(t, 70, "disconnect control")
    output, state, mode = (_read(t, session, row, number) for number in (2, 3, 4))
    expect(state in (0, 1, 2), f"control state {state!r}")
    expect(isinstance(mode, int) and 0 <= mode <= 6, f"control mode {mode!r}")
    expect(bool(output) == (state == 1), f"output {output!r} in control state {state}")
    return f"state {state}, mode {mode}"


def _image_transfer(t: Tester) -> str:
    session = t.associated()
    row = _first(t, 18, "image transfer")
    size, status = _read(t, session, row, 2), _read(t, session, row, 6)
    expect(isinstance(size, int) and size > 0, f"the block size of images is {size!r}")
    expect(isinstance(status, int) and 0 <= status <= 7, f"the status of the image transfer is {status!r}")
    bitmap, first = _read(t, session, row, 3), _read(t, session, row, 4)
    expect(isinstance(first, int) and first >= 0, f"the first block not transferred is {first!r}")
    if not isinstance(bitmap, BitString):
        fail(f"the status of the blocks is no bit-string: {bitmap!r}")
    return f"status {status}, blocks of {size} octets"


def _counter_object(t: Tester) -> str:
    public = t.public
    assert public is not None
    name = ObisCode("0.0.43.1.0.255")
    values = []
    for _ in range(2):
        session = t.associated(public)
        result, data = t.try_get(session, AttributeAddress(1, name, 2))
        needed(result == 0, f"the public client reads no invocation counter: {describe_result(result)}")
        values.append(whole_data(data))
        session.close()
        t.still_serves()
    before, after = values
    if not isinstance(before, int) or not isinstance(after, int):
        fail(f"the invocation counter is no number: {before!r}")
    expect(after >= before, f"the invocation counter went from {before} to {after}")
    return f"{before}, then {after}"


def _public_rights(t: Tester) -> str:
    """The public client sees nothing by which a meter is switched or a customer known."""
    public = t.public
    assert public is not None
    session, faults = t.associated(public), []
    for row in t.objects():
        if row.class_id not in (7, 70):
            continue
        number = 2 if row.class_id == 70 else 3
        answer = session.request(get_request(AttributeAddress(row.class_id, row.name, number)))
        if row.class_id == 70 and answer.plain[3:4] == b"\x00":
            faults.append(f"{_where(row, number)} is read by the public client")
    return _judge(faults, "profiles and switches looked at")


def _decoded_exactly(t: Tester) -> str:
    """Every value's own encoding is minimal: decoded with its types and encoded again, the octets are the same."""
    session, version, count = t.associated(), _version(t), 0
    for row in t.objects():
        for number in _readable(row, version)[:3]:
            if (row.class_id, number) in BUFFERS:
                continue
            result, data = t.try_get(session, AttributeAddress(row.class_id, row.name, number))
            if result:
                continue
            _, end = decode_typed(data)
            expect(end == len(data), f"{_where(row, number)}: {len(data) - end} octets follow the value")
            count += 1
    return f"{count} values"


def _clock_write(t: Tester) -> str:
    """Write the clock's own time back to it."""
    session = t.associated()
    clock = _first(t, 8, "clock")
    address = AttributeAddress(8, clock.name, 2)
    result, data = t.try_get(session, address)
    needed(result == 0, "this client does not read the clock")
    answer = session.request(set_request(address, data))
    expect(answer.plain[:2] == b"\xc5\x01", f"a SET of the clock got {answer.describe()}")
    needed(answer.plain[3] not in DENIED, "this client may not set the clock")
    expect(answer.plain[3] == 0, f"the clock refuses its own time: {describe_result(answer.plain[3])}")
    step = _moment(_read(t, session, clock, 2)).to_datetime() - _moment(whole_data(data)).to_datetime()
    expect(timedelta(0) <= step < timedelta(minutes=5), f"set to its own time, the clock is {step} off")
    return f"{step}"


def _row(number: int, title: str, clause: str, check: Callable[[Tester], str | None], *needs: Need) -> Row:
    return Row(
        id=f"CLASS-{number:02}", group=Group.CLASS, title=title, clause=clause, check=check, needs=frozenset(needs)
    )


_ASSOCIATION: Final = "IEC 62056-6-2, 5.4.4 (Association LN)"
_TABLE: Final = "IEC 62056-6-2, 4.1.5 (data types of attributes)"

CLASS_ROWS: Final = (
    _row(1, "The object list is an array of objects with access rights", _ASSOCIATION, _list_is_whole),
    _row(2, "No object stands twice", _ASSOCIATION, _no_object_twice),
    _row(3, "The objects every logical device has are listed", "IEC 62056-6-2, 4.1.8 (mandatory objects)",
         _mandatory_objects),
    _row(4, "Classes outside the class table are named", _TABLE, _known_classes),
    _row(5, "Attributes and methods are those of the class", _TABLE, _lists_its_attributes),
    _row(6, "Access modes are those of the association's version", _ASSOCIATION, _access_modes),
    _row(7, "Attribute 1 of each object is its name", _TABLE, _own_names),
    _row(8, "Every readable attribute is of its class's type", _TABLE, _types),
    _row(9, "Attributes are read as the access rights say", _ASSOCIATION, _rights_hold),
    _row(10, "What may not be written is not written, not even with its own value", _ASSOCIATION, _writes_denied),
    _row(11, "What may be written takes its own value", _ASSOCIATION, _writes_taken, Need.WRITES),
    _row(12, "No octets follow a value", _TABLE, _decoded_exactly),
    _row(13, "The clock gives a whole time and goes forwards", "IEC 62056-6-2, 5.5.1 (Clock)", _clock_time),
    _row(14, "Time zone, daylight saving and the time's deviation agree", "IEC 62056-6-2, 5.5.1 (Clock)", _clock_zone),
    _row(15, "Registers have a scaler and a unit", "IEC 62056-6-2, 5.3.2 (Register)", _scalers),
    _row(16, "Profiles hold the columns they name, and no more rows than they have", "IEC 62056-6-2, 5.3.6", _profiles),
    _row(17, "The SAP assignment names this logical device", "IEC 62056-6-2, 5.4.6 (SAP assignment)", _sap_assignment),
    _row(18, "The logical device name begins with a manufacturer", "IEC 62056-6-2, 4.1.8.2", _device_name),
    _row(19, "The association object says what was negotiated", _ASSOCIATION, _association),
    _row(20, "Security set-up says what holds", "IEC 62056-6-2, 5.4.7 (Security setup)", _security_setup),
    _row(21, "Output and control state of the switch agree", "IEC 62056-6-2, 5.5.8 (Disconnect control)", _disconnect),
    _row(22, "The image transfer is in a state that exists", "IEC 62056-6-2, 5.4.9 (Image transfer)", _image_transfer),
    _row(23, "The invocation counter can be read and grows", "IEC 62056-5-3, 5.3.7 (invocation counter)",
         _counter_object, Need.PUBLIC, Need.CIPHERED),
    _row(24, "The public client does not read the switch", "IEC 62056-5-3, 5.2 (access rights)", _public_rights,
         Need.PUBLIC, Need.CIPHERED),
    _row(25, "The clock takes its own time", "IEC 62056-6-2, 5.5.1 (Clock)", _clock_write, Need.WRITES),
)  # fmt: skip
