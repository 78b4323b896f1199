"""Emulated metering devices: COSEM models bound to a load, and the fleet that serves them on sockets."""

from meterworks.devices.access import CLIENTS, Audience, Client, Rights, rights_of
from meterworks.devices.client_login import ClientLogin
from meterworks.devices.companion_model import MODELS, STYLES, model_of
from meterworks.devices.disconnect_control import Origin, SwitchOrder, operate
from meterworks.devices.errors import FleetStateError, ImageRefused, ModelError, NotPersonalised, PushFailed
from meterworks.devices.fault import FaultSettings
from meterworks.devices.firmware_image import ChecksumVerifier, FirmwareImage, ImageVerifier, build_image
from meterworks.devices.fleet import Fleet, FleetSettings, FleetStatus, describe_meter, serve_one
from meterworks.devices.load import Instant, IntervalBlock, MeterEvents, MeterLoad, RegisterBlock, Registers
from meterworks.devices.meter import ElectricityMeter
from meterworks.devices.meter_model import METER_MODELS, SINGLE_PHASE_METER, THREE_PHASE_METER
from meterworks.devices.meter_tls import MeterChannels, MeterCredentials
from meterworks.devices.model import DeviceModel
from meterworks.devices.model_proposal import ModelProposal, propose_model
from meterworks.devices.model_table import build_model
from meterworks.devices.push_object import ALARM_PUSH, CONNECTION_PUSH, PUSH_SETUPS, SCHEDULED_PUSH, PushSetup
from meterworks.devices.state import FleetState
from meterworks.devices.supply_gap import NO_GAPS, SupplyGaps
from meterworks.devices.view import MeterSpecification, MeterView
from meterworks.devices.zone import ZoneTable, zone_table

__all__ = [
    "ALARM_PUSH",
    "CLIENTS",
    "CONNECTION_PUSH",
    "METER_MODELS",
    "MODELS",
    "NO_GAPS",
    "PUSH_SETUPS",
    "SCHEDULED_PUSH",
    "SINGLE_PHASE_METER",
    "STYLES",
    "THREE_PHASE_METER",
    "Audience",
    "ChecksumVerifier",
    "Client",
    "ClientLogin",
    "DeviceModel",
    "ElectricityMeter",
    "FaultSettings",
    "FirmwareImage",
    "Fleet",
    "FleetSettings",
    "FleetState",
    "FleetStateError",
    "FleetStatus",
    "ImageRefused",
    "ImageVerifier",
    "Instant",
    "IntervalBlock",
    "MeterChannels",
    "MeterCredentials",
    "MeterEvents",
    "MeterLoad",
    "MeterSpecification",
    "MeterView",
    "ModelError",
    "ModelProposal",
    "NotPersonalised",
    "Origin",
    "PushFailed",
    "PushSetup",
    "RegisterBlock",
    "Registers",
    "Rights",
    "SupplyGaps",
    "SwitchOrder",
    "ZoneTable",
    "build_image",
    "build_model",
    "describe_meter",
    "model_of",
    "operate",
    "propose_model",
    "rights_of",
    "serve_one",
    "zone_table",
]
