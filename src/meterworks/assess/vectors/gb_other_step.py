"""What a GB set holds besides messages and requests: prepayment tokens, worked samples, signed documents.

Tokens and samples are JSON beside the set's folders, told by their fields: `utrn` with what it was made of, lists of
digits to check, a counter to recover, a `message` with its keys. Signed documents stand in `duis_signed/` beside the
certificates (PEM) that verify them.
Source: GBCS 13.7 (tokens), 18.4 (samples); fact sheet gb/GBCS.md sections 11 and 14.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from asn1crypto import pem

from meterworks.assess.vectors.gb_set import DOCUMENT_SIZE_MAX, GbSet
from meterworks.assess.vectors.verdict import Document, Mismatch, NotRun, Verdict, expect, verdict_of
from meterworks.companions.gb import public_key_of
from meterworks.companions.gb.duis import issuer_serial_of, verify_document
from meterworks.protocols.gbcs import (
    COUNTER_STEP,
    KeyPurpose,
    Message,
    Token,
    ValueClass,
    check_signature,
    compute_mac,
    has_check_digit,
    message_key,
)

__all__ = ["other_verdicts"]

TOKENS: Final = "UTRN"
SAMPLES: Final = "samples"
SIGNED: Final = "signed XML"


def other_verdicts(whole: GbSet, base: Path) -> Iterator[Verdict]:
    """Run what stands beside the messages and requests of a set."""
    for path in sorted(whole.root.glob("*.json")):
        name = path.relative_to(base).as_posix()
        try:
            content = json.loads(path.read_bytes()) if path.stat().st_size <= DOCUMENT_SIZE_MAX else None
        except (OSError, ValueError, RecursionError) as error:
            yield verdict_of(name, "read", partial(_raise, Mismatch(f"no JSON document: {error}")), subject="JSON")
            continue
        if isinstance(content, dict):
            yield from _document_verdicts(whole, name, content)
    folder = whole.root / "duis_signed"
    for path in sorted(each for each in folder.glob("*") if each.suffix.lower() == ".xml"):
        yield verdict_of(path.relative_to(base).as_posix(), "verify", partial(_signed, folder, path), subject=SIGNED)


def _document_verdicts(whole: GbSet, name: str, content: Document) -> Iterator[Verdict]:
    rows = content.get("vectors")
    for number, row in enumerate(rows if isinstance(rows, list) else []):
        where = f"{name}#{number}"
        if not isinstance(row, Mapping):
            continue
        if "utrn" in row:
            yield verdict_of(where, "verify", partial(_token, whole, row), subject=TOKENS)
        elif "message" in row:
            yield verdict_of(where, "verify", partial(_sample, content, row), subject=SAMPLES)
    if "check_digit_only" in content:
        yield verdict_of(f"{name}#digits", "verify", partial(_digits, content["check_digit_only"]), subject=TOKENS)
    if "counter_recovery_example" in content:
        example = content["counter_recovery_example"]
        yield verdict_of(f"{name}#counter", "verify", partial(_counter, example), subject=TOKENS)


def _token(whole: GbSet, row: Document) -> None:
    supplier, meter = bytes.fromhex(row["originator"]), bytes.fromhex(row["target"])
    secret = None if whole.keys is None else whole.keys.secret(supplier, meter, "top-up")
    if secret is None:
        raise NotRun("no top-up key of its supplier in the set")
    counter = _number(row["originator_counter"])
    value_class = ValueClass[str(row["value_class"]).upper()]
    made = Token.make(
        secret, supplier=supplier, meter=meter, counter=counter, value=int(row["value"]), value_class=value_class
    )
    expect("the token", made.digits, row["utrn"])
    read = Token.from_digits(row["utrn"])
    expect("the token, read", read, made)
    read.check(secret, supplier=supplier, meter=meter, counter=counter)
    key = message_key(secret, KeyPurpose.COMMAND_MAC, originator=supplier, counter=counter, recipient=meter)
    expect("the key", key.hex(), row.get("aes_key", key.hex()))
    expect("the MAC", made.mac.hex(), row.get("ptut_mac32", made.mac.hex()))


def _digits(rows: Any) -> None:
    wrong = [row for row in rows if not has_check_digit(row)]
    expect("digits whose check digit does not fit", wrong, [])


def _counter(row: Document) -> None:
    token = Token(
        counter_bits=int(row["truncated_counter"]), value_class=ValueClass.PENCE, value=0, mac=bytes(4)
    )  # fmt: skip
    found = token.counter(int(row["highest_cached_utrn_counter"]) * COUNTER_STEP)
    expect("the counter", found, int(row["recovered_originator_counter"]))


def _sample(content: Document, row: Document) -> None:
    message = Message.from_bytes(bytes.fromhex(row["message"]))
    expect("the sample, encoded again", message.to_bytes().hex(), row["message"])
    secret = bytes.fromhex(row["Z"])
    purpose = KeyPurpose(message.kind)
    ends = {"originator": message.originator, "recipient": message.recipient}
    expect("the key", message_key(secret, purpose, counter=message.counter, **ends).hex(), row["aes_key"])
    expect("the MAC", compute_mac(message, secret).hex(), row["mac"])
    expect("the MAC in the message", (message.mac or b"").hex(), row["mac"])
    if message.signature:
        expect("what is signed", message.signed_octets.hex(), row["signed_bytes"])
        check_signature(message, bytes.fromhex(_party(content, message.originator)["ds_public_xy"]))


def _party(content: Document, identity: bytes) -> Document:
    for party in content.values():
        if isinstance(party, Mapping) and party.get("id") == identity.hex():
            return party
    raise Mismatch(f"the samples do not say who {identity.hex()} is")


def _signed(folder: Path, path: Path) -> None:
    keys = {}
    for each in sorted(folder.glob("*.pem")):
        kind, _, der = pem.unarmor(each.read_bytes())
        if kind == "CERTIFICATE":
            keys[issuer_serial_of(der)] = public_key_of(der)
    if not keys:
        raise NotRun("no certificate beside it")
    verify_document(path.read_bytes(), keys.get)


def _number(text: str | int) -> int:
    return text if isinstance(text, int) else int(text, 0)


def _raise(error: Exception) -> None:
    raise error
