"""What each interface of the system speaks: versions, suites, groups, and who must show which role. One table.

Suites: ECDHE-ECDSA with AEAD only (TR-03116-3 and IEC 62351-3 allow CBC too; SEC-035 does not), AES of 128 and 256
bits. Groups: P-256 and P-384 everywhere; Brainpool toward the field, as TR-03116-3 has it. OpenSSL 3.0 negotiates
Brainpool with TLS 1.2 only (RFC 8734 came with 3.2), so a Brainpool certificate is served with TLS 1.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterworks.trust.pki import PeerRole

__all__ = ["POLICIES", "CertificateDemand", "Interface", "TlsPolicy"]

_GCM_12: Final = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384")
_CCM_12: Final = ("ECDHE-ECDSA-AES128-CCM", "ECDHE-ECDSA-AES256-CCM")
_GCM_13: Final = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384")
_CCM_13: Final = ("TLS_AES_128_CCM_SHA256",)
_NIST: Final = ("P-256", "P-384")
_BRAINPOOL: Final = ("brainpoolP256r1", "brainpoolP384r1")
_SIGNATURES: Final = ("ECDSA+SHA256", "ECDSA+SHA384")
_HOUR_S: Final = 3600.0
_RESUMPTION_S_MAX: Final = 12 * _HOUR_S
_SESSION_S_MAX: Final = 36 * _HOUR_S  # with the resumption before it 48 h, the limit of TR-03116-3 on the WAN


class Interface(StrEnum):
    """The kinds of connection that a system has."""

    METER = "meter"  # sessions of head-end and command to a meter, which is the server
    PUSH = "push"  # meters, hubs and gateways call the head-end
    DATAGRAM = "datagram"  # DTLS to devices over UDP
    BUS = "bus"
    DATABASE = "database"
    MARKET = "market"  # organisations with certificates of their own
    EST = "est"  # enrolment; a first request may come without a certificate
    WEB = "web"  # people with browsers; they log in, and show no certificate


class CertificateDemand(StrEnum):
    """What a server does about certificates of clients."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsPolicy:
    """One interface. Times in seconds of the machine's clock.

    server_roles, client_roles: who may be at either end; a role outside is refused after the handshake.
    session_s_max: a connection ends after it, resumption included. resumption_s_max: how long a ticket is good; ticket
    keys are renewed as often. handshake_s_max, handshakes_max: what one listener grants to those it does not know yet.
    """

    versions: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")
    suites_12: tuple[str, ...] = _GCM_12
    suites_13: tuple[str, ...] = _GCM_13
    groups: tuple[str, ...] = _NIST
    signature_algorithms: tuple[str, ...] = _SIGNATURES
    client_certificate: CertificateDemand = CertificateDemand.REQUIRED
    server_roles: frozenset[PeerRole]
    client_roles: frozenset[PeerRole]
    session_s_max: float = 24 * _HOUR_S
    resumption_s_max: float = _HOUR_S
    handshake_s_max: float = 10.0
    handshakes_max: int = 512


_EQUIPMENT: Final = frozenset({PeerRole.DEVICE, PeerRole.HUB, PeerRole.GATEWAY})
_CALLERS: Final = frozenset({PeerRole.HEADEND, PeerRole.COMMAND})
_SERVICES: Final = frozenset(role for role in PeerRole if role.is_service)

POLICIES: Final[Mapping[Interface, TlsPolicy]] = {
    Interface.METER: TlsPolicy(
        suites_12=_GCM_12 + _CCM_12,
        suites_13=_GCM_13 + _CCM_13,
        groups=_NIST + _BRAINPOOL,
        server_roles=_EQUIPMENT,
        client_roles=_CALLERS,
        session_s_max=_SESSION_S_MAX,
        resumption_s_max=_RESUMPTION_S_MAX,
    ),
    Interface.PUSH: TlsPolicy(
        suites_12=_GCM_12 + _CCM_12,
        suites_13=_GCM_13 + _CCM_13,
        groups=_NIST + _BRAINPOOL,
        server_roles=frozenset({PeerRole.HEADEND}),
        client_roles=_EQUIPMENT,
        session_s_max=_SESSION_S_MAX,
        resumption_s_max=_RESUMPTION_S_MAX,
    ),
    Interface.DATAGRAM: TlsPolicy(
        versions=("DTLSv1.2",),
        suites_12=_GCM_12 + _CCM_12,
        suites_13=(),
        groups=_NIST[:1],  # pyOpenSSL can set one
        server_roles=_EQUIPMENT,
        client_roles=_CALLERS,
        session_s_max=_SESSION_S_MAX,
        resumption_s_max=0.0,
        handshake_s_max=30.0,
    ),
    Interface.BUS: TlsPolicy(
        versions=("TLSv1.3",), server_roles=frozenset({PeerRole.NATS}), client_roles=_SERVICES,
        session_s_max=_SESSION_S_MAX,
    ),
    Interface.DATABASE: TlsPolicy(server_roles=frozenset({PeerRole.DATABASE}), client_roles=_SERVICES),
    Interface.MARKET: TlsPolicy(
        server_roles=frozenset({PeerRole.WEB}), client_roles=frozenset({PeerRole.ORGANISATION}),
    ),
    Interface.EST: TlsPolicy(
        client_certificate=CertificateDemand.OPTIONAL, server_roles=frozenset({PeerRole.PKI}),
        client_roles=frozenset(PeerRole),
    ),
    Interface.WEB: TlsPolicy(
        client_certificate=CertificateDemand.NONE, server_roles=frozenset({PeerRole.WEB}), client_roles=frozenset(),
    ),
}  # fmt: skip
"""The policy of each interface."""
