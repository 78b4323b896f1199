"""Recorded conversations as exchanges of APDUs, whatever link they were carried over, and a device made of one."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from meterworks.protocols.dlms import (
    Action,
    ActionResult,
    Associate,
    AssociationRequest,
    AssociationSettings,
    AttributeAddress,
    Ciphering,
    ClientSettings,
    Command,
    Conformance,
    DataAccessResult,
    Get,
    Mechanism,
    MethodAddress,
    Protection,
    Release,
    ReleaseRequest,
    Set,
    decode_apdu,
)
from meterworks.protocols.dlms.action import ActionRequest
from meterworks.protocols.dlms.get import GetNext, GetRequest
from meterworks.protocols.dlms.set import SetRequest

__all__ = ["Exchange", "Group", "RecordedDevice", "client_settings", "conversation_names", "groups_of", "load"]

CLIENT_SAP = 16
CONFORMANCE = Conformance(0x401E5D)  # what the recording client proposed


def conversation_names(folder: Path, prefix: str = "gx-") -> list[str]:
    return sorted(path.stem for path in (folder / "conversations").glob(f"{prefix}*.json"))


def load(folder: Path, name: str) -> dict[str, Any]:
    conversation: dict[str, Any] = json.loads((folder / "conversations" / f"{name}.json").read_text())
    return conversation


@dataclass
class Exchange:
    """A request and its answer, as APDUs; plain: inside, where the recording could open it. answer: maybe none."""

    request: bytes
    plain: bytes
    answer: bytes = b""
    plain_answer: bytes = b""


@dataclass
class Group:
    """The exchanges of one command: one, or several where the answer came in blocks."""

    command: Command
    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def answered(self) -> bool:
        return bool(self.exchanges[-1].answer)

    @property
    def result(self) -> bytes | int:
        """What was answered to a GET, its blocks joined: data, or the result that says why not."""
        octets = b""
        for exchange in self.exchanges:
            response = decode_apdu(exchange.plain_answer)
            found = getattr(response, "result", None)
            if isinstance(found, bytes):
                octets += found
            elif found is not None:
                return int(found)
        return octets


def _octets(message: dict[str, Any], is_wrapper: bool) -> bytes | None:
    if is_wrapper:
        return bytes.fromhex(message["bytes"][16:])
    return bytes.fromhex(message["apdu"]) if message.get("apdu") else None


def command_of(request: Any) -> Command | None:
    """Turn a recorded request into the command that makes it; None for what a client asks by itself."""
    match request:
        case AssociationRequest():
            return Associate()
        case ReleaseRequest():
            return Release()
        case GetRequest(address=address, selection=selection):
            return Get(address, selection)
        case SetRequest(address=address, value=value):
            return Set(address, value)
        case ActionRequest(address=address, parameter=parameter) if address.class_id != 15:
            return Action(address, parameter)
    return None


def groups_of(conversation: dict[str, Any]) -> list[Group]:
    """Group a conversation by command."""
    is_wrapper = str(conversation["transport"]).startswith("wrapper")
    groups: list[Group] = []
    dropped = False
    for message in conversation["messages"]:
        octets = _octets(message, is_wrapper)
        if octets is None:
            continue
        plain = octets
        if "plain" in message and octets[0] not in (0x60, 0x61, 0x62, 0x63):
            plain = bytes.fromhex(message["plain"])
        if message["dir"] == "server":
            if not dropped:
                groups[-1].exchanges[-1].answer = octets
                groups[-1].exchanges[-1].plain_answer = plain
            continue
        request = decode_apdu(plain)
        command = command_of(request)
        dropped = command is None and not isinstance(request, GetNext | ActionRequest)  # what neither side is asked
        if command is not None:
            groups.append(Group(command))
        if not dropped:
            groups[-1].exchanges.append(Exchange(octets, plain))
    return groups


def manufacturer_proof(secret: bytes, challenge: bytes) -> bytes:
    """Mechanism 2 as both recorded ends do it: AES in ECB mode, the secret filled up with zeros."""
    encryptor = Cipher(algorithms.AES(secret.ljust(16, b"\0")), modes.ECB()).encryptor()
    return encryptor.update(challenge)


def _secrets(conversation: dict[str, Any]) -> dict[str, Any]:
    mechanism = Mechanism(conversation["authentication_mechanism"])
    secret = bytes.fromhex(conversation["secret"] or "")
    first = groups_of(conversation)[0].exchanges[0].request
    request = AssociationRequest.from_bytes(first)
    keyed = request.context == 3 or mechanism == Mechanism.GMAC
    return {
        "mechanism": mechanism,
        "guek": bytes.fromhex(conversation["guek"]) if keyed else None,
        "gak": bytes.fromhex(conversation["gak"]) if keyed else None,
        "password": secret if mechanism == Mechanism.LOW else None,
        "secret": secret or None,
        "manufacturer_proof": manufacturer_proof,
    }


def is_ciphered(conversation: dict[str, Any]) -> bool:
    first = groups_of(conversation)[0].exchanges[0].request
    return AssociationRequest.from_bytes(first).context == 3


def client_settings(conversation: dict[str, Any]) -> ClientSettings:
    """Give the settings with which our client does what the recorded one did."""
    return ClientSettings(
        client_sap=CLIENT_SAP,
        system_title=bytes.fromhex(conversation["client_system_title"]),
        protection=Protection.BOTH if is_ciphered(conversation) else Protection.NONE,
        ciphering=Ciphering.GENERAL,
        conformance=CONFORMANCE,
        release_ciphered=False,
        **_secrets(conversation),
    )


class RecordedDevice:
    """A logical device that answers what the recorded server answered."""

    def __init__(self, conversation: dict[str, Any], first_counter: int) -> None:
        self.groups = groups_of(conversation)
        self.conversation = conversation
        self.system_title = bytes.fromhex(conversation["server_system_title"] or "4752580000000001")
        self.counter = first_counter
        self.accepted: dict[bytes, int] = {}
        self.events: list[tuple[str, int]] = []
        self.settings = AssociationSettings(
            required_protection=Protection.BOTH if is_ciphered(conversation) else Protection.NONE,
            conformance=CONFORMANCE,
            max_pdu=300,
            **_secrets(conversation),
        )

    def association(self, client_sap: int) -> AssociationSettings | None:
        return self.settings if client_sap == CLIENT_SAP else None

    def get(self, client_sap: int, address: AttributeAddress, selection: bytes | None) -> bytes | DataAccessResult:
        for group in self.groups:
            if isinstance(group.command, Get) and group.command.address == address and group.answered:
                if group.command.selection == selection:
                    result = group.result
                    return result if isinstance(result, bytes) else DataAccessResult(result)
        return DataAccessResult.OBJECT_UNDEFINED

    def set(self, client_sap: int, address: AttributeAddress, value: bytes) -> DataAccessResult:
        return DataAccessResult.SUCCESS

    def action(
        self, client_sap: int, address: MethodAddress, parameter: bytes | None
    ) -> tuple[ActionResult, bytes | None]:
        return ActionResult.READ_WRITE_DENIED, None

    def next_invocation_counter(self) -> int:
        self.counter += 1
        return self.counter - 1

    def lowest_acceptable_counter(self, client_title: bytes) -> int:
        return self.accepted.get(client_title, -1) + 1

    def accept_invocation_counter(self, client_title: bytes, counter: int) -> bool:
        if counter < self.lowest_acceptable_counter(client_title):
            return False
        self.accepted[client_title] = counter
        return True

    def security_event(self, kind: str, client_sap: int) -> None:
        self.events.append((kind, client_sap))
