"""The socket shells: DLMS clients (asynchronous and blocking), servers of meters, and where meters call in."""

from meterworks.links.apdu_link import ApduLink
from meterworks.links.blocking_client import BlockingDlmsClient
from meterworks.links.datagram_server import DatagramMeterServer, start_datagram_meter_server
from meterworks.links.dlms_client import DlmsClient, NotificationHandler, ProgressHandler, Traffic
from meterworks.links.errors import BadTarget, ConnectFailed, ConnectionLost, NoAnswer, WriteOutcomeUnknown
from meterworks.links.listening import BACKLOG, LOOPBACK_DEVICE, listening_socket
from meterworks.links.meter_connections import MeterResolver, MeterServerLimits
from meterworks.links.meter_server import MeterCall, MeterServer, call_head_end, start_meter_server
from meterworks.links.notification_listener import ListenerLimits, NotificationListener, PushHandler, PushReceived
from meterworks.links.octet_link import OctetLink, OctetListener
from meterworks.links.secure import ClientTls, ContextResolver, TlsDemand, TlsDoor
from meterworks.links.serial_server import SerialMeter, serve_serial
from meterworks.links.shared_line import SharedLine
from meterworks.links.tap import Tap, Tapped
from meterworks.links.target import DLMS_PORT, MeterTarget, Transport

__all__ = [
    "BACKLOG",
    "DLMS_PORT",
    "LOOPBACK_DEVICE",
    "ApduLink",
    "BadTarget",
    "BlockingDlmsClient",
    "ClientTls",
    "ConnectFailed",
    "ConnectionLost",
    "ContextResolver",
    "DatagramMeterServer",
    "DlmsClient",
    "ListenerLimits",
    "MeterCall",
    "MeterResolver",
    "MeterServer",
    "MeterServerLimits",
    "MeterTarget",
    "NoAnswer",
    "NotificationHandler",
    "NotificationListener",
    "OctetLink",
    "OctetListener",
    "ProgressHandler",
    "PushHandler",
    "PushReceived",
    "SerialMeter",
    "SharedLine",
    "Tap",
    "Tapped",
    "TlsDemand",
    "TlsDoor",
    "Traffic",
    "Transport",
    "WriteOutcomeUnknown",
    "call_head_end",
    "listening_socket",
    "serve_serial",
    "start_datagram_meter_server",
    "start_meter_server",
]
