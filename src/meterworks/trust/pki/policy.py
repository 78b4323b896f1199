"""Certificate policies along a path.

None of our profiles maps one policy onto another, so the policies that hold are the sets that all certificates have in
common, and a mapping refuses.  Source: RFC 5280, 6.1.3 (d) to (f), 6.1.4 (a), (h) to (j), 6.1.5 (a), (b), (g).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from meterworks.trust.pki.anatomy import Anatomy, extension_of
from meterworks.trust.pki.errors import CertificateRefused
from meterworks.trust.pki.profile import CertificateProfile
from meterworks.trust.pki.reason import Reason

__all__ = ["check_policies"]

ANY_POLICY: Final = "2.5.29.32.0"
POLICY_MAPPINGS: Final = "2.5.29.33"


@dataclass(slots=True)
class _State:
    """valid: the policies that hold so far, None for any. explicit, inhibited: how many certificates on a policy must
    hold, and any-policy counts no more."""

    valid: frozenset[str] | None
    explicit: int
    inhibited: int


def check_policies(path: Sequence[Anatomy], profile: CertificateProfile) -> None:
    """Refuse a path (end entity first) whose policies do not hold one of the profile's.

    Raises CertificateRefused: POLICY, POLICY_MAPPING.
    """
    size = len(path)
    state = _State(valid=None, explicit=0 if profile.policies else size + 1, inhibited=size + 1)
    for place, entry in enumerate(reversed(path), start=1):
        certificate, is_last = entry.certificate, place == size
        if any(extension.oid.dotted_string == POLICY_MAPPINGS for extension in entry.extensions):
            raise _refusal(entry, "maps one policy onto another", Reason.POLICY_MAPPING)
        own = certificate.subject == certificate.issuer
        _narrow(state, certificate, any_counts=state.inhibited > 0 or (own and not is_last))
        if state.explicit == 0 and state.valid == frozenset():
            raise _refusal(entry, "ends every policy that held above it", Reason.POLICY)
        if not own:
            state.explicit, state.inhibited = max(0, state.explicit - 1), max(0, state.inhibited - 1)
        _limit(state, certificate, is_last=is_last)
    _check_outcome(state, path[0], profile)


def _narrow(state: _State, certificate: x509.Certificate, *, any_counts: bool) -> None:
    found = extension_of(certificate, x509.CertificatePolicies)
    named = frozenset(entry.policy_identifier.dotted_string for entry in found or ())
    if ANY_POLICY in named and any_counts:
        return
    named -= {ANY_POLICY}
    state.valid = named if state.valid is None else state.valid & named


def _limit(state: _State, certificate: x509.Certificate, *, is_last: bool) -> None:
    limits = extension_of(certificate, x509.PolicyConstraints)
    required = limits.require_explicit_policy if limits is not None else None
    if required is not None and (required == 0 or not is_last):
        state.explicit = min(state.explicit, required)
    inhibit = extension_of(certificate, x509.InhibitAnyPolicy)
    if inhibit is not None:
        state.inhibited = min(state.inhibited, inhibit.skip_certs)


def _check_outcome(state: _State, entry: Anatomy, profile: CertificateProfile) -> None:
    held = state.valid
    if profile.policies:
        held = frozenset(profile.policies) if held is None else held & frozenset(profile.policies)
        if not held:
            raise _refusal(entry, f"is under none of the policies of {profile.name}", Reason.POLICY)
    elif state.explicit == 0 and held == frozenset():
        raise _refusal(entry, "is under no policy, which an authority above it demands", Reason.POLICY)


def _refusal(entry: Anatomy, what: str, reason: Reason) -> CertificateRefused:
    return CertificateRefused(f"{entry.subject_text} {what}", reason=reason)
