"""TLS contexts by the policy table, which renew themselves and resume sessions.

A context given here stays good for the life of a process: each handshake begins with a look whether the files behind
it have changed, or its tickets are too old, and then goes on with a new generation of the context. Sessions belong to a
generation. So a new revocation list, a new certificate or the passing of `resumption_s_max` ends resumption as well,
and whoever comes back proves everything anew; and the keys of tickets never get old (forward secrecy, SEC-036).

Works with asyncio, uvloop and blocking sockets, since all of them ask the context for what they wrap.
"""

import socket
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from meterworks.runtime import get_logger
from meterworks.trust.tls.credential import Credential
from meterworks.trust.tls.errors import TlsFilesError
from meterworks.trust.tls.openssl import set_parameters
from meterworks.trust.tls.policy import POLICIES, CertificateDemand, Interface, TlsPolicy

__all__ = ["TlsContext", "client_context", "server_context", "session_name"]

SESSIONS_MAX: Final = 16_384  # servers whose last session a client remembers, per generation
_SEPARATOR: Final = "#"  # no host name has it
_VERSIONS: Final = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_DEMANDS: Final = {
    CertificateDemand.REQUIRED: ssl.CERT_REQUIRED,
    CertificateDemand.OPTIONAL: ssl.CERT_OPTIONAL,
    CertificateDemand.NONE: ssl.CERT_NONE,
}

log = get_logger("trust.tls")


def session_name(host: str, port: int) -> str:
    """Give what to hand as `server_hostname`, so that sessions of several servers on one host are kept apart."""
    return f"{host}{_SEPARATOR}{port}"


def _keep(wrapped: "_ResumingObject | _ResumingSocket", name: str) -> bool:
    """Keep the session of a full handshake; give whether no more is to be done.

    A session that was resumed stays good for as long as its ticket. Taking a newer one each time would cost as much as
    the handshake itself: Python copies a session by writing and reading it, certificate and all.
    """
    return bool(wrapped.session_reused) or cast(_Generation, wrapped.context).keep(name, wrapped.session)


class _ResumingObject(ssl.SSLObject):
    """Keeps the session for the next connection as soon as the server has told it."""

    kept_as: str | None = None

    def read(self, *arguments: Any) -> Any:  # typeshed's own signature is wrong: it gives octets, or a count
        try:
            return super().read(*arguments)
        finally:  # a server that has nothing to say still sends tickets
            if self.kept_as is not None and _keep(self, self.kept_as):
                self.kept_as = None


class _ResumingSocket(ssl.SSLSocket):
    """The same for blocking sockets."""

    kept_as: str | None = None

    def read(self, *arguments: Any) -> Any:
        try:
            return super().read(*arguments)
        finally:
            if self.kept_as is not None and _keep(self, self.kept_as):
                self.kept_as = None


class _Generation(ssl.SSLContext):
    """One state of the files. A client's has the sessions that it can resume."""

    sessions: OrderedDict[str, ssl.SSLSession]

    def keep(self, name: str, session: ssl.SSLSession | None) -> bool:
        """Keep the newest session with a server, if it can be resumed, and forget those of servers not met for longest.

        Whoever resumes it is judged again: it carries the certificate of the first handshake.
        """
        if session is None or not session.has_ticket:
            return False
        self.sessions[name] = session
        self.sessions.move_to_end(name)
        while len(self.sessions) > SESSIONS_MAX:
            self.sessions.popitem(last=False)
        return True


