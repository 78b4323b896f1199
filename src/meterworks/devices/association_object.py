"""Association objects (class 15, versions 1 to 3): what a client sees, who may open it, and what was taken from it.

The object list is the model's, by the client's rights, in the form of the object's version. Management may take objects
out of an association and put them back; what is out is not answered any more. A list of users, where there is one, says
which client users may open the association (versions 2 and 3).
Source: COSEM interface classes, Association LN (class 15).
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final

from meterworks.devices.access import CLIENTS, Audience, Client
from meterworks.devices.client_login import SECRET_MECHANISMS, SECRET_SIZE_MAX, ClientLogin
from meterworks.devices.model import HIDDEN, Entry, Place, Source, deed, derived, entry
from meterworks.devices.view import MeterView
from meterworks.errors import PeerError
from meterworks.protocols.dlms import (
    MANAGEMENT_DEVICE,
    METER_CONFORMANCE,
    PDU_SIZE_MAX,
    ActionResult,
    AssociationSettings,
    BitString,
    Mechanism,
    ObisCode,
    PlainValue,
    Protection,
    decode_all,
    encode_array,
    encode_bit_string,
    encode_enum,
    encode_integer,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
    encode_visible_string,
)
from meterworks.protocols.dlms.cosem import (
    CLASSES,
    ObjectListEntry,
    decode_object_entry,
    decode_object_list,
    encode_object_list,
)

__all__ = [
    "ASSOCIATION_VERSIONS",
    "XDLMS_CONTEXT",
    "association_entry",
    "association_name",
    "is_removed",
    "users_of",
    "with_login",
]

ASSOCIATION_CLASS: Final = 15
ASSOCIATION_VERSIONS: Final = (1, 2, 3)
USERS_VERSION: Final = 2  # from this version of the class on it has a list of users
SECRET: Final = 7
USER_LIST: Final = 10
REMOVED_KEY: Final = 0x100  # beside the attributes: the names taken out, one after the other
NAME_SIZE: Final = 6
USERS_MAX: Final = 64
ANYBODY: Final = 0
DLMS_VERSION: Final = 6
QUALITY_OF_SERVICE: Final = 0
ASSOCIATED: Final = 2
NOT_ASSOCIATED: Final = 0
CONTEXT_PLAIN: Final = bytes.fromhex("60857405080101")  # LN referencing without ciphering
CONTEXT_CIPHERED: Final = bytes.fromhex("60857405080103")
MECHANISM_PREFIX: Final = bytes.fromhex("608574050802")

XDLMS_CONTEXT: Final = encode_structure(
    encode_bit_string(BitString(24, int(METER_CONFORMANCE).to_bytes(3, "big"))),
    encode_long_unsigned(PDU_SIZE_MAX),
    encode_long_unsigned(PDU_SIZE_MAX),
    encode_unsigned(DLMS_VERSION),
    encode_integer(QUALITY_OF_SERVICE),
    encode_octet_string(b""),
)


def association_entry(obis_code: str, audience: Audience, *, version: int) -> Entry:
    """Write the row of an association: 0-0:40.0.0 is that of whoever asks, 0-0:40.0.n that of the n-th client."""
    values: dict[str, Source] = {
        "object_list": derived(_object_list), "associated_partners_id": derived(_partners),
        "application_context_name": derived(_context), "xdlms_context_info": XDLMS_CONTEXT,
        "authentication_mechanism_name": derived(_mechanism), "secret": HIDDEN, "association_status": derived(_status),
        "security_setup_reference": encode_octet_string(ObisCode("0.0.43.0.0.255")),
        "change_HLS_secret": deed(_change_secret), "add_object": deed(_add_object),
        "remove_object": deed(_remove_object),
    }  # fmt: skip
    if version >= USERS_VERSION:
        values |= {
            "user_list": derived(_user_list), "current_user": derived(_current_user), "add_user": deed(_add_user),
            "remove_user": deed(_remove_user),
        }  # fmt: skip
    return entry(obis_code, CLASSES[ASSOCIATION_CLASS, version], audience, **values)


_NAMES: Final[Mapping[int, ObisCode]] = {
    sap: ObisCode(f"0.0.40.0.{profile.association_index}.255") for sap, profile in CLIENTS.items()
}
_REMOVED_KEYS: Final = {int(sap): (bytes(name), REMOVED_KEY) for sap, name in _NAMES.items()}


def association_name(client_sap: int) -> ObisCode:
    """Give the name of the association object of a client."""
    return _NAMES[_known(client_sap)]


def _known(client_sap: int) -> int:
    return client_sap if client_sap in CLIENTS else Client.PUBLIC


_CLIENT_OF: Final[Mapping[int, int]] = {profile.association_index: sap for sap, profile in CLIENTS.items()}


def _client(place: Place, client_sap: int) -> int:
    """Give whose association stands at a place; that of whoever asks at 0-0:40.0.0."""
    return _CLIENT_OF.get(place.obis_code[4], _known(client_sap))


# --- what it shows ---------------------------------------------------------------------------------------------------


def _object_list(view: MeterView, place: Place, client_sap: int) -> bytes:
    client = _client(place, client_sap)
    version = place.interface_class.version
    out = view.written((association_name(client), REMOVED_KEY)) or b""
    return _list_of(view.object_lists[client], version, out)


@lru_cache(maxsize=256)
def _list_of(whole: bytes, version: int, out: bytes) -> bytes:
    """Encode the model's list (version 1) for a version, without what was taken out.

    The bits of version 3 that ask for protection stay 0: what a client must bring is the security policy's to say.
    """
    names = {out[start : start + NAME_SIZE] for start in range(0, len(out), NAME_SIZE)}
    entries = [listed for listed in decode_object_list(whole, 1) if listed.obis_code not in names]
    return encode_object_list(entries, version)


def _partners(view: MeterView, place: Place, client_sap: int) -> bytes:
    del view
    return encode_structure(encode_integer(_client(place, client_sap)), encode_long_unsigned(MANAGEMENT_DEVICE))


def _context(view: MeterView, place: Place, client_sap: int) -> bytes:
    client = _client(place, client_sap)
    login = _login(view, client)
    ciphered = CLIENTS[client].ciphered if login is None else login.ciphered
    return encode_octet_string(CONTEXT_CIPHERED if ciphered else CONTEXT_PLAIN)


def _mechanism(view: MeterView, place: Place, client_sap: int) -> bytes:
    client = _client(place, client_sap)
    login = _login(view, client)
    mechanism = CLIENTS[client].mechanism if login is None else login.mechanism
    return encode_octet_string(MECHANISM_PREFIX + bytes([mechanism]))


def _status(view: MeterView, place: Place, client_sap: int) -> bytes:
    del view
    return encode_enum(ASSOCIATED if _client(place, client_sap) == client_sap else NOT_ASSOCIATED)


# --- secrets ---------------------------------------------------------------------------------------------------------


def _login(view: MeterView, client_sap: int) -> ClientLogin | None:
    return next((login for login in view.specification.logins if login.client_sap == client_sap), None)


def with_login(view: MeterView, client_sap: int, settings: AssociationSettings) -> AssociationSettings:
    """Give the settings of an association whose client proves itself in its own way; as they are for any other."""
    login = _login(view, client_sap)
    if login is None:
        return settings
    secret = (view.written((association_name(client_sap), SECRET)) or login.secret) or None
    low = login.mechanism is Mechanism.LOW
    changed = replace(
        settings, mechanism=login.mechanism, password=secret if low else None, secret=None if low else secret
    )
    if login.ciphered:
        return changed
    return replace(changed, required_protection=Protection.NONE, response_protection=Protection.NONE)


def _change_secret(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Take a new secret (method 2), in force from the next association on; a proof by keys has none to change."""
    client = _client(place, Client.MANAGEMENT)
    login = _login(view, client)
    if login is None or login.mechanism not in SECRET_MECHANISMS:
        return ActionResult.READ_WRITE_DENIED
    if not isinstance(parameter, bytes) or not 1 <= len(parameter) <= SECRET_SIZE_MAX:
        return ActionResult.TYPE_UNMATCHED
    view.write((association_name(client), SECRET), parameter)
    return ActionResult.SUCCESS


