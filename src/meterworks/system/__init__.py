"""Wiring of the system: configuration, migrations, processes, the start and the stop."""

from meterworks.system.configuration import Configuration, Layout, load_configuration
from meterworks.system.errors import ConfigurationError, InUseError
from meterworks.system.examination import Finding, examine
from meterworks.system.lone_meter import LoneMeter, serve_lone_meter
from meterworks.system.meter_reading import (
    OWN_SYSTEM_TITLE,
    MeterAccess,
    load_keys,
    object_list,
    open_meter,
    read_profile,
    save_table,
)
from meterworks.system.process import Ground, answering_as_ready, open_ground, run_until_stopped
from meterworks.system.records import Records, open_records
from meterworks.system.servants import SERVANTS, Servant
from meterworks.system.settings import Origin, Resolved
from meterworks.system.start import PROCESS_ORDER, Announcer, bring_up

__all__ = [
    "OWN_SYSTEM_TITLE",
    "PROCESS_ORDER",
    "SERVANTS",
    "Announcer",
    "Configuration",
    "ConfigurationError",
    "Finding",
    "Ground",
    "InUseError",
    "Layout",
    "LoneMeter",
    "MeterAccess",
    "Origin",
    "Records",
    "Resolved",
    "Servant",
    "answering_as_ready",
    "bring_up",
    "examine",
    "load_configuration",
    "load_keys",
    "object_list",
    "open_ground",
    "open_meter",
    "open_records",
    "read_profile",
    "run_until_stopped",
    "save_table",
    "serve_lone_meter",
]
