"""Who certifies keys on the bench, our own pairs there, and meters that begin with certificates."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from meterworks.errors import UnreachableError
from meterworks.protocols.dlms import (
    MANAGEMENT_CLIENT,
    ActionResult,
    MethodAddress,
    ObisCode,
    SecuritySuite,
    SoftwareSigner,
    decode_all,
    encode_enum,
    encode_octet_string,
)

SETUP = ObisCode("0.0.43.0.0.255")
GENERATE, REQUEST, IMPORT = 4, 5, 6
CURVES = {SecuritySuite.SUITE_1: ec.SECP256R1(), SecuritySuite.SUITE_2: ec.SECP384R1()}
_TLS = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH, x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])


class Registrar:
    """A certificate authority in memory. faults: "away" refuses to answer the next request."""

    def __init__(self, now_epoch_s):
        self.now = datetime.fromtimestamp(now_epoch_s, UTC)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Bench authority")])
        self.faults, self.asked = [], []

    async def certify(self, request, profile):
        if self.faults and self.faults.pop(0):
            raise UnreachableError("the enrolment server does not answer")
        self.asked.append(profile)
        asked = x509.load_der_x509_csr(request)
        identity = str(asked.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value).lower()
        return self.issue(identity, asked.public_key(), profile.rpartition("-")[2])

    def issue(self, identity, public_key, use, *, days=3650):
        usage = x509.KeyUsage(
            digital_signature=use != "agreement", key_agreement=use == "agreement", content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_cert_sign=False, crl_sign=False, encipher_only=False,
            decipher_only=False,
        )  # fmt: skip
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, identity)]))
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - timedelta(days=1))
            .not_valid_after(self.now + timedelta(days=days))
            .add_extension(usage, critical=True)
        )
        if use == "tls":
            builder = builder.add_extension(_TLS, critical=False)
        return builder.sign(self.key, hashes.SHA256())


class OwnPairs:
    """Our signing pairs of both suites; `renew` puts a new generation before the last."""

    def __init__(self, system_title, registrar):
        self.system_title, self.registrar = system_title, registrar
        self.pairs = {suite: [] for suite in CURVES}
        for suite in CURVES:
            self.renew(suite)

    def renew(self, suite):
        key = ec.generate_private_key(CURVES[suite])
        size = 48 if suite == SecuritySuite.SUITE_2 else 32
        signer = SoftwareSigner(suite, key.private_numbers().private_value.to_bytes(size, "big"))
        made = self.registrar.issue(self.system_title.hex(), key.public_key(), "signature")
        self.pairs[suite].insert(0, (signer, made.public_bytes(Encoding.DER)))

    async def ready(self, suite, *, now=None):
        return False

    def signers(self, suite):
        return [signer for signer, _ in self.pairs.get(suite, [])]

    def certificates(self, suite):
        return [certificate for _, certificate in self.pairs.get(suite, [])]


def act(meter, method, parameter):
    result, value = meter.action(MANAGEMENT_CLIENT, MethodAddress(64, SETUP, method), parameter)
    assert result is ActionResult.SUCCESS
    return None if value is None else decode_all(value)


def certify_meter(meter, registrar, own, use=0):
    """Let a meter make a pair, certify it, and give it our certificate; gives its own."""
    act(meter, GENERATE, encode_enum(use))
    asked = x509.load_der_x509_csr(act(meter, REQUEST, encode_enum(use)))
    identity = meter.view.specification.system_title.hex()
    names = {0: "signature", 1: "agreement", 2: "tls"}
    made = registrar.issue(identity, asked.public_key(), names[use]).public_bytes(Encoding.DER)
    act(meter, IMPORT, encode_octet_string(made))
    if own is not None:
        act(meter, IMPORT, encode_octet_string(own.certificates(meter.view.specification.suite)[0]))
    return made
