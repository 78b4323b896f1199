"""What each message of a GB set has to stand: its frame, its protection, its payload and the result it becomes.

Source: GBCS 4.3 and 7.2; fact sheet gb/GBCS.md sections 2 to 4.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from meterworks.assess.vectors.gb_set import GbMessage, GbSet, Step, always
from meterworks.assess.vectors.verdict import Mismatch, NotRun, expect
from meterworks.catalogue.gb import UseCase, UseCaseKind, load_use_cases
from meterworks.companions.gb import KeyFolder
from meterworks.errors import MeterworksError
from meterworks.protocols.gbcs import (
    Message,
    MessageKind,
    check_mac,
    check_signature,
    compute_mac,
    decode_payload,
    identity_text,
)

__all__ = ["MESSAGE_STEPS", "broker_secrets", "is_sound", "use_case_of", "use_cases"]

PRECOMMAND: Final = "PRECOMMAND"
COMMAND: Final = "COMMAND"


@cache
def use_cases() -> Mapping[int, UseCase]:
    """The use cases of the standard by message code."""
    return load_use_cases()


def use_case_of(code: int) -> str:
    """The name of a message code's use case, or the code where the catalogue has none."""
    row = use_cases().get(code)
    return f"{code:04X}" if row is None or not row.use_case else row.use_case


def broker_secrets(whole: GbSet, keys: KeyFolder, device: bytes) -> Iterator[bytes]:
    """What the brokers of the set share with a device, where keys are known."""
    for broker in whole.brokers:
        secret = keys.secret(broker, device)
        if secret is not None:
            yield secret


def _frame(_: GbSet, vector: GbMessage) -> None:
    octets = vector.octets
    expect("the frame, encoded again", Message.from_bytes(octets).to_bytes(), octets)


def _verify(whole: GbSet, vector: GbMessage) -> None:
    message, keys = Message.from_bytes(vector.octets), whole.keys
    if not message.signature and message.mac is None:
        raise Mismatch("nothing protects it")
    if keys is None:
        raise NotRun("the set has no keys")
    if message.signature:
        public = keys.public_key(message.originator, "sign")
        if public is None:
            raise NotRun(f"no signing certificate of {identity_text(message.originator)} in the set")
        check_signature(message, public)
    if message.mac is not None:
        _verify_mac(whole, keys, message)


def _verify_mac(whole: GbSet, keys: KeyFolder, message: Message) -> None:
    """The MAC is of the two parties, or of a broker in the place of one, as the kind of message says."""
    known = [
        secret
        for ends in _ends(whole, message)
        if (secret := keys.secret(*ends)) is not None
    ]  # fmt: skip
    if not known:
        raise NotRun("no private key of either end of its MAC is known")
    if not any(compute_mac(message, secret) == message.mac for secret in known):
        check_mac(message, known[0])


def _ends(whole: GbSet, message: Message) -> Iterator[tuple[bytes, bytes]]:
    device = message.recipient if message.kind is MessageKind.COMMAND else message.originator
    row = use_cases().get(message.message_code)
    is_at_home = row is not None and row.kind is UseCaseKind.HOME_COMMAND
    if is_at_home or message.kind is not MessageKind.COMMAND:
        yield message.originator, message.recipient
    if not is_at_home:
        for broker in whole.brokers:
            yield broker, device


def _decode(_: GbSet, vector: GbMessage) -> None:
    decode_payload(Message.from_bytes(vector.octets))


def _encode_again(_: GbSet, vector: GbMessage) -> None:
    message = Message.from_bytes(vector.octets)
    expect("the payload, encoded again", decode_payload(message).to_bytes(), message.payload)


def _protect_again(whole: GbSet, vector: GbMessage) -> None:
    """A pre-command with the command's signature and a MAC of the broker is that command."""
    command = whole.by_stem[vector.stem, COMMAND]
    signed = Message.from_bytes(command.octets)
    whole_command = Message.from_bytes(vector.octets).signed(signed.signature)
    if signed.mac is None:
        expect("the signed command", whole_command.to_bytes(), command.octets)
        return
    if whole.keys is None:
        raise NotRun("the set has no keys")
    secrets = list(broker_secrets(whole, whole.keys, signed.recipient))
    if not secrets:
        raise NotRun("no private key of the broker is known")
    made = [whole_command.protected(compute_mac(whole_command, secret)).to_bytes() for secret in secrets]
    if command.octets not in made:
        raise Mismatch("signed and MACed, the pre-command is another command than that of the set")


def is_sound(whole: GbSet, vector: GbMessage) -> bool:
    """Whether its protection shows that a command, or the command of a pre-command, is as it was made."""
    try:
        if vector.form == PRECOMMAND:
            _protect_again(whole, vector)
            vector = whole.by_stem[vector.stem, COMMAND]
        _verify(whole, vector)
    except (MeterworksError, KeyError):
        return False
    return True


def _is_protected(_: GbSet, vector: GbMessage) -> bool:
    return vector.form != PRECOMMAND


def _has_command(whole: GbSet, vector: GbMessage) -> bool:
    return vector.form == PRECOMMAND and (vector.stem, COMMAND) in whole.by_stem


MESSAGE_STEPS: Final = (
    Step("frame", _frame, always),
    Step("verify", _verify, _is_protected),
    Step("decode", _decode, always),
    Step("re-encode", _encode_again, always),
    Step("protect", _protect_again, _has_command),
)
