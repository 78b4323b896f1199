"""The public key infrastructure: profiles, authorities, validation, enrolment and factory provisioning."""

from meterworks.trust.pki.role import PeerRole

__all__ = ["PeerRole"]
