"""The guard of one kind of connection: judges peers, and ends connections whose right to stand has ended.

A handshake says that a chain was good at that moment. A guard says whether this role and identity may be here, keeps a
register of the connections it let in, and looks at it every few seconds: a new revocation list ends those it names, and
age ends all others (`session_s_max`). What it refuses or ends is an act of the audit trail.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from meterworks.runtime import get_logger
from meterworks.trust.audit import AuditEvent, AuditSink, Outcome
from meterworks.trust.pki import PeerRole
from meterworks.trust.tls.credential import Credential
from meterworks.trust.tls.errors import PeerRefused, TlsFilesError
from meterworks.trust.tls.peer import Peer, check_peer, peer_of
from meterworks.trust.tls.policy import POLICIES, Interface

__all__ = ["SWEEP_S", "Guard", "GuardedConnection", "Refusal"]

SWEEP_S: Final = 5.0  # a revoked peer is gone this long, at most, after its list has come
TOLD_PER_MINUTE_MAX: Final = 300  # refusals told one by one; strangers must not fill the trail
MINUTE_S: Final = 60.0
GROWTH_MAX: Final = 1024  # connections let in between two looks for closed ones
_END_OF_LIST: Final = b"-----END X509 CRL-----"
_ACT: Final = "peer.refused"

log = get_logger("trust.tls")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody was refused or sent away: the peer, as far as it is known, and the reason."""

    peer: Peer | None
    reason: str
    text: str


@dataclass(slots=True)
class GuardedConnection:
    """One connection that was let in. end: ends it at once. is_open: whether it still stands. Ages from since_s."""

    peer: Peer
    end: Callable[[], None]
    is_open: Callable[[], bool]
    since_s: float


