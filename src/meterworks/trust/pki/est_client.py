"""The client's side of enrolment: a process or a device asks for its certificate, and for the next one.

The key is made here and stays here. A successor replaces certificate and key together, and only when it has arrived
whole and was checked, so a failed renewal leaves everything as it was.  Source: RFC 7030, 4.2; SEC-127.
"""

import asyncio
import base64
import io
import socket
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPS_PORT, HTTPException, HTTPResponse
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from meterworks.errors import RefusedError, UnreachableError
from meterworks.runtime import write_atomically
from meterworks.trust.pki.build import signature_hash
from meterworks.trust.pki.errors import CertificateRefused, CertificateRequestError
from meterworks.trust.pki.est import EST_PATH, PKCS10, certificates_of
from meterworks.trust.pki.name import certificate_role
from meterworks.trust.pki.reason import Reason
from meterworks.trust.pki.role import PeerRole

__all__ = ["EnrolmentFiles", "EstClient", "certification_request"]

ANSWER_S_MAX: Final = 30.0
ANSWER_SIZE_MAX: Final = 64 * 1024
_CURVES: Final = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1}


def certification_request(
    key: ec.EllipticCurvePrivateKey, held: x509.Certificate | None = None, name: str = ""
) -> bytes:
    """A request (PKCS #10, DER) for a key; with the names of the certificate in use, where it is renewed."""
    subject = held.subject if held is not None else x509.Name(_common_name(name))
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if held is not None:
        names = held.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        builder = builder.add_extension(names.value, names.critical)
    return builder.sign(key, signature_hash(key.public_key())).public_bytes(Encoding.DER)


def _common_name(name: str) -> list[x509.NameAttribute[str]]:
    return [x509.NameAttribute(x509.NameOID.COMMON_NAME, name)] if name else []


class EstClient:
    """Asks one enrolment server. The context shows the certificate that proves who asks, if any.

    url: `https://host:port` of the server. context: trusts the anchors of the system. Nobody else of the system can
    stand for the server: its certificate has to name the role, before anything is said.
    """

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        self._url = url.rstrip("/")
        self._context = context

    async def enrol(
        self, request: bytes, *, profile: str = "", identity: str = "", token: str = ""
    ) -> list[x509.Certificate]:
        """A first certificate and those above it. Raises RefusedError, UnreachableError, CertificateRequestError."""
        headers = {}
        if token:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{identity}:{token}".encode()).decode()
        return await self._post(_path(profile, "simpleenroll"), request, headers)

    async def renew(self, request: bytes, *, profile: str = "") -> list[x509.Certificate]:
        """The successor of the certificate that the context shows, and those above it. Raises as `enrol`."""
        return await self._post(_path(profile, "simplereenroll"), request, {})

    async def authorities(self) -> list[x509.Certificate]:
        """Anchors and sub-CAs of the server. Raises as `enrol`."""
        return certificates_of(await self._ask("GET", _path("", "cacerts"), b"", {}))

    async def _post(self, path: str, request: bytes, headers: dict[str, str]) -> list[x509.Certificate]:
        headers = {**headers, "Content-Type": PKCS10, "Content-Transfer-Encoding": "base64"}
        found = certificates_of(await self._ask("POST", path, base64.encodebytes(request), headers))
        key = x509.load_der_x509_csr(request).public_key()
        own = [entry for entry in found if entry.public_key() == key]
        if not own:
            raise CertificateRequestError("the server answered with a certificate for another key than was asked for")
        return _in_order(own[0], found)

    async def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                answer = _read_answer(await self._exchange(method, path, body, headers), method)
        except (OSError, HTTPException) as error:
            raise UnreachableError(
                f"the enrolment server {self._url} does not answer: {error or type(error).__name__}", url=self._url
            ) from error
        status, content = answer
        if status != HTTPStatus.OK:
            text = content.decode("utf-8", "replace").strip()[:300]
            raise RefusedError(f"the enrolment server answered {status}: {text}", status=status)
        return content

    async def _exchange(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        """One connection, one question, all octets of the answer: a whole HTTP client costs more than the handshake."""
        server = urlsplit(self._url)
        host, port = server.hostname or "", server.port or HTTPS_PORT
        lines = {"Host": server.netloc, "Connection": "close", "Content-Length": str(len(body)), **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        reader, writer = await asyncio.open_connection(host, port, ssl=self._context, server_hostname=host)
        try:
            _check_server(writer.get_extra_info("ssl_object"), self._url)
            writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)
            await writer.drain()
            answer = b""
            while part := await reader.read(ANSWER_SIZE_MAX):  # bounded by the size
                answer += part
                if len(answer) > ANSWER_SIZE_MAX:
                    raise CertificateRequestError(f"the server's answer has more than {ANSWER_SIZE_MAX} octets")
            return answer
        finally:
            writer.transport.abort()


def _check_server(connection: ssl.SSLObject, url: str) -> None:
    """Raise CertificateRefused for a server that is not of the role that certifies."""
    der = connection.getpeercert(binary_form=True)
    role = None if not der else certificate_role(x509.load_der_x509_certificate(der))
    if role is not PeerRole.PKI:
        shown = "nobody" if role is None else role.value
        raise CertificateRefused(f"who answers at {url} is {shown}, and no enrolment server", reason=Reason.ROLE)


class _Octets:
    """An answer that came whole, as the standard library's reader of HTTP wants it."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._octets)


def _read_answer(octets: bytes, method: str) -> tuple[int, bytes]:
    """Status and content of an answer. Raises HTTPException."""
    answer = HTTPResponse(cast("socket.socket", _Octets(octets)), method=method)
    answer.begin()
    return answer.status, answer.read()


@dataclass(frozen=True, slots=True)
class EnrolmentFiles:
    """Certificate and key of a process in files, renewed through a client: what a `Renewer` works on.

    certificate: PEM, the own one first. key: PEM, mode 0600. Both are replaced whole; a reader that meets the moment
    between them finds a pair that does not fit and reads again.
    """

    certificate_path: Path
    key_path: Path
    client: EstClient
    curve: str = "P-256"

    def certificate(self) -> x509.Certificate:
        """The one in use. Raises CertificateRequestError where the file holds none."""
        try:
            return x509.load_pem_x509_certificate(self.certificate_path.read_bytes())
        except (OSError, ValueError) as error:
            raise CertificateRequestError(
                f"{self.certificate_path}: holds no certificate ({error}): start the system again, and it is made anew",
                path=str(self.certificate_path),
            ) from error

    async def renew(self) -> None:
        """Make a new key, have it certified, and put both in place. Raises as `EstClient.renew`."""
        key = ec.generate_private_key(_CURVES[self.curve]())
        held = self.certificate()
        found = await self.client.renew(certification_request(key, held))
        await asyncio.to_thread(self._replace, key, found)

    def _replace(self, key: ec.EllipticCurvePrivateKey, chain: list[x509.Certificate]) -> None:
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_atomically(self.key_path, pem, mode=0o600)
        write_atomically(self.certificate_path, b"".join(entry.public_bytes(Encoding.PEM) for entry in chain))


def _in_order(own: x509.Certificate, found: list[x509.Certificate]) -> list[x509.Certificate]:
    """The chain as TLS sends it: PKCS #7 holds a set, which DER sorts by its octets."""
    chain = [own]
    for _ in found:  # bounded
        above = [entry for entry in found if entry.subject == chain[-1].issuer and entry not in chain]
        if not above:
            break
        chain.append(above[0])
    return chain


def _path(profile: str, operation: str) -> str:
    return EST_PATH + (f"{profile}/" if profile else "") + operation
