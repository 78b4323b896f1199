"""Revocation lists: accepted once, kept by issuer, never rolled back; and what each interface does without one.

Times are the machine's clock, as OpenSSL judges.  Source: RFC 5280, 5 and 6.3; SECURITY fact sheet SEC-126.
"""

import contextlib
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from meterworks.runtime import write_atomically
from meterworks.trust.pki.build import key_digest
from meterworks.trust.pki.der import check_canonical
from meterworks.trust.pki.errors import CertificateRefused, PkiUsageError
from meterworks.trust.pki.reason import Reason

__all__ = ["REVOCATION_POLICIES", "CrlStore", "MissingList", "RevocationPolicy", "revocation_policy_of"]

CRL_SIZE_MAX: Final = 8 * 1024 * 1024  # octets: some 200,000 entries
SLOW_CLOCK: Final = timedelta(minutes=5)  # a list from that far ahead is taken for a peer's faster clock
_UNDERSTOOD: Final = frozenset({"2.5.29.20", "2.5.29.35"})  # CRL number, authority key identifier


class MissingList(Enum):
    """What happens where no current list of an authority is there."""

    REFUSE = "refuse"
    WARN = "warn"  # accepted, and said so


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationPolicy:
    """What an interface does about revocation.

    missing: what happens without a list. grace: how long after its end a list still serves. refreshed: how often the
    relying party looks for a newer list, so that a revocation takes effect within this time.
    """

    missing: MissingList = MissingList.REFUSE
    grace: timedelta = timedelta(0)
    refreshed: timedelta = timedelta(minutes=1)


REVOCATION_POLICIES: Final[Mapping[str, RevocationPolicy]] = MappingProxyType(
    {
        "bus": RevocationPolicy(),
        "database": RevocationPolicy(),
        "market": RevocationPolicy(),
        "enrolment": RevocationPolicy(),
        # A list that the PKI cannot renew for a day must not darken a country's meters; nor may there be none at all.
        "wan": RevocationPolicy(grace=timedelta(days=1)),
        # A device in the field fetches nothing: it is told, and trusts its anchors meanwhile.
        "device": RevocationPolicy(missing=MissingList.WARN, grace=timedelta(days=30), refreshed=timedelta(days=1)),
        # A maker's seal: other makers may publish no list, and what has been unpacked is not sent back for that.
        "shipment": RevocationPolicy(missing=MissingList.WARN),
        # Evidence years later is judged by the lists kept with it.
        "archive": RevocationPolicy(refreshed=timedelta(days=1)),
    }
)


def revocation_policy_of(interface: str) -> RevocationPolicy:
    """The row of an interface. Raises PkiUsageError, which names those there are."""
    if interface not in REVOCATION_POLICIES:
        raise PkiUsageError(
            f"no revocation policy for the interface {interface}: it is one of {', '.join(REVOCATION_POLICIES)}",
            interface=interface,
        )
    return REVOCATION_POLICIES[interface]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A list that was accepted. number: its CRL number. revoked: time and reason by serial number."""

    number: int
    crl: x509.CertificateRevocationList


class CrlStore:
    """The newest list of each authority that a relying party has accepted. Safe to use from several threads.

    folder: where accepted lists are kept, so that a restart forgets no number; None keeps them in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._kept: dict[bytes, _Kept] = {}
        self._lock = threading.Lock()
        if folder is not None and folder.is_dir():
            for path in sorted(folder.glob("*.crl")):
                self._load(path)

    def accept(self, data: bytes, issuer: x509.Certificate, *, at: datetime) -> int:
        """Take in a list (DER or PEM) of the authority, if it is the newest; gives its number.

        The list that is there already changes nothing. Raises CertificateRefused: CRL_MALFORMED, NOT_CANONICAL,
        CRL_FORGED (another signer), CRL_NOT_YET_VALID, CRL_EXPIRED, CRL_ROLLED_BACK (a lower number than was seen, or
        another list under the same one).
        """
        crl = _read(data)
        number = _check(crl, issuer, at)
        key = _holder(issuer)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and (number, crl) != (kept.number, kept.crl) and number <= kept.number:
                raise CertificateRefused(
                    f"the list {number} of {_name(issuer)} is older than the list {kept.number} accepted before",
                    reason=Reason.CRL_ROLLED_BACK,
                    number=number,
                )
            self._kept[key] = _Kept(number=number, crl=crl)
        if self._folder is not None:
            write_atomically(self._folder / f"{key.hex()}.crl", crl.public_bytes(Encoding.DER))
        return number

    def accept_all(self, lists: Iterable[bytes], issuers: Iterable[x509.Certificate], *, at: datetime) -> int:
        """Take in every list that is one of these authorities'; gives how many. Raises as `accept` at the first one."""
        by_name = {issuer.subject: issuer for issuer in issuers}
        count = 0
        for data in lists:
            issuer = by_name.get(_read(data).issuer)
            if issuer is not None:
                self.accept(data, issuer, at=at)
                count += 1
        return count

    def check(
        self, certificate: x509.Certificate, issuer: x509.Certificate, policy: RevocationPolicy, *, at: datetime
    ) -> str | None:
        """Refuse a revoked certificate; gives a warning where the policy lets a missing or stale list pass.

        Raises CertificateRefused: REVOKED, CRL_MISSING, CRL_EXPIRED.
        """
        kept = self._kept.get(_holder(issuer))
        if kept is None:
            return _without(policy, Reason.CRL_MISSING, f"there is no revocation list of {_name(issuer)}")
        entry = kept.crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if entry is not None and entry.revocation_date_utc <= at:
            raise CertificateRefused(
                f"{_name(certificate)} was revoked on {entry.revocation_date_utc:%Y-%m-%d %H:%M:%S} UTC",
                reason=Reason.REVOKED,
                serial_number=f"{certificate.serial_number:x}",
            )
        end = kept.crl.next_update_utc
        if end is None or at <= end:
            return None
        late = f"the revocation list {kept.number} of {_name(issuer)} ended on {end:%Y-%m-%d %H:%M:%S} UTC"
        if at <= end + policy.grace:
            return f"{late}, which this interface still accepts"
        return _without(policy, Reason.CRL_EXPIRED, late)

    def ends_at(self, issuer: x509.Certificate) -> datetime | None:
        """When the list of an authority ends; None without one."""
        kept = self._kept.get(_holder(issuer))
        return kept.crl.next_update_utc if kept else None

    def number(self, issuer: x509.Certificate) -> int | None:
        """The number of the list of an authority; None without one."""
        kept = self._kept.get(_holder(issuer))
        return kept.number if kept else None

    def _load(self, path: Path) -> None:
        """A list that we kept was judged when it came; one that was damaged since is as one that never came."""
        with contextlib.suppress(CertificateRefused, OSError, ValueError):
            crl = _read(path.read_bytes())
            self._kept[bytes.fromhex(path.stem)] = _Kept(number=_number(crl), crl=crl)


