"""A passkey made and used by a device we play, and each way in which an answer may not hold."""

import hashlib
import json
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url

from meterworks.trust.factor import (
    FactorRefused,
    RelyingParty,
    authentication_options,
    checked_authentication,
    checked_registration,
    credential_id_of,
    new_challenge,
    registration_options,
)

PARTY = RelyingParty(host="localhost", origin="http://localhost:8080")
PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


class Device:
    """An authenticator with one key."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = b"credential 1"
        self.count = 0

    def _data(self, flags: int, host: str, extra: bytes = b"") -> bytes:
        return hashlib.sha256(host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big") + extra

    def make(self, challenge: bytes, *, origin: str = PARTY.origin, host: str = PARTY.host, flags: int = 0x45) -> Any:
        numbers = self.key.public_key().public_numbers()
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
        extra = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + cose
        attestation = {"fmt": "none", "attStmt": {}, "authData": self._data(flags, host, extra)}
        return self._answer(
            _client_data("webauthn.create", challenge, origin), attestationObject=cbor2.dumps(attestation)
        )

    def use(self, challenge: bytes, *, origin: str = PARTY.origin, host: str = PARTY.host, flags: int = 0x05) -> Any:
        self.count += 1
        data, client = self._data(flags, host), _client_data("webauthn.get", challenge, origin)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(client, authenticatorData=data, signature=signature)

    def _answer(self, client: bytes, **response: bytes) -> Any:
        number = bytes_to_base64url(self.credential_id)
        written = {name: bytes_to_base64url(value) for name, value in response.items()}
        return {
            "id": number,
            "rawId": number,
            "type": "public-key",
            "response": {"clientDataJSON": bytes_to_base64url(client), **written},
        }


def _client_data(kind: str, challenge: bytes, origin: str) -> bytes:
    return json.dumps({"type": kind, "challenge": bytes_to_base64url(challenge), "origin": origin}).encode()


def test_a_passkey_is_made_and_used():
    device, challenge = Device(), new_challenge()
    made = checked_registration(PARTY, device.make(challenge), challenge=challenge)
    assert made.credential_id == device.credential_id
    answer = device.use(challenge)
    assert credential_id_of(answer) == made.credential_id
    assert checked_authentication(PARTY, answer, challenge=challenge, public_key=made.public_key, sign_count=0) == 1


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:9999"},
        {"host": "evil.example"},
        {"flags": ATTESTED | PRESENT},  # nobody unlocked it
    ],
)
def test_a_passkey_made_elsewhere_or_by_nobody_is_refused(lie):
    challenge = new_challenge()
    with pytest.raises(FactorRefused):
        checked_registration(PARTY, Device().make(challenge, **lie), challenge=challenge)


@pytest.mark.parametrize("lie", [{"origin": "http://evil.example"}, {"host": "evil.example"}, {"flags": PRESENT}])
def test_an_answer_given_elsewhere_or_by_nobody_is_refused(lie):
    device, challenge = Device(), new_challenge()
    made = checked_registration(PARTY, device.make(challenge), challenge=challenge)
    with pytest.raises(FactorRefused):
        checked_authentication(
            PARTY, device.use(challenge, **lie), challenge=challenge, public_key=made.public_key, sign_count=0
        )


def test_another_challenge_another_key_and_a_used_counter_are_refused():
    device, challenge = Device(), new_challenge()
    made = checked_registration(PARTY, device.make(challenge), challenge=challenge)
    stranger = checked_registration(PARTY, Device().make(challenge), challenge=challenge)
    for answered, key, count in (
        (new_challenge(), made.public_key, 0),
        (challenge, stranger.public_key, 0),
        (challenge, made.public_key, 99),
    ):
        with pytest.raises(FactorRefused):
            checked_authentication(PARTY, device.use(answered), challenge=challenge, public_key=key, sign_count=count)


@pytest.mark.parametrize("answer", [{}, {"id": 7}, {"id": ""}, {"id": "x" * 5000}, {"id": "AAAA", "response": "no"}])
def test_garbage_is_refused(answer):
    challenge = new_challenge()
    with pytest.raises(FactorRefused):
        checked_registration(PARTY, answer, challenge=challenge)
    with pytest.raises(FactorRefused):
        credential_id_of(answer)
        checked_authentication(PARTY, answer, challenge=challenge, public_key=b"", sign_count=0)


def test_options_name_our_host_and_want_the_person():
    made = json.loads(
        registration_options(PARTY, user_id=b"1", user_name="ann", challenge=b"c" * 32, known=[b"credential 1"])
    )
    assert made["rp"]["id"] == "localhost"
    assert made["authenticatorSelection"]["userVerification"] == "required"
    assert len(made["excludeCredentials"]) == 1
    used = json.loads(authentication_options(PARTY, challenge=b"c" * 32, allowed=[b"credential 1"]))
    assert (used["rpId"], used["userVerification"], len(used["allowCredentials"])) == ("localhost", "required", 1)
