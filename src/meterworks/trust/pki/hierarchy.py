"""Who stands under whom: the authorities of a PKI as a table.

A system's own hierarchy has an everyday root and a recovery root that relying parties trust from the first day, so that
the loss of the everyday one is answered without touching a single peer. The maker's authority stands apart: its
certificates open enrolment and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from meterworks.trust.keystore import CurveName
from meterworks.trust.pki.name import CertificateSubject
from meterworks.trust.pki.profile import PROFILES, SubjectForm, profile_of

__all__ = ["AUTHORITIES", "HIERARCHIES", "AuthoritySpec", "Hierarchy", "authority_subject"]

Hierarchy = Literal["system", "gb", "sm-pki"]
HIERARCHIES: Final[tuple[Hierarchy, ...]] = ("system", "gb", "sm-pki")


@dataclass(frozen=True, slots=True)
class AuthoritySpec:
    """An authority of a hierarchy. parent: None signs itself. trusted: whether peers of the system anchor in it."""

    name: str
    hierarchy: Hierarchy
    profile: str
    parent: str | None
    curve: CurveName
    issues: tuple[str, ...]
    trusted: bool = False


_TLS = ("tls-service", "tls-server", "tls-client")
_DLMS = tuple(name for name in PROFILES if name.startswith("dlms-"))
_SM = tuple(name for name in PROFILES if name.startswith("sm-") and not PROFILES[name].is_authority)
_GB_ORGANISATION = ("gb-organisation-signature", "gb-organisation-agreement")
_GB_DEVICE = ("gb-device-signature", "gb-device-agreement")
_BP256: Final = "brainpoolP256r1"
_ROWS: Final = (
    AuthoritySpec("root", "system", "root", None, "P-256", ("root", "sub-ca"), trusted=True),
    AuthoritySpec("recovery", "system", "root", None, "P-256", ("root", "sub-ca"), trusted=True),
    AuthoritySpec("services", "system", "sub-ca", "root", "P-256", _TLS),
    AuthoritySpec("devices", "system", "sub-ca", "root", "P-256", _DLMS),
    AuthoritySpec("organisations", "system", "sub-ca", "root", "P-256", _TLS),
    AuthoritySpec("maker", "system", "maker-ca", None, "P-256", ("maker-seal", *_DLMS)),
    AuthoritySpec("gb-root", "gb", "gb-root", None, "P-256", ("gb-root", "gb-issuing-ca")),
    AuthoritySpec("gb-organisations", "gb", "gb-issuing-ca", "gb-root", "P-256", _GB_ORGANISATION),
    AuthoritySpec("gb-devices", "gb", "gb-issuing-ca", "gb-root", "P-256", _GB_DEVICE),
    AuthoritySpec("sm-root", "sm-pki", "sm-root", None, _BP256, ("sm-root", "sm-sub-ca")),
    AuthoritySpec("sm-sub-ca", "sm-pki", "sm-sub-ca", "sm-root", _BP256, _SM),
)
AUTHORITIES: Final[Mapping[str, AuthoritySpec]] = MappingProxyType({row.name: row for row in _ROWS})


def authority_subject(name: str, generation: int) -> CertificateSubject:
    """Who an authority's certificate is for; each generation has a name of its own, so that no path is ambiguous."""
    spec = AUTHORITIES[name]
    if profile_of(spec.profile).subject is SubjectForm.SM_PKI:
        return CertificateSubject(identity="Root" if spec.parent is None else "Meterworks", sequence=generation)
    return CertificateSubject(identity=f"{name} {generation}")
