"""Responses and alerts of electricity meters and hubs: DLMS APDUs to items, and items to APDUs.

Source: GBCS 7.2 (access responses), 7.3 (alerts as data notifications); fact sheet gb/GBCS.md section 7.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from meterworks.companions.gb.result.form import PlainJson, Told, read_value, write_value
from meterworks.companions.gb.result.integrity_warning import INTEGRITY_ALERT, WARNING, warning_name, warning_octets
from meterworks.companions.gb.result.item_name import (
    Asked,
    alert_fields,
    asked_by,
    asked_of,
    asked_one,
    protected_schema,
    unique,
)
from meterworks.companions.gb.result.moment import PRESENTATIONS
from meterworks.companions.gb.result.result import AlertHead, Item, PayloadFrame, PayloadKind, Sealed
from meterworks.companions.gb.result.schema import NOTHING_KNOWN, Field, Schema
from meterworks.protocols import DecodeError, EncodeError
from meterworks.protocols.dlms import (
    AccessRequest,
    AccessResponse,
    AccessSpecification,
    AttributeAddress,
    DataAccessResult,
    DataNotification,
    DataValue,
    ObisCode,
    Tag,
    decode_typed,
    encode,
    encode_octet_string,
    encode_structure,
)

__all__ = [
    "OUTCOME_CODES",
    "item_size",
    "read_access_response",
    "read_notification",
    "write_access_response",
    "write_notification",
]

OUTCOME_CODES: Final = frozenset({0x8F66, 0x8F67})  # an instruction dated ahead was carried out, or was not
_ACCESS: Final = {1: "get", 2: "set", 3: "action"}
_KINDS: Final = {name: kind for kind, name in _ACCESS.items()}
_SEALED_MARK: Final = bytes.fromhex("3100000000")
_PAIR: Final = bytes((Tag.STRUCTURE, 2))
_OUTCOME_SIZE: Final = 19
_REFERENCE_SIZE: Final = 10
_OUTCOME, _REFERENCE = "outcome", "command"
_HEAD: Final = (Field("alert_code", NOTHING_KNOWN), Field("time", Schema("date-time")))
_HASH: Final = Field("firmware_hash", NOTHING_KNOWN)
_HASH_SIZE: Final = 32
_JSON_MARKS: Final = ("{", "[")

# What protects a sensitive attribute, as the device repeats it (class 30, protection parameters).
_PROTECTION: Final = Schema(
    element=Schema(
        fields=(
            Field("protection", NOTHING_KNOWN),
            Field(
                "options",
                Schema(
                    fields=(
                        Field("transaction", NOTHING_KNOWN),
                        Field("originator", Schema("eui")),
                        Field("recipient", Schema("eui")),
                        Field("other_information", NOTHING_KNOWN),
                        Field("key_info", NOTHING_KNOWN),
                    )
                ),
            ),
        )
    )
)
Open = Callable[[bytes], bytes | None]


def read_access_response(
    payload: bytes, message_code: int, opened: Open, command: AccessRequest | None
) -> tuple[PayloadFrame, list[Item]]:
    """The items of an access response. command: what was asked, where it is at hand. Raises DecodeError."""
    response = AccessResponse.from_bytes(payload)
    echo = response.specifications
    asked = _asked(response, message_code, command)
    names = unique([f"item_{place}" if each is None else each.name for place, each in enumerate(asked, 1)])
    items = [
        _item(name, each, value, result, protected_schema(message_code), opened)
        for name, each, value, result in zip(names, asked, response.values, response.results, strict=True)
    ]
    frame = PayloadFrame(
        kind=PayloadKind.ACCESS_RESPONSE,
        long_invoke=response.long_invoke,
        date_time=response.date_time,
        echo=None if echo is None else tuple(each.to_bytes() for each in echo),
    )
    return frame, items


def _asked(response: AccessResponse, message_code: int, command: AccessRequest | None) -> tuple[Asked | None, ...]:
    known = response.specifications
    if known is None and command is not None:
        known = command.specifications
    if known is not None and len(known) == len(response.values):
        return asked_by(message_code, known)
    return asked_of(message_code, [
        (kind, Tag(value[0])) for (kind, _), value in zip(response.results, response.values, strict=True)
    ])  # fmt: skip


def _item(
    name: str, asked: Asked | None, value: bytes, result: tuple[int, DataAccessResult], inside: Schema, opened: Open
) -> Item:
    kind, code = result
    schema = NOTHING_KNOWN if asked is None else asked.schema
    place = "" if asked is None else asked.place
    told, sealed = _protected(value, inside, opened) or (read_value(value, schema), None)
    return Item(
        name=name, place=place, access=_ACCESS[kind], status=code.name.lower(), code=int(code),
        value=told.value, form=told.form, sealed=sealed,
    )  # fmt: skip


def _protected(value: bytes, inside: Schema, opened: Open) -> tuple[Told, Sealed] | None:
    """Protection parameters and the sealed content of a sensitive read; None where the value is no such pair."""
    if value[: len(_PAIR)] != _PAIR:
        return None
    data, _ = decode_typed(value)
    if data.tag is not Tag.STRUCTURE or len(data.value) != 2 or not _is_sealed(data.value[1]):
        return None
    return read_value(encode(data.value[0]), _PROTECTION), _sealed(data.value[1].value, inside, opened)


def _is_sealed(data: DataValue) -> bool:
    return data.tag is Tag.OCTET_STRING and data.value.startswith(_SEALED_MARK)


def _sealed(octets: bytes, inside: Schema, opened: Open) -> Sealed:
    plain = opened(octets)
    if plain is None:
        return Sealed(octets=octets)
    told = read_value(plain, inside)
    return Sealed(octets=octets, is_open=True, value=told.value, form=told.form)


def write_access_response(frame: PayloadFrame, items: Sequence[Item], sealing: Open) -> bytes:
    """The payload of items. sealing: encrypts anew, None without a key. Raises EncodeError."""
    echo = None
    if frame.echo is not None:
        echo = tuple(_specification(octets) for octets in frame.echo)
    return AccessResponse(
        long_invoke=frame.long_invoke,
        date_time=frame.date_time,
        specifications=echo,
        values=tuple(_value(item, sealing) for item in items),
        results=tuple((_kind(item), DataAccessResult(_octet(item))) for item in items),
    ).to_bytes()


def _specification(octets: bytes) -> AccessSpecification:
    try:
        return AccessSpecification.from_bytes(octets, 0)[0]
    except DecodeError as error:
        raise EncodeError(f"{octets.hex()} is no access specification: {error}") from error


def _kind(item: Item) -> int:
    if item.access not in _KINDS:
        raise EncodeError(f"{item.name}: access {item.access!r} is none of {', '.join(_KINDS)}")
    return _KINDS[item.access]


def _octet(item: Item) -> int:
    if not 0 <= item.code <= 0xFF:
        raise EncodeError(f"{item.name}: {item.code} is no result of one octet")
    return item.code


def _value(item: Item, sealing: Open) -> bytes:
    if item.sealed is None:
        return _written(item.form, item.value)
    return encode_structure(_written(item.form, item.value), encode_octet_string(_octets_of(item.sealed, sealing)))


def item_size(item: Item, *, is_alert: bool) -> int:
    """How many octets of the payload an item takes: those of its data, in an alert with those of a sealed part."""
    if not is_alert or item.sealed is None:
        return len(_value(item, lambda _: None))
    return len(_written(item.form, item.value)) + len(encode_octet_string(item.sealed.octets))


def _octets_of(sealed: Sealed, sealing: Open) -> bytes:
    again = sealing(write_value(sealed.form, sealed.value)) if sealed.is_open else None
    return sealed.octets if again is None else again


# --- alerts ---------------------------------------------------------------------------------------------------------


def read_notification(payload: bytes, message_code: int, opened: Open) -> tuple[PayloadFrame, list[Item], AlertHead]:
    """The items of an alert behind its code and time. Raises DecodeError."""
    alert = DataNotification.from_bytes(payload)
    data, _ = decode_typed(alert.body)
    parts: list[DataValue] = list(data.value) if data.tag is Tag.STRUCTURE else [data]
    is_bare = data.tag is not Tag.STRUCTURE or encode_structure(*map(encode, parts)) != alert.body
    frame = PayloadFrame(
        kind=PayloadKind.DATA_NOTIFICATION,
        long_invoke=alert.long_invoke,
        date_time=alert.date_time,
        is_tagged=alert.is_tagged,
        is_bare=is_bare,
    )
    if is_bare:
        told = read_value(alert.body)
        return frame, [Item(name="content", value=told.value, form=told.form)], AlertHead(code=0, time="")
    head = _head(parts)
    items = _alert_items(parts, head.code, message_code, opened)
    return frame, items, head


def _head(parts: Sequence[DataValue]) -> AlertHead:
    """Code and time, where the first two parts are such."""
    tags = [part.tag for part in parts[:2]]
    if tags != [Tag.LONG_UNSIGNED, Tag.OCTET_STRING]:
        return AlertHead(code=0, time="")
    told = PRESENTATIONS["date-time"].tell(parts[1].value)
    return AlertHead(code=parts[0].value, time=parts[1].value.hex() if told is None else told[0])


def _alert_items(parts: Sequence[DataValue], code: int, message_code: int, opened: Open) -> list[Item]:
    if len(parts) == 4 and _is_sealed(parts[3]):
        told = read_value(encode(parts[2]), _PROTECTION)
        sealed = _sealed(parts[3].value, protected_schema(message_code), opened)
        items = [_alert_item(field, part) for field, part in zip(_HEAD, parts, strict=False)]
        return [*items, Item(name="content", value=told.value, form=told.form, sealed=sealed)]
    fields = _fields(parts, code, message_code)
    return [_alert_item(field, part) for field, part in zip(fields, parts, strict=True)]


def _fields(parts: Sequence[DataValue], code: int, message_code: int) -> list[Field]:
    content = parts[2:]
    known: Sequence[Field] = alert_fields(message_code)
    if len(content) == 1 and content[0].tag is Tag.OCTET_STRING:
        size = len(content[0].value)
        if size == _OUTCOME_SIZE and code in OUTCOME_CODES:
            known = [Field(_OUTCOME, Schema(_OUTCOME))]
        elif code == INTEGRITY_ALERT and warning_name(content[0].value) is not None:
            known = [Field(WARNING, Schema(WARNING))]
        elif size == _REFERENCE_SIZE:
            known = [Field(_REFERENCE, Schema(_REFERENCE))]
        elif size == _HASH_SIZE:
            known = [_HASH]
    if len(known) != len(content):
        known = [Field(f"content_{place}", NOTHING_KNOWN) for place in range(1, len(content) + 1)]
    return [*_HEAD[: len(parts)], *known]


def _alert_item(field: Field, part: DataValue) -> Item:
    if field.schema.hint in (_OUTCOME, _REFERENCE):
        return Item(name=field.name, value=_told_reference(part.value), form=field.schema.hint)
    if field.schema.hint == WARNING:
        return Item(name=field.name, value=warning_name(part.value), form=WARNING)
    schema = field.schema
    if part.tag is Tag.OCTET_STRING and not schema.hint and _is_json(part.value):
        schema = Schema("text")
    told = read_value(encode(part), schema)
    return Item(name=field.name, value=told.value, form=told.form)


def _is_json(octets: bytes) -> bool:
    """Whether octets look like the JSON that auxiliary controllers send (ECS200)."""
    told = PRESENTATIONS["text"].tell(octets)
    return told is not None and told[0].startswith(_JSON_MARKS)


def _told_reference(octets: bytes) -> dict[str, Any]:
    """A command by its code and counter; of an outcome, the item of it as well."""
    message_code = int.from_bytes(octets[:2], "big")
    told: dict[str, Any] = {"message_code": f"{message_code:04X}", "counter": int.from_bytes(octets[2:10], "big")}
    if len(octets) == _OUTCOME_SIZE:
        address = AttributeAddress.from_bytes(octets, 10)
        told |= {
            "class_id": address.class_id,
            "obis": address.obis_code.text,
            "attribute": address.attribute,
            "name": asked_one(message_code, address).name,
        }
    return told


def _written(form: Any, value: PlainJson) -> bytes:
    """The octets of an item's value. Raises EncodeError."""
    if form == WARNING:
        return encode_octet_string(warning_octets(value))
    if form not in (_OUTCOME, _REFERENCE):
        return write_value(form, value)
    try:
        octets = int(value["message_code"], 16).to_bytes(2, "big") + value["counter"].to_bytes(8, "big")
        if form == _OUTCOME:
            octets += AttributeAddress(value["class_id"], ObisCode(value["obis"]), value["attribute"]).to_bytes()
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise EncodeError(f"a command is named by message code, counter and item; missing or unfit: {error}") from error
    return encode_octet_string(octets)


def write_notification(frame: PayloadFrame, items: Sequence[Item], sealing: Open) -> bytes:
    """The payload of an alert's items. sealing: encrypts anew, None without a key. Raises EncodeError."""
    parts = []
    for item in items:
        parts.append(_written(item.form, item.value))
        if item.sealed is not None:
            parts.append(encode_octet_string(_octets_of(item.sealed, sealing)))
    if frame.is_bare and len(parts) != 1:
        raise EncodeError(f"an alert that is no structure has one item, not {len(parts)}")
    return DataNotification(
        long_invoke=frame.long_invoke,
        date_time=frame.date_time,
        body=parts[0] if frame.is_bare else encode_structure(*parts),
        is_tagged=frame.is_tagged,
    ).to_bytes()
