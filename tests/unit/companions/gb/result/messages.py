"""Messages of GB devices made by hand for the tests of results: headers around payloads."""

from dataclasses import replace

from meterworks.protocols.gbcs import Message, MessageKind, OtherInformation

DEVICE = bytes.fromhex("00db1234567890a0")
PARTY = bytes.fromhex("90b3d51f30010000")
UNKNOWN_PARTY = bytes.fromhex("90b3d51f30030000")
READ_EXPORT = 0x0026  # ECS17a: two registers, each with scaler and unit
READ_IMPORT = 0x0027  # ECS17b: sensitive
OUTCOME_ALERT = 0x00CC


def message(code: int, payload: str | bytes, kind: MessageKind = MessageKind.RESPONSE, **changes) -> Message:
    """A message of a device to a known party. payload: octets, or hex with spaces."""
    octets = payload if isinstance(payload, bytes) else bytes.fromhex(payload)
    made = Message(
        kind=kind,
        counter=1000,
        originator=DEVICE,
        recipient=PARTY,
        other=OtherInformation(message_code=code),
        payload=octets,
        mac=bytes(12),
    )
    return replace(made, **changes)


def command(code: int, payload: str, counter: int = 1000) -> Message:
    """A command of the party to the device."""
    made = message(code, payload, MessageKind.COMMAND, counter=counter)
    return replace(made, originator=PARTY, recipient=DEVICE)


EXPORT = "da200003e80000 04 060000000a 02020f00161e 0600000014 02020f001620 04 0100 0100 0100 0100"
EXPORT_FAILED = "da200003e80000 04 060000000a 02020f00161e 00 00 04 0100 0100 0101 01fa"


def outcome(alert_code: str, item: str, *, time: str = "07ee010fff090000008000ff", code: str = "0019",
            counter: str = "00000000000003e8") -> Message:  # fmt: skip
    """An alert on an instruction dated ahead: item is class, object and attribute as hex."""
    body = f"0203 12{alert_code} 090c{time} 0913{code}{counter}{item}"
    return message(OUTCOME_ALERT, f"0f200007d000 {body}", MessageKind.ALERT, mac=None, signature=bytes(64))
