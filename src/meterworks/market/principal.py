"""Who is asking: the authenticated user, the role and the identities that bound what may be seen."""

from dataclasses import dataclass
from datetime import datetime

from meterworks.catalogue import Role

__all__ = ["Principal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated user, as its token said until `expires_at`."""

    user_id: int
    name: str
    role: Role
    organisation_id: int | None
    consumer_id: int | None
    token_hash: str
    expires_at: datetime