def _without(policy: RevocationPolicy, reason: Reason, what: str) -> str:
    if policy.missing is MissingList.REFUSE:
        raise CertificateRefused(f"{what}, and this interface accepts nobody without one", reason=reason)
    return what


def _read(data: bytes) -> x509.CertificateRevocationList:
    if len(data) > CRL_SIZE_MAX:
        raise _malformed(f"it has {len(data)} octets, more than {CRL_SIZE_MAX}")
    try:
        crl = x509.load_pem_x509_crl(data) if data.lstrip()[:5] == b"-----" else x509.load_der_x509_crl(data)
        _ = (crl.issuer, crl.extensions, crl.next_update_utc, crl.signature_algorithm_oid)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _malformed(str(error)) from error
    check_canonical(crl.public_bytes(Encoding.DER))
    return crl


def _check(crl: x509.CertificateRevocationList, issuer: x509.Certificate, at: datetime) -> int:
    """Judge a list; gives its number."""
    number = _number(crl)
    _check_signature(crl, issuer)
    for extension in crl.extensions:
        if extension.critical and extension.oid.dotted_string not in _UNDERSTOOD:
            raise _malformed(f"its critical extension {extension.oid.dotted_string} is not understood here")
    if crl.last_update_utc > at + SLOW_CLOCK:
        raise CertificateRefused(
            f"the list {number} of {_name(issuer)} begins only on {crl.last_update_utc:%Y-%m-%d %H:%M:%S} UTC",
            reason=Reason.CRL_NOT_YET_VALID,
        )
    if crl.next_update_utc is None:
        raise _malformed("it does not say when the next one comes")
    if crl.next_update_utc < at:
        raise CertificateRefused(
            f"the list {number} of {_name(issuer)} ended on {crl.next_update_utc:%Y-%m-%d %H:%M:%S} UTC",
            reason=Reason.CRL_EXPIRED,
        )
    return number


def _check_signature(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> None:
    key = issuer.public_key()
    algorithm = crl.signature_hash_algorithm
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        usage = False
    if crl.issuer != issuer.subject or not usage or not isinstance(key, ec.EllipticCurvePublicKey) or algorithm is None:
        raise _forged(issuer)
    if algorithm.digest_size * 8 < 256:
        raise CertificateRefused(f"it is signed with {algorithm.name}, which is too weak", reason=Reason.WEAK_HASH)
    try:
        key.verify(crl.signature, crl.tbs_certlist_bytes, ec.ECDSA(algorithm))
    except InvalidSignature as error:
        raise _forged(issuer) from error


def _number(crl: x509.CertificateRevocationList) -> int:
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound as error:
        raise _malformed("it has no number") from error


def _holder(issuer: x509.Certificate) -> bytes:
    """Lists belong to an authority's key, whichever certificate of it is at hand."""
    key = issuer.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key_digest(key)


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or f"certificate {certificate.serial_number:x}"


def _forged(issuer: x509.Certificate) -> CertificateRefused:
    return CertificateRefused(
        f"the revocation list is not signed by {_name(issuer)}, whose it should be", reason=Reason.CRL_FORGED
    )


def _malformed(what: str) -> CertificateRefused:
    return CertificateRefused(f"this is no revocation list that can be used: {what}", reason=Reason.CRL_MALFORMED)
