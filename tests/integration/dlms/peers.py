"""Two other Python clients of the field, each driven over a blocking socket against our server (test only)."""

import socket
from datetime import datetime
from typing import Any

from dlms_cosem import cosem, enumerations
from dlms_cosem.client import DlmsClient as CosemClient
from dlms_cosem.cosem.capture_object import CaptureObject as CosemCaptureObject
from dlms_cosem.cosem.selective_access import RangeDescriptor
from dlms_cosem.io import BlockingTcpIO, TcpTransport
from dlms_cosem.security import (
    HighLevelSecurityGmacAuthentication,
    LowLevelSecurityAuthentication,
    NoSecurityAuthentication,
)
from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Authentication, Conformance, InterfaceType, Security
from gurux_dlms.objects import GXDLMSClock, GXDLMSData, GXDLMSProfileGeneric, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient
from tests.integration.dlms.example_device import CLIENT_TITLE, GAK, GUEK, PASSWORD

from meterworks.protocols.dlms import AttributeAddress

__all__ = ["GuruxPeer", "make_cosem_client", "range_of"]


class GuruxPeer:
    """A gurux-dlms client on one connection."""

    def __init__(
        self, port: int, client_sap: int, *, first_counter: int = 1, dedicated_key: bytes | None = None, **options: Any
    ) -> None:
        mechanism = {16: Authentication.NONE, 3: Authentication.LOW}.get(client_sap, Authentication.HIGH_GMAC)
        self.client = GXDLMSSecureClient(
            True, client_sap, 1, mechanism, PASSWORD.decode() if mechanism else None, InterfaceType.WRAPPER
        )
        cipher = self.client.ciphering
        cipher.systemTitle = CLIENT_TITLE
        cipher.blockCipherKey = bytearray(GUEK)
        cipher.authenticationKey = bytearray(GAK)
        cipher.invocationCounter = first_counter
        if client_sap in (1, 2):
            cipher.security = Security.AUTHENTICATION_ENCRYPTION
            cipher.dedicatedKey = None if dedicated_key is None else bytearray(dedicated_key)
        for name, value in options.items():
            setattr(self.client, name, value)
        self.link = socket.create_connection(("127.0.0.1", port), 5.0)

    def __enter__(self) -> "GuruxPeer":
        self._associate()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.link.close()

    def _associate(self) -> None:
        reply = GXReplyData()
        self.exchange(self.client.aarqRequest(), reply)
        self.client.parseAareResponse(reply.data)
        if self.client.isAuthenticationRequired:
            reply = GXReplyData()
            self.exchange(self.client.getApplicationAssociationRequest(), reply)
            self.client.parseApplicationAssociationResponse(reply.data)

    def exchange(self, frames: Any, reply: GXReplyData) -> None:
        for frame in frames if isinstance(frames, list) else [frames]:
            self._exchange_one(bytes(frame), reply)
            while reply.isMoreData():
                self._exchange_one(bytes(self.client.receiverReady(reply)), reply)

    def _exchange_one(self, frame: bytes, reply: GXReplyData) -> None:
        reply.error = 0
        self.link.sendall(frame)
        received = GXByteBuffer()
        while True:
            octets = self.link.recv(70_000)
            assert octets, "the server closed the connection"
            received.set(octets)
            if self.client.getData(received, reply, GXReplyData()):
                break
        if reply.error:
            raise RuntimeError(f"gurux: error {reply.error}")

    def read(self, address: AttributeAddress) -> Any:
        kinds = {1: GXDLMSData, 3: GXDLMSRegister, 7: GXDLMSProfileGeneric, 8: GXDLMSClock}
        item = kinds[address.class_id](str(address.obis_code))
        reply = GXReplyData()
        self.exchange(self.client.read(item, address.attribute), reply)
        return self.client.updateValue(item, address.attribute, reply.value)

    def profile(self, capture_objects: AttributeAddress) -> GXDLMSProfileGeneric:
        item = GXDLMSProfileGeneric(str(capture_objects.obis_code))
        reply = GXReplyData()
        self.exchange(self.client.read(item, 3), reply)
        self.client.updateValue(item, 3, reply.value)
        return item

    def profile_rows(self, item: GXDLMSProfileGeneric, frames: Any) -> list[Any]:
        reply = GXReplyData()
        self.exchange(frames, reply)
        return list(self.client.updateValue(item, 2, reply.value))

    def write(self, address: AttributeAddress, value: Any, data_type: Any) -> None:
        item = GXDLMSData(str(address.obis_code))
        item.value = value
        item.setDataType(2, data_type)
        self.exchange(self.client.write(item, 2), GXReplyData())

    def read_list(self, addresses: list[AttributeAddress]) -> list[Any]:
        kinds = {1: GXDLMSData, 3: GXDLMSRegister, 8: GXDLMSClock}
        items = [(kinds[a.class_id](str(a.obis_code)), a.attribute) for a in addresses]
        values: list[Any] = []
        for frame in self.client.readList(items):
            reply = GXReplyData()
            self.exchange(frame, reply)
            values.extend(reply.value)
        self.client.updateValues(items, values)
        return [item.getValues()[attribute - 1] for item, attribute in items]

    def release(self) -> None:
        self.exchange(self.client.releaseRequest(), GXReplyData())


GENERAL_PROTECTION = Conformance.GENERAL_PROTECTION


def make_cosem_client(port: int, client_sap: int, *, first_counter: int = 1, **options: Any) -> CosemClient:
    """Give a dlms-cosem client, not connected yet."""
    authentication: Any = NoSecurityAuthentication()
    keys: dict[str, Any] = {}
    if client_sap == 3:
        authentication = LowLevelSecurityAuthentication(secret=PASSWORD)
    elif client_sap in (1, 2):
        authentication = HighLevelSecurityGmacAuthentication(challenge_length=32)
        keys = {
            "encryption_key": GUEK,
            "authentication_key": GAK,
            "client_system_title": CLIENT_TITLE,
            "client_initial_invocation_counter": first_counter,
        }
    return CosemClient(
        transport=TcpTransport(
            client_logical_address=client_sap, server_logical_address=1, io=BlockingTcpIO("127.0.0.1", port)
        ),
        authentication=authentication,
        **keys,
        **options,
    )


def cosem_attribute(address: AttributeAddress) -> cosem.CosemAttribute:
    return cosem.CosemAttribute(
        interface=enumerations.CosemInterface(address.class_id),
        instance=cosem.Obis.from_bytes(bytes(address.obis_code)),
        attribute=address.attribute,
    )


def range_of(clock: AttributeAddress, first: datetime, last: datetime) -> RangeDescriptor:
    """Give dlms-cosem's selective access by range."""
    return RangeDescriptor(
        restricting_object=CosemCaptureObject(cosem_attribute=cosem_attribute(clock), data_index=0),
        from_value=first,
        to_value=last,
    )
