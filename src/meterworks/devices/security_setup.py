"""The security setup of a meter (class 64, versions 0 and 1): policy, keys, key pairs, certificates.

The policy only ever asks for more, and the suite only rises. New keys arrive wrapped under the master key, or are
agreed with ephemeral key pairs whose public parts are signed; they hold from the next association on, so the answer
that confirms them is still protected by the old ones.
Source: Security setup (class 64), attribute 3 and methods 1 to 8; fact sheet section 6.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from meterworks.devices import certificate_store as store
from meterworks.devices.certificate_store import CertificateEntity, HeldCertificate, KeyPairUse
from meterworks.devices.errors import CertificateRefused, FleetStateError
from meterworks.devices.meter_key import SECURITY_NAME, KeyKind, keys_of, raise_suite, store_keys, suite_of
from meterworks.devices.view import LOG_STANDARD, LOG_TAMPER, MeterView
from meterworks.errors import PeerError, SecurityError
from meterworks.protocols.dlms import (
    PDU_SIZE_MAX,
    ActionResult,
    AssociationSettings,
    DataAccessResult,
    KeyUse,
    Mechanism,
    PlainValue,
    Protection,
    SecuritySuite,
    SoftwareKeyAgreement,
    SoftwareSigner,
    algorithm_id,
    derive_key,
    draw_ephemeral_key,
    encode_array,
    encode_enum,
    encode_octet_string,
    encode_structure,
    is_weaker_policy,
    policy_of_protection,
    protection_of_policy,
    unwrap_key,
    verify_signature,
)

__all__ = ["COMMANDS", "SETTINGS", "STATES", "association_settings"]

Outcome = ActionResult | tuple[ActionResult, bytes]

EVENT_KEYS_CHANGED: Final = 48
EVENT_DECRYPTION_FAILED: Final = 49
EVENT_PARAMETERS_CHANGED: Final = 47
KEYS_MAX: Final = len(KeyKind)
FACTORY_PROTECTION: Final = int(Protection.BOTH)
SIGNED: Final = int(Protection.SIGNED)
_POLICY_KEY: Final = (SECURITY_NAME, 0x100)  # request and response protection, two octets each
DER_INTEGER: Final = 2


# --- policy ----------------------------------------------------------------------------------------------------------


def _protections(view: MeterView) -> tuple[int, int]:
    """Give the protection that requests and responses must have."""
    kept = view.written(_POLICY_KEY)
    if kept is None:
        return FACTORY_PROTECTION, FACTORY_PROTECTION
    return int.from_bytes(kept[:2], "big"), int.from_bytes(kept[2:], "big")


def _policy(version: int) -> Callable[[MeterView, int], bytes]:
    def policy(view: MeterView, client_sap: int) -> bytes:
        del client_sap
        request, response = _protections(view)
        if version == 0:  # knows no signatures, and one policy for both directions
            request = response = request & response & int(Protection.BOTH)
        return encode_enum(policy_of_protection(request, response, version))

    return policy


def _activate(version: int) -> Callable[[MeterView, PlainValue], ActionResult]:
    def activate(view: MeterView, parameter: PlainValue) -> ActionResult:
        """Take a policy that asks for at least what the present one asks for."""
        if not isinstance(parameter, int):
            return ActionResult.TYPE_UNMATCHED
        present = _protections(view)
        try:
            wanted = protection_of_policy(parameter, version)
        except PeerError:
            return ActionResult.OTHER_REASON
        if version == 0:  # what its numbers cannot say stays as it is
            wanted = (wanted[0] | present[0] & SIGNED, wanted[1] | present[1] & SIGNED)
        if is_weaker_policy(policy_of_protection(*wanted, 1), policy_of_protection(*present, 1), 1):
            return ActionResult.READ_WRITE_DENIED
        signed = (wanted[0] | wanted[1]) & SIGNED
        if signed and store.key_pair(view, KeyPairUse.SIGNING) is None:
            return ActionResult.OTHER_REASON  # nobody could ever associate again
        if wanted != present:
            view.write(_POLICY_KEY, wanted[0].to_bytes(2, "big") + wanted[1].to_bytes(2, "big"))
            view.record(LOG_STANDARD, EVENT_PARAMETERS_CHANGED)
        return ActionResult.SUCCESS

    return activate


def _set_suite(view: MeterView, value: PlainValue) -> DataAccessResult:
    """Take a higher suite; a lower one is refused by policy, whoever asks."""
    if not isinstance(value, int) or value not in tuple(SecuritySuite):
        return DataAccessResult.OTHER_REASON
    if not raise_suite(view, SecuritySuite(value)):
        return DataAccessResult.READ_WRITE_DENIED
    view.record(LOG_STANDARD, EVENT_PARAMETERS_CHANGED)
    return DataAccessResult.SUCCESS


def association_settings(view: MeterView, mechanism: Mechanism) -> AssociationSettings:
    """Give what a client that proves itself must bring: keys in force, policy, and key pairs in suites 1 and 2."""
    keys, suite = keys_of(view), suite_of(view)
    request, response = _protections(view)
    settings = AssociationSettings(
        mechanism=mechanism, suite=suite, guek=keys.guek, gak=keys.gak, gbek=keys.gbek, kek=keys.kek,
        required_protection=Protection(request & FACTORY_PROTECTION), max_pdu=PDU_SIZE_MAX,
    )  # fmt: skip
    if suite == SecuritySuite.SUITE_0:
        return settings
    signing, agreement = (store.key_pair(view, use) for use in (KeyPairUse.SIGNING, KeyPairUse.AGREEMENT))
    return replace(
        settings,
        required_protection=Protection(request),
        response_protection=Protection(response),
        signer=None if signing is None else SoftwareSigner(suite, signing),
        key_agreement=None if agreement is None else SoftwareKeyAgreement(suite, agreement),
        peer_signing_key=_only_client_key(view, KeyPairUse.SIGNING),
        peer_agreement_key=_only_client_key(view, KeyPairUse.AGREEMENT),
    )


def _only_client_key(view: MeterView, use: KeyPairUse) -> bytes | None:
    """Give the certified key of the client, where the meter holds the certificate of one client only."""
    found = [held for held in store.certificates(view) if (held.entity, held.use) == (CertificateEntity.CLIENT, use)]
    return store.public_key_of(found[0].certificate) if len(found) == 1 else None


# --- keys ------------------------------------------------------------------------------------------------------------


def _rows(parameter: PlainValue) -> Sequence[tuple[KeyKind, bytes]] | None:
    """Give the rows of {key id, octets}; None for what is no such list or names a key twice."""
    if not isinstance(parameter, list) or not 0 < len(parameter) <= KEYS_MAX:
        return None
    rows = []
    for row in parameter:
        match row:
            case (int(kind), bytes(octets)) if kind in tuple(KeyKind):
                rows.append((KeyKind(kind), octets))
            case _:
                return None
    return rows if len({kind for kind, _ in rows}) == len(rows) else None


def _transfer(view: MeterView, parameter: PlainValue) -> ActionResult:
    """Take keys wrapped under the master key: all of them or none."""
    rows, kek = _rows(parameter), keys_of(view).kek
    if rows is None:
        return ActionResult.TYPE_UNMATCHED
    if kek is None:
        return ActionResult.OTHER_REASON
    try:
        keys = {kind: unwrap_key(kek, wrapped) for kind, wrapped in rows}
    except SecurityError:
        view.record(LOG_TAMPER, EVENT_DECRYPTION_FAILED)
        return ActionResult.OTHER_REASON
    return _stored(view, keys)


def _stored(view: MeterView, keys: Mapping[KeyKind, bytes]) -> ActionResult:
    if not store_keys(view, keys):
        return ActionResult.OTHER_REASON
    view.record(LOG_STANDARD, EVENT_KEYS_CHANGED)
    return ActionResult.SUCCESS


def _agree(view: MeterView, parameter: PlainValue) -> Outcome:
    """Agree keys with ephemeral key pairs, both signed: C(2e, 0s). Gives our halves."""
    rows, suite = _rows(parameter), suite_of(view)
    if rows is None:
        return ActionResult.TYPE_UNMATCHED
    scalar = store.key_pair(view, KeyPairUse.SIGNING)
    if suite == SecuritySuite.SUITE_0 or scalar is None:
        return ActionResult.OTHER_REASON
    signer = SoftwareSigner(suite, scalar)
    keys, answers = {}, []
    for kind, data in rows:
        size = len(signer.public_key)
        theirs, signature = data[:size], data[size:]
        client = _signed_by(view, bytes((kind,)) + theirs, signature)
        if client is None:
            view.record(LOG_TAMPER, EVENT_DECRYPTION_FAILED)
            return ActionResult.OTHER_REASON
        ephemeral = draw_ephemeral_key(suite, secrets.token_bytes)
        use = KeyUse.WRAPPING if kind is KeyKind.KEK else KeyUse.CIPHERING
        try:
            agreed = ephemeral.agree(theirs)
        except SecurityError:
            return ActionResult.OTHER_REASON
        keys[kind] = derive_key(suite, agreed, algorithm_id(suite, use), client, view.specification.system_title)
        ours = ephemeral.public_key
        answers.append(
            encode_structure(encode_enum(kind), encode_octet_string(ours + signer.sign(bytes((kind,)) + ours)))
        )
    result = _stored(view, keys)
    return (result, encode_array(answers)) if result is ActionResult.SUCCESS else result


def _signed_by(view: MeterView, message: bytes, signature: bytes) -> bytes | None:
    """Give the system title of the client whose certified key made the signature; None for nobody's."""
    for held in store.certificates(view):
        if (held.entity, held.use) != (CertificateEntity.CLIENT, KeyPairUse.SIGNING):
            continue
        try:
            verify_signature(suite_of(view), store.public_key_of(held.certificate), message, signature)
        except SecurityError:
            continue
        return held.title
    return None


