"""The head-end: collects readings, events and clocks from devices, and keeps book of what is missing."""

from meterworks.headend.channel import HeadendChannels
from meterworks.headend.device import DeviceDirectory, DeviceRecord, RegistryDirectory
from meterworks.headend.errors import (
    CounterExhaustedError,
    DeviceQuarantinedError,
    KeyJobError,
    KeyTransferRefused,
    LeaseLostError,
    ModelMismatchError,
    PolicyRefused,
    QueueFullError,
    ReplayedNotificationError,
    RequestError,
    UnknownDeviceError,
    UnknownSenderError,
)
from meterworks.headend.key_certifier import EstCertifier
from meterworks.headend.key_desk import (
    KEYS_CONTROL_SUBJECT,
    KEYS_START_SUBJECT,
    KEYS_STATUS_SUBJECT,
    campaign_document,
    job_document,
)
from meterworks.headend.key_identity import OwnCredentials
from meterworks.headend.key_inventory import TakenOver, escrow_entries, take_over_keys
from meterworks.headend.key_job import (
    CampaignState,
    KeyCampaign,
    KeyJob,
    KeyJobState,
    KeyPurpose,
    KeyTask,
    SecurityLevel,
)
from meterworks.headend.key_ledger import KeyLedger, KeyProgress
from meterworks.headend.key_statement import PolicyStatement, open_statement, sign_statement
from meterworks.headend.last_value import LAST_BUCKET
from meterworks.headend.on_demand import READ_SUBJECT, ReadRequest
from meterworks.headend.queries import (
    EventPage,
    FillProgress,
    HeadendQueries,
    RangeRow,
    SeenEvent,
    SessionLine,
)
from meterworks.headend.read_rate import HourRate
from meterworks.headend.restore import jump_all_counters
from meterworks.headend.service import REGISTRY_CHANGED_SUBJECT, HeadEnd
from meterworks.headend.settings import HeadendSettings
from meterworks.headend.status import MISSING_SUBJECT, RELEASE_SUBJECT, STATUS_SUBJECT
from meterworks.headend.store import DeviceMemory, Event, Incident, Run, SessionRecord

__all__ = [
    "KEYS_CONTROL_SUBJECT",
    "KEYS_START_SUBJECT",
    "KEYS_STATUS_SUBJECT",
    "LAST_BUCKET",
    "MISSING_SUBJECT",
    "READ_SUBJECT",
    "REGISTRY_CHANGED_SUBJECT",
    "RELEASE_SUBJECT",
    "STATUS_SUBJECT",
    "CampaignState",
    "CounterExhaustedError",
    "DeviceDirectory",
    "DeviceMemory",
    "DeviceQuarantinedError",
    "DeviceRecord",
    "EstCertifier",
    "Event",
    "EventPage",
    "FillProgress",
    "HeadEnd",
    "HeadendChannels",
    "HeadendQueries",
    "HeadendSettings",
    "HourRate",
    "Incident",
    "KeyCampaign",
    "KeyJob",
    "KeyJobError",
    "KeyJobState",
    "KeyLedger",
    "KeyProgress",
    "KeyPurpose",
    "KeyTask",
    "KeyTransferRefused",
    "LeaseLostError",
    "ModelMismatchError",
    "OwnCredentials",
    "PolicyRefused",
    "PolicyStatement",
    "QueueFullError",
    "RangeRow",
    "ReadRequest",
    "RegistryDirectory",
    "ReplayedNotificationError",
    "RequestError",
    "Run",
    "SecurityLevel",
    "SeenEvent",
    "SessionLine",
    "SessionRecord",
    "TakenOver",
    "UnknownDeviceError",
    "UnknownSenderError",
    "campaign_document",
    "escrow_entries",
    "job_document",
    "jump_all_counters",
    "open_statement",
    "sign_statement",
    "take_over_keys",
]