# --- objects taken out -----------------------------------------------------------------------------------------------


def is_removed(view: MeterView, client_sap: int, name: bytes) -> bool:
    """Tell whether an object was taken out of a client's association."""
    key = _REMOVED_KEYS.get(client_sap)
    out = None if key is None else view.written(key)
    return out is not None and any(out.startswith(name, start) for start in range(0, len(out), NAME_SIZE))


def _listed(
    view: MeterView, place: Place, parameter: PlainValue
) -> tuple[int, ObjectListEntry, ObjectListEntry] | None:
    """Give the client, the element given, and the model's element of that name; None where the model has none."""
    client = _client(place, Client.MANAGEMENT)
    try:
        given = decode_object_entry(parameter, place.interface_class.version)
    except PeerError:
        return None
    for own in decode_object_list(view.object_lists[client], 1):
        if (own.obis_code, own.class_id, own.version) == (given.obis_code, given.class_id, given.version):
            return client, given, own
    return None


def _add_object(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Put an object back (method 3): one the meter has, with no more rights than the model gives."""
    found = _listed(view, place, parameter)
    if found is None:
        return ActionResult.OBJECT_UNDEFINED
    client, given, own = found
    more = any(rights & 3 & ~own.attribute_rights(number) for number, rights in given.attributes.items())
    if more or any(rights & 1 & ~own.method_rights(number) for number, rights in given.methods.items()):
        return ActionResult.SCOPE_OF_ACCESS_VIOLATED
    return _keep_removed(view, client, own.obis_code, out=False)


def _remove_object(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Take an object out (method 4); association objects stay, or nobody could put anything back."""
    found = _listed(view, place, parameter)
    if found is None:
        return ActionResult.OBJECT_UNDEFINED
    client, _, own = found
    if own.class_id == ASSOCIATION_CLASS:
        return ActionResult.SCOPE_OF_ACCESS_VIOLATED
    return _keep_removed(view, client, own.obis_code, out=True)


def _keep_removed(view: MeterView, client: int, name: bytes, *, out: bool) -> ActionResult:
    key = (association_name(client), REMOVED_KEY)
    held = view.written(key) or b""
    names = [held[start : start + NAME_SIZE] for start in range(0, len(held), NAME_SIZE)]
    left = [known for known in names if known != name]
    view.write(key, b"".join([*left, name] if out else left))
    return ActionResult.SUCCESS


# --- users -----------------------------------------------------------------------------------------------------------


def users_of(view: MeterView, client_sap: int) -> frozenset[int]:
    """Give the users who may open a client's association; none listed: anybody."""
    if client_sap not in CLIENTS:
        return frozenset()
    return frozenset(number for number, _ in _users(view, client_sap))


def _users(view: MeterView, client: int) -> list[tuple[int, str]]:
    encoded = view.written((association_name(client), USER_LIST))
    if encoded is None:
        return []
    return [(int(number), str(name)) for number, name in decode_all(encoded)]


def _user_list(view: MeterView, place: Place, client_sap: int) -> bytes:
    return view.written((association_name(_client(place, client_sap)), USER_LIST)) or encode_array([])


def _current_user(view: MeterView, place: Place, client_sap: int) -> bytes:
    """The user who opened the association, 0 and no name where he did not say."""
    client = _client(place, client_sap)
    number = view.users.get(client, ANYBODY)
    name = dict(_users(view, client)).get(number, "")
    return encode_structure(encode_unsigned(number), encode_visible_string(name))


def _add_user(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Put a user on the list (method 5); one of the same number is replaced."""
    match parameter:
        case (int(number), str(name)):
            pass
        case _:
            return ActionResult.TYPE_UNMATCHED
    client = _client(place, Client.MANAGEMENT)
    users = [user for user in _users(view, client) if user[0] != number]
    if len(users) >= USERS_MAX:
        return ActionResult.OTHER_REASON
    return _keep_users(view, client, [*users, (number, name)])


def _remove_user(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Take a user off the list (method 6)."""
    client = _client(place, Client.MANAGEMENT)
    users = _users(view, client)
    left = [user for user in users if user != parameter]
    return ActionResult.OTHER_REASON if left == users else _keep_users(view, client, left)


def _keep_users(view: MeterView, client: int, users: list[tuple[int, str]]) -> ActionResult:
    rows = [encode_structure(encode_unsigned(number), encode_visible_string(name)) for number, name in users]
    view.write((association_name(client), USER_LIST), encode_array(rows))
    return ActionResult.SUCCESS
