"""Requests of organisations as evidence: the original octets, with the certificates and revocation lists of that time.

Kept are requests that change something or ask something of a meter, from callers who showed a certificate of their own;
what is only read stands in the access log. TLS signs no request: what is kept shows what the listener took from a
connection that this certificate's key had opened, and the trail shows when.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from meterworks.market.acts import actor_of
from meterworks.market.principal import Principal
from meterworks.market.services import CertificatesAbove, MarketServices
from meterworks.trust.audit import Evidence, EvidenceItem, Kept
from meterworks.trust.tls import Peer

__all__ = ["SAFE_METHODS", "RequestEvidence"]

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
KEPT_HEADERS: Final = (b"content-type", b"content-length", b"meterworks-role", b"authorization")
_HIDDEN: Final = frozenset({b"authorization"})  # evidence tells that there was one, never what it was


class RequestEvidence:
    """Keeps requests in the archive of evidence."""

    def __init__(self, services: MarketServices) -> None:
        self._archive = Evidence(services.database, services.audit, clock=services.clock)
        self._above = services.certificates_above or (lambda _der: CertificatesAbove())

    async def keep(
        self,
        principal: Principal,
        peer: Peer,
        *,
        request_id: str,
        line: str,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
    ) -> Kept:
        """Keep one request before it is carried out; line: method and target.

        Raises UnreachableError where database or trail is away: then it is not carried out.
        """
        above = await asyncio.to_thread(self._above, peer.certificate_der)
        item = EvidenceItem(
            kind="request",
            subject=f"request:{request_id}",
            sender=_sender(principal),
            content=_octets(line, headers, body),
            proved_by="mutual TLS",
            certificates=(peer.certificate_der, *above.chain),
            revocation=above.revocation,
            about={"role": principal.role.value, "serial_number": f"{peer.serial_number:x}"},
        )
        return await self._archive.keep(item)


def _octets(line: str, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bytes:
    """The request as it came, but for headers that say nothing of what is asked, and for secrets."""
    kept = [(name, b"..." if name in _HIDDEN else value) for name, value in headers if name in KEPT_HEADERS]
    head = b"".join(name + b": " + value + b"\r\n" for name, value in kept)
    return line.encode() + b"\r\n" + head + b"\r\n" + body


def _sender(principal: Principal) -> str:
    """The organisation whose certificate it is; a person's token may come over the same connection."""
    if principal.organisation_id is None:
        return actor_of(principal)
    return f"organisation:{principal.organisation_id}"