class Guard:
    """Judges the peers of one interface, seen from one end. refused, ended: counts so far."""

    def __init__(
        self,
        interface: Interface,
        *,
        is_server: bool,
        credential: Credential | None = None,
        roles: Collection[PeerRole] | None = None,
        audit: AuditSink | None = None,
        actor: str = "process:links",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """credential: whose revocation lists are honoured. roles: narrower than those of the policy.

        actor: who tells the audit trail. now: the machine's monotonic clock.
        """
        policy = POLICIES[interface]
        self.interface = interface
        self.policy = policy
        self.roles = frozenset(roles or (policy.client_roles if is_server else policy.server_roles))
        self.refused = 0
        self.ended = 0
        self.on_admitted: Callable[[Peer], None] = _unheard
        """Told of each peer that was let in."""
        self._credential = credential
        self._stamp: tuple[object, ...] | None = None if credential is None else credential.stamp()
        self._revoked: set[tuple[bytes, int]] = set()  # of the first change on; earlier lists are in the contexts
        self._audit = audit
        self._actor = actor
        self._now = now
        self._open: list[GuardedConnection] = []
        self._prune_at = GROWTH_MAX
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = 0
        self._minute_s = now()

    @property
    def connections(self) -> int:
        """Connections that were let in and still stand."""
        return sum(each.is_open() for each in self._open)

    def judge(self, ssl_object: ssl.SSLObject | ssl.SSLSocket, identity: str | None = None, *, where: str = "") -> Peer:
        """Give the peer of a finished handshake if it may be here. Raises PeerRefused, which is audited.

        identity: the only one that may. where: address of the peer, for the audit trail.
        """
        try:
            peer = peer_of(ssl_object)
        except PeerRefused as error:
            self.refuse(Refusal(None, str(error.facts["reason"]), str(error)), where=where)
            raise
        return self.judge_peer(peer, identity, where=where)

    def judge_peer(self, peer: Peer, identity: str | None = None, *, where: str = "") -> Peer:
        """Judge a peer whose certificate was read already, as with DTLS. Raises PeerRefused, which is audited."""
        try:
            self._check_revoked(peer)
            check_peer(peer, self.roles, identity)
        except PeerRefused as error:
            self.refuse(Refusal(peer, str(error.facts["reason"]), str(error)), where=where)
            raise
        self.on_admitted(peer)
        return peer

    def _check_revoked(self, peer: Peer) -> None:
        """Raise PeerRefused for who was revoked while it shook hands; the handshake refuses all others."""
        if (peer.issuer, peer.serial_number) in self._revoked:
            raise PeerRefused(f"the certificate of {peer.identity} is revoked", reason="revoked")

    def watch(self, peer: Peer, end: Callable[[], None], is_open: Callable[[], bool]) -> None:
        """Put a connection on the register until it has ended."""
        self._open.append(GuardedConnection(peer, end, is_open, self._now()))
        if len(self._open) >= self._prune_at:
            self._prune()
        self._arm()

    def refuse(self, refusal: Refusal, *, where: str = "") -> None:
        """Count and tell a refusal, also one that a handshake made."""
        self.refused += 1
        self._tell(refusal, where)

    def sweep(self) -> int:
        """End what is revoked or too old now; give how many."""
        has_news = self._read_lists()
        now_s = self._now()
        ended = 0
        for each in self._open:
            if not each.is_open():
                continue
            reason = ""
            if has_news and (each.peer.issuer, each.peer.serial_number) in self._revoked:
                reason = "revoked"
            elif now_s - each.since_s > self.policy.session_s_max:
                reason = "age"
            if reason:
                each.end()
                ended += 1
                self._tell(Refusal(each.peer, reason, f"the connection of {each.peer.identity} was ended: {reason}"))
        self.ended += ended
        self._prune()
        return ended

    def _prune(self) -> None:
        self._open = [each for each in self._open if each.is_open()]
        self._prune_at = 2 * len(self._open) + GROWTH_MAX

    def _read_lists(self) -> bool:
        """Read the revocation lists where they have changed; give whether they had."""
        if self._credential is None or not self._credential.has_crl:
            return False
        stamp = self._credential.stamp()
        if stamp == self._stamp:
            return False
        try:
            self._revoked = revoked_in(self._credential.crl_pem())
        except TlsFilesError as error:
            log.warning("revocation list cannot be read", interface=self.interface.value, reason=str(error))
            return False
        self._stamp = stamp
        return True

    def _arm(self) -> None:
        """Look again while there are connections; blocking callers have no loop and look by themselves."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if self._timer is None or self._loop is not loop:  # the timer of a loop that has ended never comes
            self._loop = loop
            self._timer = loop.call_later(SWEEP_S, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.sweep()
        if self._open:
            self._arm()

    def _tell(self, refusal: Refusal, where: str = "") -> None:
        peer = refusal.peer
        log.warning("peer refused", interface=self.interface.value, reason=refusal.reason, peer=where)
        if self._audit is None or not self._may_tell():
            return
        shown = "nobody" if peer is None or peer.role is None else f"{peer.role.value}:{peer.identity}"
        facts = {
            "interface": self.interface.value,
            "reason": refusal.reason,
            "serial_number": "" if peer is None else f"{peer.serial_number:x}",
            "address": where,
        }
        self._audit.post(
            AuditEvent(
                act=_ACT,
                actor=shown[:200],
                object=self._actor,
                outcome=Outcome.REFUSED,
                cause=refusal.text[:500],
                facts=facts,
            )
        )

    def _may_tell(self) -> bool:
        now_s = self._now()
        if now_s - self._minute_s >= MINUTE_S:
            self._minute_s, self._told = now_s, 0
        self._told += 1
        return self._told <= TOLD_PER_MINUTE_MAX


def _unheard(_peer: Peer) -> None:
    """Nobody wants to know."""


def revoked_in(crl_pem: bytes) -> set[tuple[bytes, int]]:
    """Give (issuer's name, serial number) of all that lists in PEM name. Raises TlsFilesError.

    Signatures are checked by whoever fetches a list, and again by every handshake that uses it.
    """
    found: set[tuple[bytes, int]] = set()
    for block in crl_pem.split(_END_OF_LIST)[:-1]:
        try:
            crl = x509.load_pem_x509_crl(block + _END_OF_LIST)
            issuer = crl.issuer.public_bytes()
            found.update((issuer, each.serial_number) for each in crl)
        except ValueError as error:
            raise TlsFilesError(f"a revocation list cannot be read: {error}") from error
    return found
