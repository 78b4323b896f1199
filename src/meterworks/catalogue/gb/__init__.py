"""The command language of the GB system as tables: service requests, use cases, alerts. Makers add their own rows."""

from meterworks.catalogue.gb.alert import (
    AlertKind,
    CarrierAlert,
    DeviceAlert,
    load_carrier_alerts,
    load_device_alerts,
)
from meterworks.catalogue.gb.service_request import DeviceKind, RequestMode, ServiceRequest, load_service_requests
from meterworks.catalogue.gb.use_case import RemoteParty, UseCase, UseCaseKind, load_use_cases

__all__ = [
    "AlertKind",
    "CarrierAlert",
    "DeviceAlert",
    "DeviceKind",
    "RemoteParty",
    "RequestMode",
    "ServiceRequest",
    "UseCase",
    "UseCaseKind",
    "load_carrier_alerts",
    "load_device_alerts",
    "load_service_requests",
    "load_use_cases",
]