# --- key pairs and certificates --------------------------------------------------------------------------------------


def _guarded(step: Callable[[MeterView, PlainValue], Outcome]) -> Callable[[MeterView, PlainValue], Outcome]:
    """Make a method of a step: what the store refuses is a reason of its own."""

    def execute(view: MeterView, parameter: PlainValue) -> Outcome:
        try:
            return step(view, parameter)
        except CertificateRefused:
            return ActionResult.OTHER_REASON
        except FleetStateError:
            return ActionResult.HARDWARE_FAULT

    return execute


def _use(parameter: PlainValue) -> KeyPairUse | None:
    return KeyPairUse(parameter) if isinstance(parameter, int) and parameter in tuple(KeyPairUse) else None


def _generate_pair(view: MeterView, parameter: PlainValue) -> Outcome:
    use = _use(parameter)
    if use is None:
        return ActionResult.TYPE_UNMATCHED
    store.make_key_pair(view, use)
    return ActionResult.SUCCESS


def _generate_request(view: MeterView, parameter: PlainValue) -> Outcome:
    use = _use(parameter)
    if use is None:
        return ActionResult.TYPE_UNMATCHED
    return ActionResult.SUCCESS, encode_octet_string(store.request_certificate(view, use))


def _import(view: MeterView, parameter: PlainValue) -> Outcome:
    if not isinstance(parameter, bytes):
        return ActionResult.TYPE_UNMATCHED
    store.import_certificate(view, parameter)
    view.record(LOG_STANDARD, EVENT_PARAMETERS_CHANGED)
    return ActionResult.SUCCESS


