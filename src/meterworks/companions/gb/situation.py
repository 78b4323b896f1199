"""What a request does not say and its commands need: kinds of devices, the broker's part, certificates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from meterworks.catalogue.gb import DeviceKind

__all__ = ["Situation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the carrier knows when it makes a command of a request.

    device: kind of the target. broker: EUI-64 of the access control broker, and broker_counter the counter it sends
    with where it is the originator (for unknown remote parties, and in its own name). knows_originator: whether the
    device holds the user's certificates; otherwise the broker speaks for it. certificates: DER by EUI-64 and usage
    ("sign" or "agree"). device_kinds: of other devices a request names (joins, hub logs).
    """

    device: DeviceKind
    broker: bytes
    broker_counter: int | None = None
    knows_originator: bool = True
    certificates: Mapping[tuple[bytes, str], bytes] = field(default_factory=lambda: MappingProxyType({}))
    device_kinds: Mapping[bytes, DeviceKind] = field(default_factory=lambda: MappingProxyType({}))
