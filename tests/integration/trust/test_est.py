"""Enrolment over real TLS: our server against curl and openssl, and our client against our server."""

import asyncio
import base64
import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from tests.unit.trust.pki.conftest import STARTED, new_vault
from tests.unit.trust.pki.forge import new_key

from meterworks.errors import RefusedError, UnreachableError
from meterworks.system.serving.listener import HttpServer
from meterworks.system.serving.pki import EnrolmentApplication, EnrolmentProtocol
from meterworks.trust.audit import MemoryAuditSink
from meterworks.trust.pki import (
    CertificateRefused,
    EnrolmentFiles,
    EstClient,
    EstService,
    ManufacturedDevice,
    PeerRole,
    Provisioning,
    Shipment,
    SystemPki,
    certificate_identity,
    certification_request,
    make_device_credentials,
)
from meterworks.trust.pki.build import key_digest
from meterworks.trust.tls import Interface, TlsFiles, server_context

DEVICE = "4d57520000000007"


@dataclass
class Server:
    """A running enrolment server and what stands behind it."""

    pki: SystemPki
    provisioning: Provisioning
    audit: MemoryAuditSink
    folder: Path
    port: int = 0

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def context(self, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=str(self.folder / "public" / "anchors.pem"))
        if certificate:
            made.load_cert_chain(certificate, key)
        return made

    def client(self, certificate: Path | None = None, key: Path | None = None) -> EstClient:
        return EstClient(self.url, self.context(certificate, key))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    pki = SystemPki.create(tmp_path / "pki", new_vault(tmp_path / "vault"), now=STARTED)
    public = tmp_path / "public"
    pki.write_public(public)
    pki.issue_service(PeerRole.PKI).write(tmp_path, "pki")
    provisioning = Provisioning(pki.ledger)
    found = Server(pki, provisioning, MemoryAuditSink(), tmp_path)
    service = EstService(pki, provisioning, maker_anchors=pki.maker_anchors)
    application = EnrolmentApplication(pki, service, found.audit, publish=lambda: pki.write_public(public))
    files = TlsFiles(tmp_path / "pki.crt", tmp_path / "pki.key", public / "enrolment.pem", public / "enrolment-crl.pem")
    config = uvicorn.Config(
        application, host="127.0.0.1", port=0, http=EnrolmentProtocol, lifespan="off", log_config=None, access_log=False
    )
    config.load()
    config.ssl = server_context(files, Interface.EST)
    running = HttpServer(config)
    serving = asyncio.ensure_future(running.serve())
    await running.wait_started(serving)
    found.port = running.servers[0].sockets[0].getsockname()[1]
    yield found
    running.should_exit = True
    await serving
    pki.close()


def manufactured(server: Server, identity: str = DEVICE) -> tuple[Path, Path]:
    """A device of a shipment, with the maker's certificate and key in files."""
    made = make_device_credentials(server.pki.authority("maker"), [identity])[0]
    certificate = x509.load_der_x509_certificate(made.certificates["dlms-1-tls"])
    public = certificate.public_key()
    device = ManufacturedDevice(
        serial=f"S-{identity}",
        identity=identity,
        model="M",
        firmware="1",
        keys={"dlms-1-tls": key_digest(public).hex()},
    )
    shipment = Shipment(number="1", maker="maker", owner="utility", made_at=STARTED, devices=(device,))
    server.provisioning.admit(shipment, b"seal")
    crt, key = server.folder / f"{identity}.crt", server.folder / f"{identity}.key"
    crt.write_bytes(certificate.public_bytes(Encoding.PEM))
    loaded = load_der_private_key(made.keys["dlms-1-tls"], None)
    key.write_bytes(loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return crt, key


async def run(*arguments: object, given: bytes = b"") -> bytes:
    process = await asyncio.create_subprocess_exec(
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate(given)
    assert process.returncode == 0, errors.decode()
    return output


pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl on this machine")
needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="no curl on this machine")


@needs_curl
async def test_curl_and_openssl_enrol_a_device_with_a_token(server):
    """Key and request by openssl, the exchange by curl, the answer read and verified by openssl again."""
    manufactured(server)
    folder, anchors = server.folder, server.folder / "public" / "anchors.pem"
    token = server.provisioning.new_token(DEVICE)
    await run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder / "new.key")
    named = ("-subj", f"/CN={DEVICE}", "-outform", "DER", "-out", folder / "new.csr")
    await run("openssl", "req", "-new", "-key", folder / "new.key", *named)
    (folder / "new.b64").write_bytes(base64.encodebytes((folder / "new.csr").read_bytes()))
    answer = await run(
        "curl", "--silent", "--show-error", "--fail-with-body", "--cacert", anchors, "--user", f"{DEVICE}:{token}",
        "--header", "Content-Type: application/pkcs10", "--data-binary", f"@{folder / 'new.b64'}",
        f"{server.url}/.well-known/est/dlms-1-tls/simpleenroll",
    )  # fmt: skip
    (folder / "answer.p7").write_bytes(base64.b64decode(answer))
    pem = await run("openssl", "pkcs7", "-inform", "DER", "-in", folder / "answer.p7", "-print_certs")
    (folder / "chain.pem").write_bytes(pem)
    verdict = await run(
        "openssl", "verify", "-CAfile", anchors, "-CRLfile", folder / "public" / "crl.pem", "-crl_check_all",
        "-x509_strict", "-untrusted", folder / "chain.pem", folder / "chain.pem",
    )  # fmt: skip
    assert b"OK" in verdict
    assert server.audit.events[-1].act == "certificate.issued"


