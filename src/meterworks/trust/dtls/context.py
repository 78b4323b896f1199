"""Contexts of DTLS 1.2, by the policy of datagrams, which follow their files.

pyOpenSSL can set one group only, so that it is P-256; OpenSSL's own list of signature algorithms stands (level 2: no
SHA-1). Neither tickets nor sessions: a device that comes back proves everything anew.
"""

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, crypto

from meterworks.trust.tls import POLICIES, Credential, Interface, TlsFilesError

__all__ = ["CookieCheck", "DtlsContext"]

DTLS_1_2: Final = 0xFEFD
_END_OF_LIST: Final = b"-----END X509 CRL-----"


class CookieCheck:
    """Which connection's cookie was found good before OpenSSL is asked to find it so."""

    def __init__(self) -> None:
        self.accepted = b""

    def generate(self, _connection: SSL.Connection) -> bytes:
        """Give a cookie to OpenSSL, which asks for one only where it has none: never after `accepted` is set."""
        return self.accepted

    def verify(self, _connection: SSL.Connection, cookie: bytes) -> bool:
        """Say that the cookie is the one that was checked."""
        return bool(self.accepted) and cookie == self.accepted


class DtlsContext:
    """Gives contexts made from a credential, anew when its files change."""

    def __init__(self, credential: Credential, *, is_server: bool) -> None:
        """Raises TlsFilesError where the credential cannot be used."""
        self.credential = credential
        self.cookies = CookieCheck()
        self._is_server = is_server
        self._stamp = credential.stamp()
        self._current = self._make()

    def current(self) -> SSL.Context:
        """Give the context for the next connection; the old one where changed files cannot be used."""
        stamp = self.credential.stamp()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._current = self._make()
            except TlsFilesError:
                return self._current  # tried again when they change again
        return self._current

    def _make(self) -> SSL.Context:
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_min_proto_version(DTLS_1_2)
        context.set_max_proto_version(DTLS_1_2)
        context.set_cipher_list(":".join((*POLICIES[Interface.DATAGRAM].suites_12, "@SECLEVEL=2")).encode())
        context.set_tmp_ecdh(ec.SECP256R1())
        context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION)
        context.set_options(SSL.OP_NO_COMPRESSION)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
        if self._is_server:
            context.set_options(SSL.OP_COOKIE_EXCHANGE or 0)  # None where a library has none of it
            context.set_cookie_generate_callback(self.cookies.generate)
            context.set_cookie_verify_callback(self.cookies.verify)
        try:
            self._load(context)
        except (ValueError, SSL.Error, crypto.Error) as error:
            raise TlsFilesError(f"a certificate, key or list cannot be used for DTLS: {error}") from error
        return context

    def _load(self, context: SSL.Context) -> None:
        credential = self.credential
        chain = x509.load_pem_x509_certificates(credential.certificate_pem())
        context.use_certificate(chain[0])
        for each in chain[1:]:
            context.add_extra_chain_cert(each)
        key = serialization.load_pem_private_key(credential.key_pem(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("the key of a channel is one of an elliptic curve")
        context.use_privatekey(key)
        context.check_privatekey()
        store = context.get_cert_store()
        if store is None:
            raise TlsFilesError("OpenSSL gives no store for trust anchors")
        for anchor in x509.load_pem_x509_certificates(credential.anchors_pem()):
            store.add_cert(crypto.X509.from_cryptography(anchor))
        for block in credential.crl_pem().split(_END_OF_LIST)[:-1]:
            store.add_crl(x509.load_pem_x509_crl(block + _END_OF_LIST))
        if credential.has_crl:
            store.set_flags(crypto.X509StoreFlags.CRL_CHECK)
