"""The security setup: policy that only rises, keys that arrive wrapped or agreed, certificates that are checked."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from tests.unit.devices.conftest import MANAGEMENT, NOW, READER, TITLE

from meterworks.devices import METER_MODELS, ElectricityMeter, FleetState, MeterSpecification, MeterView
from meterworks.devices.certificate_store import CERTIFICATES_MAX
from meterworks.devices.errors import ModelError
from meterworks.devices.meter_key import keys_of
from meterworks.protocols.dlms import (
    ActionResult,
    Mechanism,
    MethodAddress,
    ObisCode,
    Protection,
    SecuritySuite,
    algorithm_id,
    decode_all,
    derive_key,
    draw_ephemeral_key,
    encode_array,
    encode_enum,
    encode_octet_string,
    encode_structure,
    verify_signature,
    wrap_key,
)

SETUP, LOG, TAMPER = "0.0.43.0.0.255", "0.0.99.98.0.255", "0.0.99.98.1.255"
ACTIVATE, TRANSFER, AGREE, GENERATE, REQUEST, IMPORT, EXPORT, REMOVE = range(1, 9)
OK, OTHER, DENIED, UNMATCHED, ABSENT = (
    ActionResult.SUCCESS,
    ActionResult.OTHER_REASON,
    ActionResult.READ_WRITE_DENIED,
    ActionResult.TYPE_UNMATCHED,
    ActionResult.OBJECT_UNAVAILABLE,
)
KEK = bytes(range(100, 116))
CLIENT = bytes.fromhex("4D57484553303031")
SIGNING, AGREEMENT, TLS = 0, 1, 2
SERVER, OF_CLIENT, AUTHORITY = 0, 1, 2
CURVES = {SecuritySuite.SUITE_1: ec.SECP256R1(), SecuritySuite.SUITE_2: ec.SECP384R1()}


class SecureBench:
    """A meter with a master key, in a suite of choice."""

    def __init__(self, suite=SecuritySuite.SUITE_0, kek=KEK, state=None):
        size = 32 if suite == SecuritySuite.SUITE_2 else 16
        self.suite = suite
        self.kek = None if kek is None else (kek * 2)[:size]
        specification = MeterSpecification(
            system_title=TITLE, serial="MW1", guek=bytes(size), gak=b"\1" * size, suite=suite, kek=self.kek
        )
        from tests.unit.devices.plain_load import PlainLoad

        model = METER_MODELS[1]
        self.view = MeterView(
            0, specification, PlainLoad(int(NOW) - 86_400 * 3), state or FleetState(None, [TITLE]),
            epoch_s=lambda: NOW, object_lists=model.object_lists,
        )  # fmt: skip
        self.view.start_clock()
        self.meter = ElectricityMeter(model, self.view)

    def act(self, method, parameter, client=MANAGEMENT):
        result, value = self.meter.action(client, MethodAddress(64, ObisCode(SETUP), method), parameter)
        return result if value is None else (result, decode_all(value))

    def read(self, attribute):
        from meterworks.protocols.dlms import AttributeAddress

        return decode_all(self.meter.get(MANAGEMENT, AttributeAddress(64, ObisCode(SETUP), attribute), None))

    def events(self):
        return [event.code for event in self.view.state.own_events(0)]


@pytest.fixture
def secure():
    return SecureBench()


@pytest.fixture(params=CURVES)
def strong(request):
    """A meter in suite 1 or 2."""
    return SecureBench(request.param)


def keys(*rows):
    return encode_array(encode_structure(encode_enum(kind), encode_octet_string(octets)) for kind, octets in rows)


# --- policy ----------------------------------------------------------------------------------------------------------


def test_a_meter_leaves_the_factory_authenticated_and_encrypted_both_ways(secure):
    assert (secure.read(2), secure.read(3), secure.read(5)) == (0x6C, 0, TITLE)


@pytest.mark.parametrize("policy", [0, 0x04, 0x08, 0x0C, 0x60, 0x48])
def test_a_policy_is_never_weakened(secure, policy):
    assert secure.act(ACTIVATE, encode_enum(policy)) == DENIED
    assert secure.read(2) == 0x6C
    assert secure.meter.association(MANAGEMENT).required_protection == Protection.BOTH


@pytest.mark.parametrize(("policy", "result"), [(0x6C, OK), (1, OTHER), (3, OTHER), (0xFF, OTHER)])
def test_only_policies_of_the_class_are_taken(secure, policy, result):
    assert secure.act(ACTIVATE, encode_enum(policy)) == result
    assert secure.events() == []


def test_signatures_are_asked_for_only_once_the_meter_can_give_them(strong):
    assert strong.act(ACTIVATE, encode_enum(0x7C)) == OTHER
    certify(strong, SIGNING)
    assert strong.act(ACTIVATE, encode_enum(0x7C)) == OK
    assert strong.read(2) == 0x7C
    assert strong.meter.association(MANAGEMENT).required_protection == Protection.BOTH | Protection.SIGNED
    assert strong.act(ACTIVATE, encode_enum(0x6C)) == DENIED
    assert strong.events()[-1] == 47


def test_no_one_but_management_touches_it(secure):
    assert secure.act(ACTIVATE, encode_enum(0x6C), client=READER) == DENIED


# --- keys ------------------------------------------------------------------------------------------------------------


def test_a_transferred_key_holds_once_an_association_asks_for_its_settings(secure):
    old = secure.meter.association(MANAGEMENT)
    assert old.guek == bytes(16)
    assert secure.act(TRANSFER, keys((0, wrap_key(KEK, b"N" * 16)))) == OK
    assert old.guek == bytes(16)
    assert keys_of(secure.view).guek == bytes(16)
    assert secure.meter.association(MANAGEMENT).guek == b"N" * 16
    assert secure.meter.association(READER).guek == b"N" * 16
    assert keys_of(secure.view).guek == b"N" * 16
    assert secure.events() == [48]


def test_several_keys_come_together_and_the_master_key_replaces_itself(secure):
    wrapped = [(kind, wrap_key(KEK, bytes([65 + kind]) * 16)) for kind in range(4)]
    assert secure.act(TRANSFER, keys(*wrapped)) == OK
    secure.meter.association(MANAGEMENT)
    held = keys_of(secure.view)
    assert [held.guek, held.gbek, held.gak, held.kek] == [bytes([65 + kind]) * 16 for kind in range(4)]
    assert secure.act(TRANSFER, keys((0, wrap_key(KEK, bytes(16))))) == OTHER
    assert secure.act(TRANSFER, keys((0, wrap_key(b"D" * 16, bytes(16))))) == OK


def test_with_a_new_encryption_key_clients_count_anew(secure):
    assert secure.meter.accept_invocation_counter(CLIENT, 5000)
    assert secure.act(TRANSFER, keys((2, wrap_key(KEK, b"A" * 16)))) == OK
    secure.meter.association(MANAGEMENT)
    assert secure.meter.lowest_acceptable_counter(CLIENT) == 5001
    assert secure.act(TRANSFER, keys((0, wrap_key(KEK, b"E" * 16)))) == OK
    assert secure.meter.lowest_acceptable_counter(CLIENT) == 5001
    secure.meter.association(MANAGEMENT)
    assert secure.meter.lowest_acceptable_counter(CLIENT) == 0


def test_keys_survive_a_restart_waiting_or_in_force(tmp_path):
    path = tmp_path / "fleet.state"
    secure = SecureBench(state=FleetState(path, [TITLE]))
    assert secure.act(TRANSFER, keys((0, wrap_key(KEK, b"E" * 16)))) == OK
    secure.view.state.close()
    secure = SecureBench(state=FleetState(path, [TITLE]))
    assert keys_of(secure.view).guek == bytes(16)
    assert secure.meter.association(MANAGEMENT).guek == b"E" * 16
    secure.view.state.close()
    secure = SecureBench(state=FleetState(path, [TITLE]))
    assert keys_of(secure.view).guek == b"E" * 16
    secure.view.state.close()


@pytest.mark.parametrize(
    ("parameter", "result"),
    [
        (keys((0, wrap_key(bytes(16), bytes(16)))), OTHER),
        (keys((0, bytes(24))), OTHER),
        (keys((0, b"")), OTHER),
        (keys((0, wrap_key(KEK, bytes(32)))), OTHER),
        (keys((0, wrap_key(KEK, bytes(16))), (2, bytes(24))), OTHER),
        (keys((4, wrap_key(KEK, bytes(16)))), UNMATCHED),
        (keys((0, wrap_key(KEK, bytes(16))), (0, wrap_key(KEK, bytes(16)))), UNMATCHED),
        (encode_array([]), UNMATCHED),
        (encode_array([encode_structure()]), UNMATCHED),
        (encode_enum(1), UNMATCHED),
    ],
    ids=["other-kek", "zeros", "empty", "too-long", "one-is-false", "no-such-key", "twice", "none", "no-row", "enum"],
)
def test_what_is_no_list_of_wrapped_keys_changes_none(secure, parameter, result):
    assert secure.act(TRANSFER, parameter) == result
    assert secure.meter.association(MANAGEMENT).guek == bytes(16)


def test_an_attempt_with_another_master_key_is_on_record(secure):
    secure.act(TRANSFER, keys((0, bytes(24))))
    assert secure.events() == [49]


def test_a_meter_without_a_master_key_takes_none():
    assert SecureBench(kek=None).act(TRANSFER, keys((0, wrap_key(KEK, bytes(16))))) == OTHER


def test_keys_of_another_size_make_no_meter():
    with pytest.raises(ModelError):
        MeterSpecification(system_title=TITLE, serial="x", guek=bytes(16), gak=bytes(16), suite=SecuritySuite.SUITE_2)


# --- certificates ----------------------------------------------------------------------------------------------------


class Authority:
    """A certificate authority of the test."""

    def __init__(self, suite, name="Test root"):
        self.curve = CURVES[suite]
        self.key = ec.generate_private_key(self.curve)
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = self.sign(self.key.public_key(), self.name, authority=True)

    def sign(self, public_key, name, *, authority=False, use=SIGNING, days=(-1, 30), extended=False):
        now = datetime.fromtimestamp(NOW, UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=days[0]))
            .not_valid_after(now + timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(usage(use, authority=authority), critical=True)
        )
        if extended:
            builder = builder.add_extension(
                x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
            )
        algorithm = hashes.SHA384() if self.curve.key_size == 384 else hashes.SHA256()
        return builder.sign(self.key, algorithm).public_bytes(Encoding.DER)

    def client(self, title=CLIENT, **options):
        key = ec.generate_private_key(self.curve)
        return key, self.sign(key.public_key(), named(title), **options)


def usage(use, *, authority=False):
    return x509.KeyUsage(
        digital_signature=use == SIGNING and not authority, key_agreement=use == AGREEMENT, content_commitment=False,
        key_encipherment=use is None, data_encipherment=False, key_cert_sign=authority, crl_sign=authority,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def named(title):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, title.hex().upper())])


def certify(bench, use, authority=None):
    """Let the meter make a pair and take the certificate for it."""
    authority = authority or Authority(bench.suite)
    assert bench.act(GENERATE, encode_enum(use)) == OK
    result, request = bench.act(REQUEST, encode_enum(use))
    assert result == OK
    asked = x509.load_der_x509_csr(request)
    assert asked.is_signature_valid
    certificate = authority.sign(asked.public_key(), asked.subject, use=use, extended=use == TLS)
    assert bench.act(IMPORT, encode_octet_string(certificate)) == OK
    return certificate


def by_entity(entity, use, title):
    return encode_structure(
        encode_enum(0), encode_structure(encode_enum(entity), encode_enum(use), encode_octet_string(title))
    )


def by_serial(certificate):
    parsed = x509.load_der_x509_certificate(certificate)
    serial = parsed.serial_number.to_bytes(20, "big").lstrip(b"\0")
    return serial, parsed.issuer.public_bytes()


def named_by_serial(serial, issuer):
    return encode_structure(encode_enum(1), encode_structure(encode_octet_string(serial), encode_octet_string(issuer)))


@pytest.mark.parametrize("use", [SIGNING, AGREEMENT, TLS])
def test_a_pair_is_made_requested_certified_and_shown(strong, use):
    certificate = certify(strong, use)
    ((entity, kind, serial, issuer, subject, alternative),) = strong.read(6)
    assert (entity, kind, alternative) == (SERVER, use, b"")
    assert (serial, issuer) == by_serial(certificate)
    assert subject == named(TITLE).public_bytes()
    assert strong.act(EXPORT, by_entity(SERVER, use, TITLE)) == (OK, certificate)
    assert strong.act(EXPORT, named_by_serial(serial, issuer)) == (OK, certificate)
    der = bytes((2, len(serial))) + serial
    assert strong.act(EXPORT, named_by_serial(der, issuer)) == (OK, certificate)


def test_the_old_pair_serves_until_the_new_one_is_certified(strong):
    certify(strong, SIGNING)
    before = strong.meter.association(MANAGEMENT).signer.public_key
    assert strong.act(GENERATE, encode_enum(SIGNING)) == OK
    assert strong.meter.association(MANAGEMENT).signer.public_key == before
    certify(strong, SIGNING)
    assert strong.meter.association(MANAGEMENT).signer.public_key != before
    assert len(strong.read(6)) == 1


def test_removing_a_certificate(strong):
    certificate = certify(strong, SIGNING)
    assert strong.act(REMOVE, named_by_serial(*by_serial(certificate))) == OK
    assert strong.read(6) == []
    for method in (EXPORT, REMOVE):
        assert strong.act(method, by_entity(SERVER, SIGNING, TITLE)) == ABSENT


def test_once_an_authority_is_known_only_its_certificates_are_taken(strong):
    ours, theirs = Authority(strong.suite), Authority(strong.suite, "Somebody else")
    assert strong.act(IMPORT, encode_octet_string(ours.certificate)) == OK
    assert strong.act(IMPORT, encode_octet_string(theirs.certificate)) == OTHER
    assert strong.act(IMPORT, encode_octet_string(theirs.client()[1])) == OTHER
    assert strong.act(IMPORT, encode_octet_string(ours.client()[1])) == OK
    assert [row[0] for row in strong.read(6)] == [AUTHORITY, OF_CLIENT]
    assert strong.act(EXPORT, by_entity(AUTHORITY, SIGNING, b"")) == (OK, ours.certificate)


@pytest.mark.parametrize("days", [(-30, -1), (1, 30)], ids=["expired", "not-yet"])
def test_a_certificate_has_its_time(strong, days):
    assert strong.act(IMPORT, encode_octet_string(Authority(strong.suite).client(days=days)[1])) == OTHER


def test_a_certificate_has_a_usage(strong):
    assert strong.act(IMPORT, encode_octet_string(Authority(strong.suite).client(use=None)[1])) == OTHER


def test_a_key_that_the_meter_did_not_make_is_not_certified(strong):
    assert strong.act(IMPORT, encode_octet_string(Authority(strong.suite).client(TITLE)[1])) == OTHER
    assert strong.read(6) == []


def test_a_key_on_another_curve_is_refused():
    bench = SecureBench(SecuritySuite.SUITE_1)
    other = Authority(SecuritySuite.SUITE_2).client()[1]
    assert bench.act(IMPORT, encode_octet_string(other)) == OTHER


@pytest.mark.parametrize("octets", [b"", b"\x30\x03\x02\x01\x00", bytes(5000)])
def test_what_is_no_certificate_is_refused(strong, octets):
    assert strong.act(IMPORT, encode_octet_string(octets)) == OTHER


def test_a_meter_holds_so_many_and_no_more(strong):
    authority = Authority(strong.suite)
    for number in range(CERTIFICATES_MAX):
        title = b"ABCDEFG" + bytes([65 + number])
        assert strong.act(IMPORT, encode_octet_string(authority.client(title)[1])) == OK
    assert strong.act(IMPORT, encode_octet_string(authority.client(b"ABCDEFGz")[1])) == OTHER
    assert strong.act(IMPORT, encode_octet_string(authority.client(b"ABCDEFGA")[1])) == OK  # replaces its own


@pytest.mark.parametrize(
    ("method", "parameter", "result"),
    [
        (GENERATE, encode_enum(3), UNMATCHED), (REQUEST, encode_enum(9), UNMATCHED),
        (GENERATE, encode_octet_string(b""), UNMATCHED), (REQUEST, encode_enum(0), OTHER),
        (IMPORT, encode_enum(0), UNMATCHED), (EXPORT, encode_enum(0), ABSENT), (REMOVE, encode_array([]), ABSENT),
    ],
)  # fmt: skip
def test_parameters_without_sense_are_refused(strong, method, parameter, result):
    assert strong.act(method, parameter) == result


def test_suite_zero_has_neither_pairs_nor_certificates(secure):
    assert secure.act(GENERATE, encode_enum(SIGNING)) == OTHER
    assert secure.act(IMPORT, encode_octet_string(Authority(SecuritySuite.SUITE_1).certificate)) == OTHER
    assert secure.read(6) == []


# --- key agreement ---------------------------------------------------------------------------------------------------


def signed(key, message):
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    size = key.curve.key_size // 8
    algorithm = hashes.SHA384() if size == 48 else hashes.SHA256()
    return b"".join(part.to_bytes(size, "big") for part in decode_dss_signature(key.sign(message, ec.ECDSA(algorithm))))


@pytest.mark.parametrize(("kind", "use"), [(0, 0), (2, 0), (3, 2)])
def test_client_and_meter_agree_on_a_key(strong, kind, use):
    certify(strong, SIGNING)
    key, certificate = Authority(strong.suite).client()
    assert strong.act(IMPORT, encode_octet_string(certificate)) == OK
    ephemeral = draw_ephemeral_key(strong.suite, lambda size: bytes(range(1, size + 1)))
    data = ephemeral.public_key + signed(key, bytes([kind]) + ephemeral.public_key)
    result, ((answered, theirs),) = strong.act(AGREE, keys((kind, data)))
    assert (result, answered) == (OK, kind)
    size = len(ephemeral.public_key)
    server_key = strong.meter.association(MANAGEMENT).signer.public_key
    verify_signature(strong.suite, server_key, bytes([kind]) + theirs[:size], theirs[size:])
    agreed = derive_key(strong.suite, ephemeral.agree(theirs[:size]), algorithm_id(strong.suite, use), CLIENT, TITLE)
    held = keys_of(strong.view)
    assert {0: held.guek, 2: held.gak, 3: held.kek}[kind] == agreed


@pytest.mark.parametrize("fault", ["signature", "key-id", "no-certificate", "no-point", "empty"])
def test_an_agreement_nobody_signed_changes_no_key(strong, fault):
    certify(strong, SIGNING)
    key, certificate = Authority(strong.suite).client()
    if fault != "no-certificate":
        assert strong.act(IMPORT, encode_octet_string(certificate)) == OK
    public = draw_ephemeral_key(strong.suite, lambda size: b"\7" * size).public_key
    if fault == "no-point":
        public = b"\1" * len(public)
    data = public + signed(key, (b"\2" if fault == "key-id" else b"\0") + public)
    if fault == "signature":
        data = data[:-1] + bytes([data[-1] ^ 1])
    assert strong.act(AGREE, keys((0, b"" if fault == "empty" else data))) == OTHER
    assert strong.meter.association(MANAGEMENT).guek == bytes(len(keys_of(strong.view).guek))


def test_without_a_key_pair_or_in_suite_zero_nothing_is_agreed(strong, secure):
    parameter = keys((0, bytes(128)))
    assert strong.act(AGREE, parameter) == OTHER
    assert secure.act(AGREE, parameter) == OTHER
    assert secure.act(AGREE, encode_enum(0)) == UNMATCHED


@pytest.mark.parametrize("suite", list(SecuritySuite))
def test_associations_are_of_the_meters_suite(suite):
    settings = SecureBench(suite).meter.association(READER)
    assert (settings.suite, settings.mechanism) == (suite, Mechanism.GMAC)