class TlsContext(ssl.SSLContext):
    """A context that follows its credential; from `server_context` or `client_context`."""

    credential: Credential
    interface: Interface
    policy: TlsPolicy
    is_server: bool
    generations: int
    _key_log: Path | None
    _now: Callable[[], float]
    _current: _Generation
    _stamp: tuple[object, ...]
    _made_s: float

    @property
    def current(self) -> ssl.SSLContext:
        """The generation that the next handshake begins with, unless its files have changed."""
        return self._current

    def refresh(self) -> bool:
        """Take up changed files and renew old tickets; give whether there is a new generation.

        Files that cannot be used, as while they are being written, leave the old generation in place.
        """
        stamp = self.credential.stamp()
        is_old = self._now() - self._made_s > max(self.policy.resumption_s_max, 1.0)
        if stamp == self._stamp and not is_old:
            return False
        try:
            self._renew(stamp)
        except TlsFilesError as error:
            self._stamp = stamp  # tried again when they change again
            self._made_s = self._now()
            log.warning("changed TLS files cannot be used", interface=self.interface.value, reason=str(error))
            return False
        return True

    def _renew(self, stamp: tuple[object, ...]) -> None:
        self._current = _new_generation(self)
        self._stamp, self._made_s = stamp, self._now()
        self.generations += 1

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Wrap two memory buffers, with the session kept for this server name where there is one."""
        self.refresh()
        current = self._current
        name, host = _split(server_hostname)
        if not server_side and session is None:
            session = current.sessions.get(name)
        wrapped = ssl.SSLContext.wrap_bio(current, incoming, outgoing, server_side, host, session)
        if isinstance(wrapped, _ResumingObject):
            wrapped.kept_as = name
        return wrapped

    def wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """Wrap a socket, with the session kept for this server name where there is one."""
        self.refresh()
        current = self._current
        name, host = _split(server_hostname)
        if not server_side and session is None:
            session = current.sessions.get(name)
        wrapped = ssl.SSLContext.wrap_socket(
            current, sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, host, session
        )
        if isinstance(wrapped, _ResumingSocket):
            wrapped.kept_as = name
        return wrapped

    def forget_sessions(self) -> None:
        """Resume nothing from before: the next handshake with each server is a full one."""
        self._current.sessions.clear()


def _split(server_hostname: str | bytes | None) -> tuple[str, str | None]:
    """Give the name that sessions are kept under, and the host that it names."""
    if server_hostname is None:
        return "", None
    name = server_hostname.decode() if isinstance(server_hostname, bytes) else server_hostname
    return name, name.partition(_SEPARATOR)[0] or None


def server_context(
    credential: Credential,
    interface: Interface,
    *,
    key_log: Path | None = None,
    now: Callable[[], float] = time.monotonic,
) -> TlsContext:
    """Give the context of a listener. Raises TlsFilesError where the credential cannot be used.

    The role of a client is not judged by the handshake: call `require_peer` first thing after it.
    key_log: file for the secrets of all sessions, only ever for a laboratory. now: the machine's monotonic clock.
    """
    return _context(credential, interface, is_server=True, key_log=key_log, now=now)


def client_context(
    credential: Credential,
    interface: Interface,
    *,
    check_hostname: bool = False,
    key_log: Path | None = None,
    now: Callable[[], float] = time.monotonic,
) -> TlsContext:
    """Give the context of connections to servers of one kind, which resumes sessions by `server_hostname`.

    Servers of the system are known by role and identity (`require_peer`), not by host name. check_hostname: for engines
    outside, whose certificates name no role. Raises TlsFilesError.
    """
    return _context(credential, interface, is_server=False, key_log=key_log, now=now, check_hostname=check_hostname)


def _context(
    credential: Credential,
    interface: Interface,
    *,
    is_server: bool,
    key_log: Path | None,
    now: Callable[[], float],
    check_hostname: bool = False,
) -> TlsContext:
    context = TlsContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_hostname
    context.credential, context.interface, context.policy = credential, interface, POLICIES[interface]
    context.is_server, context._key_log, context._now = is_server, key_log, now
    context.generations = 0
    context.verify_mode = _DEMANDS[context.policy.client_certificate] if is_server else ssl.CERT_REQUIRED
    context._renew(credential.stamp())
    return context


def _new_generation(face: TlsContext) -> _Generation:
    policy, credential = face.policy, face.credential
    made = _Generation(ssl.PROTOCOL_TLS_SERVER if face.is_server else ssl.PROTOCOL_TLS_CLIENT)
    made.sessions = OrderedDict()
    made.check_hostname = face.check_hostname
    made.verify_mode = face.verify_mode
    made.minimum_version = _VERSIONS[policy.versions[0]]
    made.maximum_version = _VERSIONS[policy.versions[-1]]
    made.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    made.set_ciphers(":".join((*policy.suites_12, "@SECLEVEL=2")))
    set_parameters(
        made,
        groups=policy.groups,
        signature_algorithms=policy.signature_algorithms,
        suites_13=policy.suites_13,
        ticket_s=policy.resumption_s_max,
    )
    if credential.has_crl:
        made.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    credential.load_into(made)
    if _has_brainpool_key(credential.certificate_pem()):
        made.maximum_version = ssl.TLSVersion.TLSv1_2
    if face._key_log is not None:
        made.keylog_filename = str(face._key_log)
    if face.is_server:
        made.num_tickets = 1  # clients keep the newest; each one costs a tenth of a resumed handshake
    else:
        made.sslobject_class, made.sslsocket_class = _ResumingObject, _ResumingSocket
    return made


def _has_brainpool_key(certificate_pem: bytes) -> bool:
    if not certificate_pem:
        return False
    key = x509.load_pem_x509_certificate(certificate_pem).public_key()
    return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name.startswith("brainpool")
