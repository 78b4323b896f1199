"""Which makers' seals the registry honours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from meterworks.trust.pki import CrlStore, RevocationPolicy

__all__ = ["SealRule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealRule:
    """Which seals are honoured.

    maker_anchors: the makers' roots. owner: whom a shipment has to be for. at: the machine's time. is_required: whether
    shipments without a seal are refused. crls: reads the makers' revocation lists, when there is a seal to judge.
    revocation: what is done without a list.
    """

    maker_anchors: Sequence[x509.Certificate]
    owner: str
    at: datetime
    is_required: bool = False
    crls: Callable[[], CrlStore] | None = None
    revocation: RevocationPolicy | None = None
