"""Who may do what on the message bus's server: identities from client certificates, rights by subject.

The server takes the identity from the URI in a client certificate's subjectAltName, so no client tells a name, a
password or a token. What is not allowed is denied. Answers to a question are allowed to whoever was asked.

The server knows no revocation lists. Instead it is told the digests of the public keys it may meet (`pins`), and drops
live connections whose key is no longer among them when it is told anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["BusRight", "NatsTls"]

REPLY_EXPIRES = "10m"  # a meter that has to be waited for is read within it


@dataclass(frozen=True, slots=True, kw_only=True)
class BusRight:
    """What one identity may publish on and subscribe to: patterns of subjects. `answers`: it may reply to questions."""

    identity: str  # the certificate's URI
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    answers: bool = True

    def as_user(self) -> dict[str, Any]:
        """The row of the server's configuration. An empty list allows nothing, where the server would allow all."""
        permissions: dict[str, Any] = {
            "publish": {"allow": list(self.publish)} if self.publish else {"deny": [">"]},
            "subscribe": {"allow": list(self.subscribe)} if self.subscribe else {"deny": [">"]},
        }
        if self.answers:
            permissions["allow_responses"] = {"max": 1, "expires": REPLY_EXPIRES}
        return {"user": self.identity, "permissions": permissions}


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsTls:
    """The server's own certificate, whom it trusts and what each identity may do.

    pins: SHA-256 digests (lower-case hexadecimal) of the DER of the public keys it meets; empty: any key of a
    certificate that the anchors vouch for.
    """

    certificate: Path  # PEM, with the authorities between it and the anchor
    key: Path
    anchors: Path
    rights: tuple[BusRight, ...]
    pins: tuple[str, ...] = ()

    def as_configuration(self) -> Mapping[str, Any]:
        """The parts of the server's configuration."""
        tls: dict[str, Any] = {
            "cert_file": str(self.certificate.absolute()),
            "key_file": str(self.key.absolute()),
            "ca_file": str(self.anchors.absolute()),
            "verify_and_map": True,
            "handshake_first": True,  # nothing is said before both sides are known
            "min_version": "1.3",
            "timeout": 5,
        }
        if self.pins:
            tls["pinned_certs"] = list(self.pins)
        return {"tls": tls, "authorization": {"users": [right.as_user() for right in self.rights]}}
