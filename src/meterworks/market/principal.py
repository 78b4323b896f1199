"""Who is asking: the authenticated user, the role and the identities that bound what may be seen."""

from dataclasses import dataclass
from datetime import datetime

from meterworks.catalogue import Role

__all__ = ["SECOND_FACTORS", "Principal"]

SECOND_FACTORS: frozenset[str] = frozenset({"totp", "passkey", "recovery", "provider-mfa", "certificate"})
"""What counts as a second factor, or as two at once: a passkey is unlocked by its owner, a provider tells that it asked
for more than a password (RFC 8176), a certificate's key belongs to a program of an organisation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated user, as its token said until `expires_at`. All times are real time, not system time."""

    user_id: int
    name: str
    role: Role
    organisation_id: int | None
    consumer_id: int | None
    token_hash: str
    expires_at: datetime
    scopes: frozenset[str] | None = None  # of an API token: the actions it was made for; None: all of the role's
    factors: frozenset[str] = frozenset()  # what was proven: password, totp, passkey, recovery, provider, certificate
    stepped_up_until: datetime | None = None  # until when the last proof counts as fresh
    thumbprint: str | None = None  # the token may come over this certificate's connection only (RFC 8705)
    elevated: frozenset[str] = frozenset()  # actions of an open break-glass, beyond the role's

    @property
    def has_second_factor(self) -> bool:
        """More than a password was proven."""
        return not self.factors.isdisjoint(SECOND_FACTORS)
