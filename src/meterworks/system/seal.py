"""Quality seals of shipments in this system: whose are honoured, and the one its own neighbourhood is shipped under."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from meterworks.registry import SealRule, sealed_file
from meterworks.system.configuration import Layout
from meterworks.system.errors import ConfigurationError
from meterworks.trust.pki import (
    CertificateSubject,
    CrlStore,
    ManufacturedDevice,
    PeerRole,
    Provisioning,
    Shipment,
    SystemPki,
    open_shipment,
    revocation_policy_of,
    seal_shipment,
)

__all__ = ["MAKER", "admit_sealed", "seal_file", "seal_rule"]

MAKER: Final = "Meterworks"  # of the emulated meters
AUTHORITY: Final = "maker"
SEAL_LIFETIME: Final = timedelta(days=1)  # its key is forgotten once the one shipment is sealed


def seal_rule(layout: Layout) -> SealRule:
    """Read whose seals are honoured now: of this system's maker, and of those in the folder `pki.makers`.

    Production takes sealed shipments only. Times are the machine's. Raises ConfigurationError for a file that cannot be
    read; reading a list that is forged, malformed or ended raises CertificateRefused.
    """
    now = datetime.now(UTC)
    sources = [_read(layout.pki_public, f"{AUTHORITY}*")]
    if layout.configuration.pki.makers is not None:
        sources.append(_read(layout.configuration.pki.makers, "*"))

    def crls() -> CrlStore:
        store = CrlStore()
        for roots, lists in sources:  # by folder: two makers may have given their roots the same name
            store.accept_all(lists, roots, at=now)
        return store

    return SealRule(
        maker_anchors=[root for roots, _ in sources for root in roots],
        owner=layout.configuration.pki.owner,
        at=now,
        is_required=layout.configuration.system.production,
        crls=crls,
        revocation=revocation_policy_of("shipment"),
    )


def _read(folder: Path, name: str) -> tuple[list[x509.Certificate], list[bytes]]:
    """The roots and the revocation lists of a folder."""
    try:
        texts = [path.read_bytes() for path in sorted(folder.glob(f"{name}.pem"))]
        roots = [root for text in texts for root in x509.load_pem_x509_certificates(text)]
        return roots, [path.read_bytes() for path in sorted(folder.glob(f"{name}.crl"))]
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the makers' roots in {folder} cannot be read: {error}") from error


def admit_sealed(seal: bytes, rule: SealRule, provisioning: Provisioning) -> int:
    """Let the devices of a sealed shipment enrol; `seal`: its first line, which is judged here. Gives how many are new.

    Raises ShipmentRefused or CertificateRefused for a seal that does not hold, EnrolmentRefused where a device is known
    with other keys or another owner, or a key is another device's: then none is admitted.
    """
    shipment = open_shipment(
        seal,
        maker_anchors=rule.maker_anchors,
        owner=rule.owner,
        at=rule.at,
        crls=None if rule.crls is None else rule.crls(),
        revocation=rule.revocation,
    )
    return provisioning.admit(shipment, seal, now=rule.at)


def seal_file(
    content: bytes, pki: SystemPki, *, owner: str, keys: Mapping[str, Mapping[str, str]] | None = None
) -> bytes:
    """Seal a shipment in JSON as this system's own maker, for an owner; the key of the seal is made for it alone.

    keys: SHA-256 (hex) of the public keys of the first certificates by identity and profile; a device without one of
    them enrols with a token only.
    """
    given = pki.issue_credentials(
        AUTHORITY, "maker-seal", CertificateSubject(identity=MAKER, role=PeerRole.MAKER), lifetime=SEAL_LIFETIME
    )
    digest = hashlib.sha256(content).hexdigest()
    names = ("serial", "identity", "model", "firmware")
    shipment = Shipment(
        number=digest[:16],
        maker=MAKER,
        owner=owner,
        made_at=datetime.now(UTC),
        devices=tuple(
            ManufacturedDevice(**{name: row[name] for name in names}, keys=(keys or {}).get(row["identity"], {}))
            for row in json.loads(content)["devices"]
        ),
        file_digest=digest,
    )
    return sealed_file(seal_shipment(shipment, given.key, [given.certificate, *given.chain]), content)
