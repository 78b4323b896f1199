"""Secure channels: what each interface speaks, contexts that renew themselves, and who is at the other end."""

from meterworks.trust.tls.context import TlsContext, client_context, server_context, session_name
from meterworks.trust.tls.credential import Credential, TlsFiles, TlsMemory
from meterworks.trust.tls.errors import PeerRefused, TlsFilesError
from meterworks.trust.tls.guard import SWEEP_S, Guard, Refusal
from meterworks.trust.tls.peer import Peer, check_peer, peer_of, peer_of_certificate, require_peer
from meterworks.trust.tls.policy import POLICIES, CertificateDemand, Interface, TlsPolicy

__all__ = [
    "POLICIES",
    "SWEEP_S",
    "CertificateDemand",
    "Credential",
    "Guard",
    "Interface",
    "Peer",
    "PeerRefused",
    "Refusal",
    "TlsContext",
    "TlsFiles",
    "TlsFilesError",
    "TlsMemory",
    "TlsPolicy",
    "check_peer",
    "client_context",
    "peer_of",
    "peer_of_certificate",
    "require_peer",
    "server_context",
    "session_name",
]
