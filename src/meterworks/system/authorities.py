"""The authorities of a system as a person at the machine works with them: opened, looked at, and every act recorded."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from meterworks.system.configuration import Layout
from meterworks.system.errors import ConfigurationError
from meterworks.system.trail import tell
from meterworks.system.vault import make_secrets, open_vault
from meterworks.trust.pki import (
    AUTHORITIES,
    LEDGER_FILE,
    CrlStore,
    DeviceRecord,
    DeviceState,
    Hierarchy,
    Ledger,
    Provisioning,
    SystemPki,
    ValidatedPeer,
    validate,
)

__all__ = [
    "AuthorityView",
    "device_records",
    "found_authorities",
    "issued_by",
    "known_authorities",
    "open_authorities",
    "recorded",
    "verdict_on",
    "view_authorities",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityView:
    """An authority for people. certificates: how many it made; revoked: how many of these are revoked."""

    name: str
    generation: int
    parent: str | None
    profile: str
    curve: str
    trusted: bool
    starts_at: datetime
    ends_at: datetime
    crl_number: int
    crl_ends_at: datetime | None
    certificates: int
    revoked: int


@contextlib.contextmanager
def open_authorities(layout: Layout) -> Iterator[SystemPki]:
    """Open the authorities and their keys. Raises ConfigurationError where there are none yet."""
    if not (layout.pki / LEDGER_FILE).exists():
        raise ConfigurationError(f"{layout.pki} holds no authorities: make them with `meterworks pki init`")
    pki = SystemPki.open(layout.pki, open_vault(layout, "pki"))
    try:
        yield pki
    finally:
        pki.close()


def device_records(layout: Layout, state: str | None = None) -> list[DeviceRecord]:
    """The devices of sealed shipments, by identity; needs no authority's key.

    Raises ConfigurationError where there are no authorities yet, or no such state.
    """
    if not (layout.pki / LEDGER_FILE).exists():
        raise ConfigurationError(f"{layout.pki} holds no authorities: make them with `meterworks pki init`")
    if state is not None and state not in set(DeviceState):
        raise ConfigurationError(f"{state} is no state of a device: take one of {', '.join(DeviceState)}")
    with contextlib.closing(Ledger(layout.pki / LEDGER_FILE)) as ledger:
        return Provisioning(ledger).devices(None if state is None else DeviceState(state))


def found_authorities(layout: Layout, hierarchies: Sequence[Hierarchy]) -> list[str]:
    """Make the authorities of these hierarchies that are not there yet, and publish; gives the names of all."""
    make_secrets(layout)
    pki = SystemPki.create(layout.pki, open_vault(layout, "pki"), hierarchies=hierarchies)
    try:
        pki.write_public(layout.pki_public)
        return list(dict.fromkeys(row.name for row in pki.ledger.authorities()))
    finally:
        pki.close()


def recorded(layout: Layout, act: str, about: str, **facts: str) -> None:
    """Record an act of the person at this machine, before it is done."""
    asyncio.run(tell(layout, act, facts=facts, about=about))


def view_authorities(pki: SystemPki) -> list[AuthorityView]:
    """Every generation of every authority, as the table of authorities orders them."""
    order = list(AUTHORITIES)
    rows = sorted(pki.ledger.authorities(), key=lambda row: (order.index(row.name), row.generation))
    return [_view(pki, row.name, row.generation, trusted=row.trusted) for row in rows]


def _view(pki: SystemPki, name: str, generation: int, *, trusted: bool) -> AuthorityView:
    certificate = pki.authority(name, generation).certificate
    kept = pki.ledger.crl(name, generation)
    crl = x509.load_der_x509_crl(kept) if kept else None
    issued = [
        row
        for row in pki.ledger.certificates(authority=name)
        if x509.load_der_x509_certificate(row.der).issuer == certificate.subject
    ]
    return AuthorityView(
        name=name,
        generation=generation,
        parent=AUTHORITIES[name].parent,
        profile=AUTHORITIES[name].profile,
        curve=AUTHORITIES[name].curve,
        trusted=trusted,
        starts_at=certificate.not_valid_before_utc,
        ends_at=certificate.not_valid_after_utc,
        crl_number=crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number if crl is not None else 0,
        crl_ends_at=crl.next_update_utc if crl is not None else None,
        certificates=len(issued),
        revoked=sum(row.revoked_at is not None for row in issued),
    )


def issued_by(pki: SystemPki, given: str) -> tuple[str, x509.Certificate] | None:
    """The authority and the certificate that a person names: by a PEM file, or by its serial number in hex digits."""
    path = Path(given)
    wanted = x509.load_pem_x509_certificate(path.read_bytes()).serial_number if path.is_file() else None
    for row in pki.ledger.certificates():
        certificate = x509.load_der_x509_certificate(row.der)
        if wanted == certificate.serial_number or f"{certificate.serial_number:x}" == given.lower():
            return row.authority, certificate
    return None


def known_authorities(public: Path) -> list[x509.Certificate]:
    """The roots that are published in a folder: those of peers, makers and the other hierarchies."""
    found: dict[bytes, x509.Certificate] = {}
    for path in sorted(public.glob("*.pem")):
        if not path.name.endswith("crl.pem"):
            for certificate in x509.load_pem_x509_certificates(path.read_bytes()):
                found[certificate.tbs_certificate_bytes] = certificate
    return list(found.values())


def verdict_on(
    chain: Sequence[bytes], profile: str, public: Path, *, identity: str | None, lists: bool = True
) -> ValidatedPeer:
    """Judge a chain by a profile, with the anchors, sub-CAs and revocation lists that a folder publishes.

    Times are the machine's. Raises CertificateRefused.
    """
    now = datetime.now(UTC)
    known = known_authorities(public)
    roots = [entry for entry in known if entry.subject == entry.issuer]
    store = CrlStore() if lists else None
    if store is not None:
        for path in sorted(public.glob("*.crl")):
            store.accept_all([path.read_bytes()], known, at=now)
    above = [entry for entry in known if entry.subject != entry.issuer]
    end = x509.load_der_x509_certificate(chain[0]) if _loads(chain[0]) else None
    useful = [entry for entry in above if end is not None and entry.subject == end.issuer]
    return validate([*chain, *useful], profile=profile, trust_anchors=roots, crls=store, at=now, identity=identity)


def _loads(der: bytes) -> bool:
    try:
        x509.load_der_x509_certificate(der)
    except ValueError:
        return False
    return True
