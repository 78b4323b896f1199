"""What a request does not say and its commands need: kinds of devices, the broker's part, certificates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from meterworks.catalogue.gb import DeviceKind, RemoteParty

__all__ = ["HubBackup", "Situation"]


@dataclass(frozen=True, slots=True)
class HubBackup:
    """What a hub told of its home network, so that another can take its place.

    network: extended PAN identifier, 8 octets. devices: EUI-64 of each and the hash of its link key, 16 octets.
    """

    network: bytes
    devices: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the carrier knows when it makes a command of a request.

    device: kind of the target. device_codes: message codes the target's model knows, None where they are not listed;
    they settle what no request says (one phase or three, an older issue of GBCS or a newer one).
    party: the role of the user towards the device. knows_originator: whether the device holds the user's certificates;
    otherwise the broker speaks for it. user: EUI-64 of the user in whose behalf the broker asks by itself (a request
    in the broker's name), None elsewhere.
    broker: EUI-64 of the access control broker, and broker_counter the counter it sends with where it is the originator
    (for unknown remote parties, and in its own name). change_of_supplier, change_of_supplier_counter: the same of the
    carrier's party for change of supplier.
    certificates: DER by EUI-64 and usage ("sign" or "agree"). device_kinds: of other devices a request names (joins,
    hub logs). device_logs: what the carrier kept of a hub's or its gas part's device log, by the EUI-64 of that hub:
    the devices in the order of the log. hub_backups: of whole hubs, by the same.
    has_second_element: whether the target, an electricity meter, measures two elements.
    made_at: when the command is made, which tells it from earlier ones (issuer event of gas commands).
    customer_number: what a meter is to show so that its customer can prove to be there (customer identification
    number); the carrier draws it.
    """

    device: DeviceKind
    broker: bytes
    broker_counter: int | None = None
    change_of_supplier: bytes | None = None
    change_of_supplier_counter: int | None = None
    device_codes: frozenset[int] | None = None
    party: RemoteParty = RemoteParty.SUPPLIER
    knows_originator: bool = True
    user: bytes | None = None
    certificates: Mapping[tuple[bytes, str], bytes] = field(default_factory=lambda: MappingProxyType({}))
    device_kinds: Mapping[bytes, DeviceKind] = field(default_factory=lambda: MappingProxyType({}))
    device_logs: Mapping[bytes, tuple[bytes, ...]] = field(default_factory=lambda: MappingProxyType({}))
    hub_backups: Mapping[bytes, HubBackup] = field(default_factory=lambda: MappingProxyType({}))
    has_second_element: bool = False
    made_at: datetime | None = None
    customer_number: str = ""
