"""Emulated metering devices: COSEM models bound to a load, and the fleet that serves them on sockets."""

from meterworks.devices.access import CLIENTS, Audience, Client, Rights, rights_of
from meterworks.devices.errors import FleetStateError, ModelError, PushFailed
from meterworks.devices.load import Instant, IntervalBlock, MeterEvents, MeterLoad, RegisterBlock, Registers
from meterworks.devices.meter import ElectricityMeter
from meterworks.devices.meter_model import METER_MODELS, SINGLE_PHASE_METER, THREE_PHASE_METER
from meterworks.devices.model import DeviceModel
from meterworks.devices.state import FleetState
from meterworks.devices.view import MeterSpecification, MeterView
from meterworks.devices.zone import ZoneTable, zone_table

__all__ = [
    "CLIENTS",
    "METER_MODELS",
    "SINGLE_PHASE_METER",
    "THREE_PHASE_METER",
    "Audience",
    "Client",
    "DeviceModel",
    "ElectricityMeter",
    "FleetState",
    "FleetStateError",
    "Instant",
    "IntervalBlock",
    "MeterEvents",
    "MeterLoad",
    "MeterSpecification",
    "MeterView",
    "ModelError",
    "PushFailed",
    "RegisterBlock",
    "Registers",
    "Rights",
    "ZoneTable",
    "rights_of",
    "zone_table",
]
