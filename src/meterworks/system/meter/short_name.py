"""A meter that is addressed by short names, asked as if it were one with logical names.

The association object at FA00 tells class, version, logical name and base name of every object; an attribute lies at
the base name plus eight octets for each number before it, methods at an offset of their class. So everything that asks
by logical names (values, profiles, changes, image transfer) works with old meters too.
Source: COSEM interface classes, Association SN (class 12); fact sheet section 4.
"""

import contextlib
from collections.abc import Sequence
from typing import Final

from meterworks.links import BlockingDlmsClient
from meterworks.protocols import DecodeError, ServiceRefused
from meterworks.protocols.dlms import (
    AttributeAddress,
    DataAccessResult,
    GetResult,
    MethodAddress,
    ObisCode,
    Parameterised,
    Selection,
    Variable,
)
from meterworks.protocols.dlms.cosem import (
    ObjectListEntry,
    decode_short_name_list,
    decode_short_name_rights,
    encode_object_list,
)
from meterworks.protocols.errors import TableError
from meterworks.system.meter.link import Progress

__all__ = ["ShortNameMeter"]

ASSOCIATION: Final = 0xFA00
OBJECT_LIST: Final = ASSOCIATION + 8
ACCESS_RIGHTS: Final = ASSOCIATION + 16
ASSOCIATION_CLASS: Final = 12
CURRENT_ASSOCIATION: Final = AttributeAddress(15, ObisCode("0.0.40.0.0.255"), 2)
LIST_VERSION: Final = 1  # of the list of logical names that is made of it
NAMELESS: Final = int(DataAccessResult.OBJECT_UNDEFINED)


class ShortNameMeter:
    """An open association by short names; `AskedMeter` for those who know logical names only."""

    def __init__(self, client: BlockingDlmsClient) -> None:
        self._client = client
        self._entries: tuple[ObjectListEntry, ...] | None = None

    @property
    def server_title(self) -> bytes | None:
        """System title of the meter, once it is known."""
        return self._client.server_title

    def entries(self, progress: Progress | None = None) -> tuple[ObjectListEntry, ...]:
        """The objects with their base names, and their rights where the meter tells them; asked once."""
        if self._entries is None:
            found = decode_short_name_list(_value(self._client.read([Variable(OBJECT_LIST)], progress=progress)))
            version = next((entry.version for entry in found if entry.class_id == ASSOCIATION_CLASS), 0)
            with contextlib.suppress(ServiceRefused, DecodeError):
                rights = _value(self._client.read([Variable(ACCESS_RIGHTS)], progress=progress))
                found = decode_short_name_rights(rights, found, version)
            self._entries = found
        return self._entries

    def get(
        self, address: AttributeAddress, selection: Selection | None = None, *, progress: Progress | None = None
    ) -> bytes:
        """Read an attribute, encoded. Raises ServiceRefused."""
        if address == CURRENT_ASSOCIATION:
            return encode_object_list(self.entries(progress), LIST_VERSION)
        return _value(self._client.read([self._variable(address, selection)], progress=progress))

    def get_list(self, items: Sequence[AttributeAddress]) -> list[GetResult]:
        """Read several attributes in one request; each encoded or why not."""
        return self._client.read([self._variable(item, None) for item in items])

    def set(self, address: AttributeAddress, value: bytes) -> None:
        """Write an attribute. Raises ServiceRefused."""
        _written(self._client.write([(self._variable(address, None), value)]))

    def action(self, address: MethodAddress, parameter: bytes | None = None) -> bytes | None:
        """Invoke a method by writing its parameter to its name; what it returns is not told then."""
        entry = self._entry(address.class_id, address.obis_code)
        try:
            name = entry.interface_class.method_short_name(entry.short_name or 0, address.method)
        except TableError as error:
            raise _nameless(f"method {address.method} of {address.obis_code.text}") from error
        _written(self._client.write([(Variable(name), b"\x00" if parameter is None else parameter)]))
        return None

    def release(self) -> bool:
        """Close the association; give whether the meter's answer was well-formed and genuine."""
        return self._client.release()

    def _entry(self, class_id: int, code: ObisCode) -> ObjectListEntry:
        for entry in self.entries():
            if entry.class_id == class_id and entry.obis_code == code and entry.short_name is not None:
                return entry
        raise _nameless(f"class {class_id} {code.text}")

    def _variable(self, address: AttributeAddress, selection: Selection | None) -> Variable | Parameterised:
        entry = self._entry(address.class_id, address.obis_code)
        name = entry.interface_class.attribute_short_name(entry.short_name or 0, address.attribute)
        if selection is None:
            return Variable(name)
        encoded = selection if isinstance(selection, bytes) else selection.to_bytes()
        return Parameterised(name, encoded[0], encoded[1:])


def _value(results: list[GetResult]) -> bytes:
    match results:
        case [bytes(value)]:
            return value
        case [DataAccessResult() as result]:
            raise _refused("READ", result)
    raise ServiceRefused(f"the server answered READ of one name with {len(results)} results")


def _written(results: list[DataAccessResult]) -> None:
    if len(results) != 1:
        raise ServiceRefused(f"the server answered WRITE of one name with {len(results)} results")
    if results[0] != DataAccessResult.SUCCESS:
        raise _refused("WRITE", results[0])


def _refused(service: str, result: DataAccessResult) -> ServiceRefused:
    name = result.name.lower().replace("_", " ")
    return ServiceRefused(f"the server answered {service} with result {int(result)}, {name}", result=int(result))


def _nameless(what: str) -> ServiceRefused:
    return ServiceRefused(f"the meter gives {what} no short name", result=NAMELESS)
