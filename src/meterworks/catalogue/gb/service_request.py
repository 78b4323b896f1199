"""Service requests of the GB system: what an organisation may ask, in which role, of which device.

Source: DUIS request matrix and schema, as collected in the fact tables; rows that a source left blank are not verified,
and nobody may ask them until somebody has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from meterworks.catalogue.errors import CatalogueError
from meterworks.catalogue.gb.table_file import Cells, load_table, truth, words
from meterworks.catalogue.permission import Role

__all__ = ["DeviceKind", "RequestMode", "ServiceRequest", "load_service_requests"]

COLUMNS = ("variant", "name", "critical", "modes", "roles", "verified", "devices", "use_cases", "body")


class DeviceKind(StrEnum):
    """Kinds of devices at a consumer's premises."""

    ESME = "ESME"  # electricity meter
    GSME = "GSME"  # gas meter
    CHF = "CHF"  # communications hub
    GPF = "GPF"  # the hub's copy of the gas meter
    PPMID = "PPMID"  # prepayment display
    HCALCS = "HCALCS"  # load switch
    SAPC = "SAPC"  # stand-alone auxiliary controller


class RequestMode(StrEnum):
    """When and by which way a request may be carried out."""

    ON_DEMAND = "on-demand"
    DEVICE_DATED = "device-dated"  # the device holds it until its time
    CARRIER_DATED = "carrier-dated"  # the carrier holds it until its time
    SCHEDULED = "scheduled"  # again and again, by the carrier
    LOCAL = "local"  # the command may be handed back, to be delivered at the premises


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRequest:
    """One service reference variant.

    critical: the organisation signs the command itself. roles: empty where no source names them. devices: empty where
    the carrier answers by itself. use_cases: GBCS use cases its commands belong to. body: name of its element in DUIS.
    """

    variant: str
    name: str
    critical: bool
    modes: frozenset[RequestMode]
    roles: frozenset[Role]
    verified: bool
    devices: frozenset[DeviceKind]
    use_cases: tuple[str, ...]
    body: str

    @property
    def reference(self) -> str:
        """The service reference: a variant with three numbers belongs to the one with its first two."""
        return ".".join(self.variant.split(".")[:2])

    def may_be_asked_by(self, role: Role) -> bool:
        """Whether a role may ask it at all. What is not verified is denied."""
        return self.verified and role in self.roles


def load_service_requests(additions: Sequence[Path] = ()) -> Mapping[str, ServiceRequest]:
    """The requests by variant. additions: folders of makers. Raises CatalogueError."""
    return load_table("service_requests.csv", COLUMNS, _read, lambda row: row.variant, additions)


def _read(cells: Cells) -> ServiceRequest:
    critical, verified = truth(cells["critical"]), truth(cells["verified"])
    if critical is None or verified is None:
        raise CatalogueError("critical and verified are yes or no")
    devices = frozenset(map(DeviceKind, words(cells["devices"])))
    modes = frozenset(map(RequestMode, words(cells["modes"])))
    if bool(devices) != bool(modes):
        raise CatalogueError("a request to a device has modes, one to the carrier has none")
    if not cells["body"] or not cells["name"] or not cells["variant"]:
        raise CatalogueError("variant, name and body are never empty")
    return ServiceRequest(
        variant=cells["variant"],
        name=cells["name"],
        critical=critical,
        modes=modes,
        roles=frozenset(map(Role, words(cells["roles"]))),
        verified=verified,
        devices=devices,
        use_cases=words(cells["use_cases"]),
        body=cells["body"],
    )
