"""The layers of general-ciphering and general-signing that settings of an association mean."""

from collections.abc import Callable

from meterworks.protocols.dlms.security import LayerKeys, Layers, SecurityContext
from meterworks.protocols.dlms.settings import AssociationSettings, ClientSettings, Tolerance

__all__ = ["layers_of"]


def layers_of(
    settings: AssociationSettings | ClientSettings,
    random_bytes: Callable[[int], bytes],
    context: SecurityContext | None,
    own_title: bytes,
    peer_title: bytes,
) -> Layers:
    """Give the layers of one end of an association, with the keys and tolerances of its settings."""
    tolerance = settings.tolerance
    keys = LayerKeys(
        suite=settings.suite,
        random_bytes=random_bytes,
        authentication_key=settings.gak,
        kek=settings.kek,
        signer=settings.signer,
        peer_signing_key=settings.peer_signing_key,
        key_agreement=settings.key_agreement,
        peer_agreement_key=settings.peer_agreement_key,
        old_algorithm_id=bool(tolerance & Tolerance.OLD_ALGORITHM_ID),
        fresh_counters=bool(tolerance & Tolerance.FRESH_KEY_COUNTER),
        signed_length=bool(tolerance & Tolerance.SIGNED_LENGTH),
        bare_headers=bool(tolerance & Tolerance.BARE_HEADER),
    )
    return Layers(keys, context, own_title, peer_title)
