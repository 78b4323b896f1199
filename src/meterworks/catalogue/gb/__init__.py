"""The command language of the GB system as tables: service requests, use cases, alerts. Makers add their own rows."""

from meterworks.catalogue.gb.alert import (
    AlertKind,
    CarrierAlert,
    DeviceAlert,
    load_carrier_alerts,
    load_device_alerts,
)
from meterworks.catalogue.gb.response_code import ResponseCode, ResponseKind, load_response_codes
from meterworks.catalogue.gb.service_request import DeviceKind, RequestMode, ServiceRequest, load_service_requests
from meterworks.catalogue.gb.table_file import Cells, load_table, truth, words
from meterworks.catalogue.gb.use_case import RemoteParty, UseCase, UseCaseKind, load_use_cases
from meterworks.catalogue.gb.use_case_choice import (
    Condition,
    PayloadKind,
    Sender,
    UseCaseChoice,
    load_use_case_choices,
)
from meterworks.catalogue.gb.use_case_item import Presence, UseCaseItem, load_use_case_items

__all__ = [
    "AlertKind",
    "CarrierAlert",
    "Cells",
    "Condition",
    "DeviceAlert",
    "DeviceKind",
    "PayloadKind",
    "Presence",
    "RemoteParty",
    "RequestMode",
    "ResponseCode",
    "ResponseKind",
    "Sender",
    "ServiceRequest",
    "UseCase",
    "UseCaseChoice",
    "UseCaseItem",
    "UseCaseKind",
    "load_carrier_alerts",
    "load_device_alerts",
    "load_response_codes",
    "load_service_requests",
    "load_table",
    "load_use_case_choices",
    "load_use_case_items",
    "load_use_cases",
    "truth",
    "words",
]
