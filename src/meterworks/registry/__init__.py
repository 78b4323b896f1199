"""Who and where: usage points, devices and their dated installations, keys, organisations, consumers."""

from meterworks.registry.channel import DeviceChannel, channel_rows
from meterworks.registry.consumer import Consumer, Occupancy
from meterworks.registry.dated import Span
from meterworks.registry.device import ConnectionKind, Device, DeviceKeys, DeviceState, IdentityScheme, NewDevice
from meterworks.registry.device_search import DeviceCounts, DeviceFilter, PlacedDevice
from meterworks.registry.errors import (
    AlreadyThereError,
    InstallationError,
    InvalidValueError,
    KeyStateError,
    OverlapError,
    ShipmentError,
    ShipmentSealError,
    UnknownRecordError,
)
from meterworks.registry.installation import Installation
from meterworks.registry.key import KeyChange, KeySelection, has_device_keys
from meterworks.registry.key_row import STORE_KEY
from meterworks.registry.key_version import (
    COUNTER_JUMP,
    SYMMETRIC_KINDS,
    KeyHand,
    KeyKind,
    KeyOrigin,
    KeyState,
    KeyVersion,
    NewKey,
)
from meterworks.registry.organisation import Organisation, OrganisationKind, OrganisationRole
from meterworks.registry.registration import Registration
from meterworks.registry.registry import Registry
from meterworks.registry.seal_rule import SealRule
from meterworks.registry.shipment import RowOutcome, RowResult, ShipmentNotice, ShipmentResult
from meterworks.registry.shipment_act import shipment_accepted, shipment_refused
from meterworks.registry.shipment_file import (
    SHIPMENT_COLUMNS,
    SHIPMENT_ROWS_MAX,
    SHIPMENT_SIZE_MAX,
    ShipmentFormat,
)
from meterworks.registry.shipment_seal import sealed_file
from meterworks.registry.usage_point import UsagePoint, UsagePointFilter
from meterworks.registry.value import PAGE_SIZE_MAX, ConsumerId, DeviceId, OrganisationId, Page, UsagePointId
from meterworks.registry.viewer import Viewer

__all__ = [
    "COUNTER_JUMP",
    "PAGE_SIZE_MAX",
    "SHIPMENT_COLUMNS",
    "SHIPMENT_ROWS_MAX",
    "SHIPMENT_SIZE_MAX",
    "STORE_KEY",
    "SYMMETRIC_KINDS",
    "AlreadyThereError",
    "ConnectionKind",
    "Consumer",
    "ConsumerId",
    "Device",
    "DeviceChannel",
    "DeviceCounts",
    "DeviceFilter",
    "DeviceId",
    "DeviceKeys",
    "DeviceState",
    "IdentityScheme",
    "Installation",
    "InstallationError",
    "InvalidValueError",
    "KeyChange",
    "KeyHand",
    "KeyKind",
    "KeyOrigin",
    "KeySelection",
    "KeyState",
    "KeyStateError",
    "KeyVersion",
    "NewDevice",
    "NewKey",
    "Occupancy",
    "Organisation",
    "OrganisationId",
    "OrganisationKind",
    "OrganisationRole",
    "OverlapError",
    "Page",
    "PlacedDevice",
    "Registration",
    "Registry",
    "RowOutcome",
    "RowResult",
    "SealRule",
    "ShipmentError",
    "ShipmentFormat",
    "ShipmentNotice",
    "ShipmentResult",
    "ShipmentSealError",
    "Span",
    "UnknownRecordError",
    "UsagePoint",
    "UsagePointFilter",
    "UsagePointId",
    "Viewer",
    "channel_rows",
    "has_device_keys",
    "sealed_file",
    "shipment_accepted",
    "shipment_refused",
]
