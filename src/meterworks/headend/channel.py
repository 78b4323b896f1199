"""TLS between the head-end and the field: sessions to meters, and the port on which devices push and call.

A device is who its certificate says, and its certificate must say the same as the message: the identity in it equals
the system title (SEC-026). A hub or gateway brings what meters behind it send, under a prefix, and is no meter itself.
"""

from collections.abc import Callable
from pathlib import Path

from meterworks.headend.device import DeviceRecord
from meterworks.links import PushReceived, TlsDemand, TlsDoor
from meterworks.trust.audit import AuditSink
from meterworks.trust.pki import PeerRole
from meterworks.trust.tls import (
    Credential,
    Guard,
    Interface,
    PeerRefused,
    Refusal,
    client_context,
    server_context,
)

__all__ = ["HeadendChannels"]

_ACTOR = "process:headend"


class HeadendChannels:
    """What the head-end's links need to speak TLS. One context serves all meters; each meter's session is resumed."""

    def __init__(self, credential: Credential, *, audit: AuditSink | None = None, key_log: Path | None = None) -> None:
        """credential: of the role head-end. key_log: only ever for a laboratory. Raises TlsFilesError."""
        self._sessions = client_context(credential, Interface.METER, key_log=key_log)
        self._calls = server_context(credential, Interface.PUSH, key_log=key_log)
        self.meters = Guard(Interface.METER, is_server=False, credential=credential, audit=audit, actor=_ACTOR)
        """Judges meters that the head-end calls."""
        self.callers = Guard(Interface.PUSH, is_server=True, credential=credential, audit=audit, actor=_ACTOR)
        """Judges devices that call the head-end."""

    def tell(self, met: Callable[[str], None]) -> None:
        """Have somebody told of the identity of each piece of equipment that proves its certificate."""
        self.meters.on_admitted = self.callers.on_admitted = lambda peer: met(peer.identity)

    def demand(self, device: DeviceRecord) -> TlsDemand:
        """Give what is asked of who answers at a device's address: to be this device and no other."""
        return TlsDemand(context=self._sessions, guard=self.meters, identity=device.system_title.hex())

    def door(self) -> TlsDoor:
        """Give the door of the port on which devices push and call."""
        return TlsDoor(self._calls, self.callers)

    def check_sender(self, push: PushReceived, device: DeviceRecord | None) -> None:
        """Raise PeerRefused where a push names another device than the certificate of who brought it."""
        peer = push.peer
        if device is None or peer is None:
            return
        title = device.system_title.hex()
        if peer.role is PeerRole.DEVICE and peer.identity == title:
            return
        if peer.role in (PeerRole.HUB, PeerRole.GATEWAY) and push.gateway is not None:
            return
        text = f"a push of {title} came from {peer.role}:{peer.identity}"
        self.callers.refuse(Refusal(peer, "identity", text), where=f"{push.peer_host}:{push.peer_port}")
        raise PeerRefused(text, reason="identity", identity=peer.identity, wanted=title)
