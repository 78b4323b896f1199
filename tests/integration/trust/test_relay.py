"""A key pair of a meter, from its own request to the certificate that it holds: EST over TLS, and openssl judging."""

import shutil
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.integration.trust.test_est import run, server  # noqa: F401  # a fixture
from tests.security.device_keys import bench
from tests.security.device_keys.certified import GENERATE, IMPORT, REQUEST, act

from meterworks.devices import certificate_store
from meterworks.errors import RefusedError, UnreachableError
from meterworks.headend import EstCertifier, OwnCredentials
from meterworks.protocols.dlms import SecuritySuite, encode_enum, encode_octet_string
from meterworks.trust import FileKeyVault, KeyStore
from meterworks.trust.pki import EstClient, PeerRole

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl on this machine")
USES = {0: "signature", 1: "agreement", 2: "tls"}


@pytest.fixture
def certifier(server):  # noqa: F811  # the fixture
    """As the head-end asks, showing its own certificate."""
    shown = server.pki.issue_service(PeerRole.HEADEND).write(server.folder, "headend")
    return EstCertifier(lambda: server.client(*shown))


@pytest.fixture
def meter(monkeypatch, request):
    """A meter of the suite asked for whose clock is the machine's, by which certificates are made here."""
    monkeypatch.setattr(bench, "START", datetime.now(UTC).timestamp())
    return bench.new_meter(1, suite=request.param)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("meter", [1, 2], indirect=True)
async def test_openssl_agrees_with_request_and_certificate_of_a_meter(server, certifier, meter, use):  # noqa: F811
    suite = int(meter.view.specification.suite)
    act(meter, GENERATE, encode_enum(use))
    request = act(meter, REQUEST, encode_enum(use))
    shown = await run("openssl", "req", "-inform", "DER", "-verify", "-noout", "-subject", given=request)
    title = meter.view.specification.system_title.hex()
    assert title.upper().encode() in shown.replace(b" ", b"")

    made = await certifier.certify(request, f"dlms-{suite}-{USES[use]}")
    files = {"meter.pem": made, "devices.pem": server.pki.authority("devices").certificate}
    for name, each in files.items():
        (server.folder / name).write_bytes(each.public_bytes(Encoding.PEM))
    verdict = await run(
        "openssl", "verify", "-x509_strict", "-CAfile", server.folder / "public" / "anchors.pem",
        "-untrusted", server.folder / "devices.pem", server.folder / "meter.pem",
    )  # fmt: skip
    assert b"OK" in verdict
    assert server.audit.acts() == ["certificate.issued"]

    act(meter, IMPORT, encode_octet_string(made.public_bytes(Encoding.DER)))
    (held,) = certificate_store.certificates(meter.view)
    assert (held.entity, int(held.use), held.title.hex()) == (certificate_store.CertificateEntity.SERVER, use, title)
    assert await certifier.certify(request, f"dlms-{suite}-{USES[use]}") == made


async def test_the_head_end_has_its_own_key_certified_and_a_meter_takes_it(server, certifier, monkeypatch):  # noqa: F811
    monkeypatch.setattr(bench, "START", datetime.now(UTC).timestamp())
    taker = bench.new_meter(2, suite=2)
    title = bytes.fromhex("4d57520000000001")
    own = OwnCredentials(
        lambda: FileKeyVault(server.folder / "own", KeyStore(bytes(32))), server.folder, certifier, system_title=title
    )
    await own.ready(SecuritySuite.SUITE_2)
    act(taker, IMPORT, encode_octet_string(own.certificates(SecuritySuite.SUITE_2)[0]))
    (held,) = certificate_store.certificates(taker.view)
    assert (held.entity, held.title) == (certificate_store.CertificateEntity.CLIENT, title)


async def test_what_the_server_refuses_is_refused(server, certifier):  # noqa: F811
    taker = bench.new_meter(3, suite=1)
    act(taker, GENERATE, encode_enum(0))
    request = act(taker, REQUEST, encode_enum(0))
    with pytest.raises(RefusedError, match="nobody enrols for sub-ca"):
        await certifier.certify(request, "sub-ca")
    alone = EstCertifier(lambda: EstClient("https://localhost:1", server.context()))
    with pytest.raises(UnreachableError):
        await alone.certify(request, "dlms-1-signature")
    stranger = EstCertifier(server.client)  # shows no certificate
    with pytest.raises(RefusedError, match="401"):
        await stranger.certify(request, "dlms-1-signature")
    assert x509.load_der_x509_csr(request).is_signature_valid