@needs_curl
async def test_curl_gets_the_authorities_and_the_lists(server):
    anchors = server.folder / "public" / "anchors.pem"
    answer = await run("curl", "--silent", "--cacert", anchors, f"{server.url}/.well-known/est/cacerts")
    (server.folder / "ca.p7").write_bytes(base64.b64decode(answer))
    listed = await run("openssl", "pkcs7", "-inform", "DER", "-in", server.folder / "ca.p7", "-print_certs")
    assert listed.count(b"BEGIN CERTIFICATE") == 5  # two roots, three sub-CAs
    crl = await run("curl", "--silent", "--fail", "--cacert", anchors, f"{server.url}/crl/devices.crl")
    shown = await run("openssl", "crl", "-inform", "DER", "-noout", "-crlnumber", "-issuer", given=crl)
    assert b"devices 1" in shown
    with pytest.raises(AssertionError):
        await run("curl", "--silent", "--fail", "--cacert", anchors, f"{server.url}/crl/nobody.crl")


async def test_a_device_enrols_with_its_makers_certificate_and_then_renews(server):
    crt, key = manufactured(server)
    own = new_key()
    first = await server.client(crt, key).enrol(certification_request(own, name=DEVICE))
    assert certificate_identity(first[0]) == DEVICE
    held, kept = server.folder / "own.crt", server.folder / "own.key"
    held.write_bytes(b"".join(entry.public_bytes(Encoding.PEM) for entry in first))
    kept.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    files = EnrolmentFiles(held, kept, server.client(held, kept))
    before = files.certificate()
    await files.renew()
    after = files.certificate()
    assert after.subject == before.subject
    assert after.public_key() != before.public_key()
    assert kept.stat().st_mode & 0o777 == 0o600
    server.context(held, kept)  # the new pair fits


async def test_a_service_renews_and_a_revoked_one_does_not(server):
    credentials = server.pki.issue_service(PeerRole.WRITER)
    crt, key = credentials.write(server.folder, "writer")
    files = EnrolmentFiles(crt, key, server.client(crt, key))
    await files.renew()
    renewed = files.certificate()
    assert renewed.serial_number != credentials.certificate.serial_number
    assert certificate_identity(renewed) == "writer"
    server.pki.authority("services").revoke(renewed)
    again = EnrolmentFiles(crt, key, server.client(crt, key))
    with pytest.raises(RefusedError):
        await again.renew()
    assert files.certificate() == renewed
    assert server.audit.events[-1].act == "certificate.refused"


async def test_nobody_renews_as_another(server):
    crt, key = server.pki.issue_service(PeerRole.WRITER).write(server.folder, "writer")
    other = server.pki.issue_service(PeerRole.WEB).certificate
    with pytest.raises(RefusedError, match="403"):
        await server.client(crt, key).renew(certification_request(new_key(), other))


async def test_without_anything_to_show_there_is_no_certificate(server):
    with pytest.raises(RefusedError, match="401"):
        await server.client().enrol(certification_request(new_key(), name=DEVICE))


async def test_what_cannot_be_recorded_is_not_issued(server, monkeypatch):
    crt, key = server.pki.issue_service(PeerRole.WRITER).write(server.folder, "writer")
    before = len(server.pki.ledger.certificates())

    async def refuse(_event):
        raise UnreachableError("the trail does not answer")

    monkeypatch.setattr(server.audit, "append", refuse)
    files = EnrolmentFiles(crt, key, server.client(crt, key))
    with contextlib.suppress(RefusedError):
        await files.renew()
    assert len(server.pki.ledger.certificates()) == before


async def test_a_server_that_is_not_there_may_be_asked_again(tmp_path, server):
    client = EstClient("https://localhost:1", server.context())
    with pytest.raises(UnreachableError):
        await client.authorities()


async def test_a_server_of_another_system_is_not_believed(server, tmp_path):
    other = SystemPki.create(tmp_path / "other", new_vault(tmp_path / "other vault"), now=STARTED)
    other.write_public(tmp_path / "else")
    context = ssl.create_default_context(cafile=str(tmp_path / "else" / "anchors.pem"))
    with pytest.raises(UnreachableError, match="verify"):
        await EstClient(server.url, context).authorities()
    other.close()


async def test_nobody_else_of_the_system_stands_for_the_server(server):
    """SEC-017: another process with a certificate of ours hears nothing, not even what is asked."""
    heard = []

    async def listen(reader, writer):
        heard.append(await reader.read())
        writer.close()

    crt, key = server.pki.issue_service(PeerRole.WRITER).write(server.folder, "writer")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    other = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=context)
    port = other.sockets[0].getsockname()[1]
    with pytest.raises(CertificateRefused, match="is writer, and no enrolment server"):
        await EstClient(f"https://localhost:{port}", server.context()).authorities()
    other.close()
    await other.wait_closed()
    assert b"".join(heard) == b""


async def test_a_request_longer_than_any_is_refused(server):
    crt, key = server.pki.issue_service(PeerRole.WRITER).write(server.folder, "writer")
    reader, writer = await asyncio.open_connection("localhost", server.port, ssl=server.context(crt, key))
    writer.write(
        b"POST /.well-known/est/simplereenroll HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/pkcs10\r\n"
        b"Content-Length: 70000\r\n\r\n" + b"A" * 70000
    )
    status = await reader.readline()
    writer.close()
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        await writer.wait_closed()
    assert b"413" in status


def test_certificates_are_judged_by_the_machine():
    assert abs(datetime.now(UTC) - STARTED - timedelta(days=1)) < timedelta(hours=1)
