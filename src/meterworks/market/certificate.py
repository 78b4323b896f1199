"""An organisation that comes with its certificate, and without a person: a program of it.

The certificate's identity is the organisation's EUI-64. It says which role it speaks in where it holds several.
"""

from meterworks.catalogue import Role
from meterworks.market.errors import NotAuthenticated
from meterworks.market.market import Market
from meterworks.market.principal import Principal
from meterworks.registry import Organisation
from meterworks.trust.pki import PeerRole
from meterworks.trust.tls import Peer

__all__ = ["principal_of_certificate"]


async def principal_of_certificate(market: Market, peer: Peer, *, role: str | None) -> Principal:
    """The organisation behind a peer, in a role it holds now. Raises NotAuthenticated.

    role: what the request's `Meterworks-Role` header says. The certificate itself was judged by the listener, by the
    machine's clock; the role is held by the system's.
    """
    if peer.role is not PeerRole.ORGANISATION:
        raise NotAuthenticated("this certificate is no organisation's")
    found = await _organisation(market, peer.identity)
    now = market.clock.now()
    held = sorted({each.role.value for each in found.roles if each.span.contains(now)})
    wanted = role if role is not None else held[0] if len(held) == 1 else ""
    if wanted not in held:
        raise NotAuthenticated("say in the header Meterworks-Role in which role you come; it must be one you hold now")
    return Principal(
        user_id=0,
        name=f"{found.name[:100]} (certificate)",
        role=Role(wanted),
        organisation_id=found.id,
        consumer_id=None,
        token_hash="",
        expires_at=now,
        factors=frozenset({"certificate"}),
    )


async def _organisation(market: Market, identity: str) -> Organisation:
    wanted = identity.replace("-", "").lower()
    for organisation in await market.registry.organisations():  # tens of them
        if organisation.eui64.replace("-", "").lower() == wanted:
            return organisation
    raise NotAuthenticated("no organisation of this certificate is known")
