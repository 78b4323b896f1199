"""GB messages: built, protected, verified and read, beside the bare cryptography of the same message in the same run.

Requests are our own examples, one for each kind of message, and so are the answers. "bare" is what no implementation
can leave out: a key derivation and an AES-GCM pass over the same octets, and one ECDSA for what is signed, done with
`cryptography` alone; the secret of two key pairs is agreed once and kept, in both arms. Documents: signed and verified,
beside one bare ECDSA. Times are processor time, the best of several rounds taken in turn. Prints one JSON object.

    python -m benchmarks.gbcs [--seconds 0.2] [--rounds 5]
"""

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from tests.gb_example import EXAMPLES, Example, Party, answer_to

from meterworks.companions.gb import read_request, write_request
from meterworks.companions.gb.correlate import correlate
from meterworks.companions.gb.duis import sign_document, verify_document
from meterworks.companions.gb.result import read_result
from meterworks.protocols.gbcs import (
    MAC_SIZE,
    Message,
    check_mac,
    check_signature,
    with_mac,
    with_signature,
)

ISSUER: Final = "CN=Z1, OU=07"
SERIAL: Final = 1234567890
KEY: Final = ec.generate_private_key(ec.SECP256R1())
Work = Callable[[], object]


def times_us(works: Mapping[str, Work], seconds: float, rounds: int) -> dict[str, float]:
    """Give the processor time of each piece of work in microseconds: the best of rounds taken in turn."""
    best = dict.fromkeys(works, float("inf"))
    for work in works.values():
        work()
    for _ in range(rounds):
        for name, work in works.items():
            began, done = time.process_time(), 0
            while (spent := time.process_time() - began) < seconds:
                work()
                done += 1
            best[name] = min(best[name], spent / done * 1e6)
    return {name: round(figure, 1) for name, figure in best.items()}


def bare_protection(message: Message, *, is_signed: bool) -> Work:
    """The cryptography of protecting a message, and nothing else."""
    octets, secret = message.signed_octets, bytes(32)

    def work() -> None:
        if is_signed:
            decode_dss_signature(KEY.sign(octets, ec.ECDSA(SHA256(), deterministic_signing=True)))
        key = hashlib.sha256(secret + octets[:33]).digest()[:16]
        AESGCM(key).encrypt(bytes(12), b"", octets)

    return work


def bare_verification(message: Message, *, is_signed: bool) -> Work:
    """The cryptography of verifying a message: a signature, or a MAC."""
    octets, public = message.signed_octets, KEY.public_key()
    numbers = decode_dss_signature(KEY.sign(octets, ec.ECDSA(SHA256())))

    def verify() -> None:
        public.verify(encode_dss_signature(*numbers), octets, ec.ECDSA(SHA256()))

    def authenticate() -> None:
        key = hashlib.sha256(bytes(32) + octets[:33]).digest()[:16]
        AESGCM(key).encrypt(bytes(12), b"", octets)[:MAC_SIZE]

    return verify if is_signed else authenticate


def command_figures(
    example: Example, supplier: Party, broker: Party, meter: Party, how: dict[str, Any]
) -> dict[str, float]:
    """Build and protect the command of an example, and check it as its user would."""
    draft, is_signed = example.command(), example.is_signed()
    secret = broker.secret_with(meter)

    def protect(message: Message) -> bytes:
        whole = with_signature(message, supplier.signer) if is_signed else message
        return with_mac(whole, secret).to_bytes()

    octets, request, situation = draft.to_bytes(), example.request, example.situation
    found = times_us(
        {
            "build": example.command,
            "protect": lambda: protect(draft),
            "build_protect": lambda: protect(example.command()),
            "bare_protect": bare_protection(draft, is_signed=is_signed),
            "check": lambda: correlate(request, octets, situation),
        },
        **how,
    )
    return found | {"overhead_to_bare": round(found["build_protect"] / found["bare_protect"] - 1, 2)}


def answer_figures(example: Example, supplier: Party, meter: Party, how: dict[str, Any]) -> dict[str, float]:
    """Verify and read the answer to the command of an example."""
    command, is_signed = example.command(), example.is_signed()
    answer = answer_to(command)
    secret = supplier.secret_with(meter)
    octets = (with_signature(answer, meter.signer) if is_signed else with_mac(answer, secret)).to_bytes()

    def verify() -> Message:
        message = Message.from_bytes(octets)
        if is_signed:
            check_signature(message, meter.signer.public_key)
        else:
            check_mac(message, secret)
        return message

    def verify_and_read() -> None:
        verify()
        read_result(octets, command=command)

    found = times_us(
        {
            "verify": verify,
            "verify_read": verify_and_read,
            "bare_verify": bare_verification(answer, is_signed=is_signed),
        },
        **how,
    )
    return found | {"overhead_to_bare": round(found["verify_read"] / found["bare_verify"] - 1, 2)}


def document_figures(supplier: Party, how: dict[str, Any]) -> dict[str, float]:
    """Write, sign, verify and read a request as XML."""
    request = EXAMPLES[0].request
    plain = write_request(request)
    signed = sign_document(plain, supplier.signer, ISSUER, SERIAL)
    public = supplier.signer.public_key
    return times_us(
        {
            "write": lambda: write_request(request),
            "read": lambda: read_request(plain),
            "sign": lambda: sign_document(plain, supplier.signer, ISSUER, SERIAL),
            "verify": lambda: verify_document(signed, lambda _: public),
            "bare_sign": lambda: KEY.sign(plain, ec.ECDSA(SHA256(), deterministic_signing=True)),
        },
        **how,
    )


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--rounds", type=int, default=5)
    how = vars(parser.parse_args())
    supplier, broker, meter = Party(), Party(), Party()
    kinds = {True: "signed", False: "plain"}
    commands: dict[str, dict[str, Any]] = {"signed": {}, "plain": {}}
    answers: dict[str, dict[str, Any]] = {"signed": {}, "plain": {}}
    for example in EXAMPLES:
        kind = kinds[example.is_signed()]
        commands[kind][example.name] = command_figures(example, supplier, broker, meter, how)
        answers[kind][example.name] = answer_figures(example, supplier, meter, how)
    print(json.dumps({"command_us": commands, "answer_us": answers, "xml_us": document_figures(supplier, how)}))


if __name__ == "__main__":
    main()
