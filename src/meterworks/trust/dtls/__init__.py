"""DTLS 1.2 over pyOpenSSL's memory buffers: cores without sockets. Loaded only where datagrams are spoken."""

from meterworks.trust.dtls.connection import MTU, DtlsConnection, DtlsState
from meterworks.trust.dtls.context import DtlsContext
from meterworks.trust.dtls.listener import (
    DtlsEvent,
    DtlsLimits,
    DtlsListener,
    PeerJoined,
    PeerLeft,
    RecordReceived,
)
from meterworks.trust.dtls.record import ClientHello, CookieJar, client_hello, datagrams_of

__all__ = [
    "MTU",
    "ClientHello",
    "CookieJar",
    "DtlsConnection",
    "DtlsContext",
    "DtlsEvent",
    "DtlsLimits",
    "DtlsListener",
    "DtlsState",
    "PeerJoined",
    "PeerLeft",
    "RecordReceived",
    "client_hello",
    "datagrams_of",
]