def _identified(view: MeterView, parameter: PlainValue) -> HeldCertificate | None:
    """Give the certificate that {0, {entity, use, title}} or {1, {serial, issuer}} names."""
    match parameter:
        case (0, (int(entity), int(use), bytes(title))):
            return store.find_certificate(view, entity, use, title)
        case (1, (bytes(serial), bytes(issuer))):
            wanted = _integer(serial)
            for held in store.certificates(view):
                if held.certificate.serial_number == wanted and held.issuer == issuer:
                    return held
    return None


def _integer(octets: bytes) -> int:
    """Read a serial number: bare octets, or an INTEGER of DER around them, as some clients send it."""
    if len(octets) > 2 and octets[0] == DER_INTEGER and octets[1] == len(octets) - 2:
        octets = octets[2:]
    return int.from_bytes(octets, "big")


def _export(view: MeterView, parameter: PlainValue) -> Outcome:
    held = _identified(view, parameter)
    if held is None:
        return ActionResult.OBJECT_UNAVAILABLE
    return ActionResult.SUCCESS, encode_octet_string(held.octets)


def _remove(view: MeterView, parameter: PlainValue) -> Outcome:
    held = _identified(view, parameter)
    if held is None:
        return ActionResult.OBJECT_UNAVAILABLE
    store.remove_certificate(view, held)
    view.record(LOG_STANDARD, EVENT_PARAMETERS_CHANGED)
    return ActionResult.SUCCESS


def _certificate_list(view: MeterView, client_sap: int) -> bytes:
    del client_sap
    return encode_array(
        encode_structure(
            encode_enum(held.entity), encode_enum(held.use), encode_octet_string(held.serial),
            encode_octet_string(held.issuer), encode_octet_string(held.subject), encode_octet_string(b""),
        )
        for held in store.certificates(view)
    )  # fmt: skip


STATES: Final[Mapping[str, Callable[[MeterView, int], bytes]]] = {
    "security_policy_v0": _policy(0),
    "security_policy": _policy(1),
    "security_suite": lambda view, client_sap: encode_enum(suite_of(view)),
    "certificates": _certificate_list,
}
SETTINGS: Final[Mapping[str, Callable[[MeterView, PlainValue], DataAccessResult]]] = {"security_suite": _set_suite}
COMMANDS: Final[Mapping[str, Callable[[MeterView, PlainValue], Outcome]]] = {
    "security_activate_v0": _activate(0),
    "security_activate": _activate(1),
    "key_transfer": _transfer,
    "key_agreement": _agree,
    "generate_key_pair": _guarded(_generate_pair),
    "generate_certificate_request": _guarded(_generate_request),
    "import_certificate": _guarded(_import),
    "export_certificate": _guarded(_export),
    "remove_certificate": _guarded(_remove),
}
