"""Who a certificate speaks for: the roles of a system's processes, devices and parties."""

from enum import StrEnum

__all__ = ["PeerRole"]


class PeerRole(StrEnum):
    """The role a certificate names in its URI `urn:meterworks:<role>:<identity>`. A peer speaks in no other one."""

    NATS = "nats"
    HEADEND = "headend"
    FLEET = "fleet"
    WRITER = "writer"
    WEB = "web"
    PKI = "pki"
    AUDIT = "audit"
    SUPERVISOR = "supervisor"
    DATABASE = "database"
    COMMAND = "command"  # the `meterworks` command of a person at the machine
    DEVICE = "device"
    HUB = "hub"
    GATEWAY = "gateway"
    ORGANISATION = "organisation"
    MAKER = "maker"

    @property
    def is_service(self) -> bool:
        """Whether it is a process of the system, certified by the sub-CA of services."""
        return self not in _OTHERS

    @property
    def is_equipment(self) -> bool:
        """Whether it is equipment in the field, certified by the sub-CA of devices; its identity is 16 hex digits."""
        return self in _EQUIPMENT


_EQUIPMENT = frozenset({PeerRole.DEVICE, PeerRole.HUB, PeerRole.GATEWAY})
_OTHERS = _EQUIPMENT | {PeerRole.ORGANISATION, PeerRole.MAKER}
