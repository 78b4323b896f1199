"""The suite with every mechanism and security suite: the tester's own proofs and ciphers against our server's."""

from typing import Any

import pytest
from tests.integration.dlms.example_device import CLIENT_TITLE, PASSWORD
from tests.integration.dlms.matrix import KEYS, MECHANISMS, SECRET, MatrixDevice, client_sap, private_key, signer_of
from tests.unit.assess.conformance.bench import judge, make_tester, server_of

from meterworks.assess.conformance import Credential, Outcome
from meterworks.assess.conformance.protection import is_proof, make_proof
from meterworks.errors import UsageError
from meterworks.protocols.dlms import Mechanism

CELLS = [
    pytest.param(mechanism, suite, id=f"{mechanism.name.lower()}-{'plain' if suite is None else suite}")
    for mechanism in MECHANISMS
    for suite in (None, 0, 1, 2)
    if mechanism != Mechanism.ECDSA or suite
]
ROWS = ("ASSOC", "SEC", "SERV-02", "SERV-40", "LINK-01")


def credential_of(mechanism: int, suite: int | None, **changes: Any) -> Credential:
    guek, gak = KEYS[suite or 0]
    signed = mechanism == Mechanism.ECDSA and suite
    facts: dict[str, Any] = {
        "client_sap": client_sap(mechanism, suite), "mechanism": mechanism, "suite": suite or 0,
        "protection": 0 if suite is None else 0x30, "title": CLIENT_TITLE, "guek": guek, "gak": gak,
        "password": PASSWORD, "secret": SECRET,
        "signing_key": private_key(suite, "client") if signed and suite else None,
        "server_signing_key": signer_of(suite, "server").public_key if signed and suite else None,
    }  # fmt: skip
    return Credential(**(facts | changes))


@pytest.mark.parametrize(("mechanism", "suite"), CELLS)
def test_our_server_passes_with_each_mechanism_and_suite(mechanism: Mechanism, suite: int | None) -> None:
    results = judge(server_of(MatrixDevice()), credential_of(mechanism, suite), ROWS)
    bad = (Outcome.FAILED, Outcome.INCONCLUSIVE)
    assert {row: result.reason for row, result in results.items() if result.outcome in bad} == {}
    passed = sum(result.outcome is Outcome.PASSED for result in results.values())
    assert passed >= (23 if mechanism < 2 and suite is None else 60 if suite is not None else 34)


@pytest.mark.parametrize("mechanism", [2, 3, 4, 6])
def test_another_secret_opens_nothing(mechanism: int) -> None:
    credential = credential_of(mechanism, 0, secret=b"another secret..")
    tester = make_tester(server_of(MatrixDevice()), credential)
    tester.look_around()
    assert tester.survey.agreed is None
    assert "did not take our proof" in tester.survey.fault


@pytest.mark.parametrize("suite", [1, 2])
def test_another_signing_key_opens_nothing(suite: int) -> None:
    credential = credential_of(7, suite, signing_key=private_key(suite, "a stranger"))
    tester = make_tester(server_of(MatrixDevice()), credential)
    tester.look_around()
    assert "did not take our proof" in tester.survey.fault


@pytest.mark.parametrize("suite", [1, 2])
def test_a_server_with_another_signing_key_is_not_believed(suite: int) -> None:
    credential = credential_of(7, suite, server_signing_key=signer_of(suite, "a stranger").public_key)
    tester = make_tester(server_of(MatrixDevice()), credential)
    tester.look_around()
    assert "the server's proof is false" in tester.survey.fault


@pytest.mark.parametrize("mechanism", [2, 3, 4, 5, 6, 7])
def test_a_proof_with_one_bit_changed_is_none(mechanism: int) -> None:
    suite = 1
    ours = credential_of(mechanism, suite)
    theirs = credential_of(
        mechanism, suite, title=b"SRV\x00\x00\x00\x00\x01",
        signing_key=private_key(1, "server"), server_signing_key=signer_of(1, "client").public_key,
    )  # fmt: skip
    proof = make_proof(theirs, ours.title, 9, b"challenge of ours", b"challenge of theirs")
    assert is_proof(ours, theirs.title, proof, b"challenge of ours", b"challenge of theirs")
    false = proof[:-1] + bytes((proof[-1] ^ 1,))
    assert not is_proof(ours, theirs.title, false, b"challenge of ours", b"challenge of theirs")
    assert not is_proof(ours, theirs.title, proof, b"another challenge.", b"challenge of theirs")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"suite": 3}, "suite 3"),
        ({"suite": 2, "guek": bytes(16)}, "suite 2 takes 32"),
        ({"guek": None}, "need guek and gak"),
        ({"mechanism": 1, "password": None}, "needs a password"),
        ({"mechanism": 3, "secret": None}, "needs a secret"),
        ({"mechanism": 7}, "needs signing_key"),
    ],
)
def test_a_credential_that_opens_nothing_is_refused(changes: dict[str, Any], reason: str) -> None:
    facts: dict[str, Any] = {"mechanism": 5, "guek": bytes(16), "gak": bytes(16)}
    with pytest.raises(UsageError, match=reason):
        Credential(**(facts | changes))
