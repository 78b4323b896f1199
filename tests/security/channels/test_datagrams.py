"""What strangers can make a DTLS listener do: nothing that costs, nothing that is loud."""

import secrets

import pytest
from tests.tls_authority import authority, issued

from meterworks.trust.dtls import DtlsConnection, DtlsContext, DtlsListener

HELLO = bytes.fromhex(
    "16fefd00000000000000000075010000690000000000000069fefd" + "5a" * 32 + "0000"
    "0006c02bc02cc0ac0100"
) + bytes(60)  # fmt: skip


@pytest.fixture(scope="module")
def context():
    return DtlsContext(authority().memory(issued("device", "4d57520000000002")), is_server=True)


def listener_of(context):
    return DtlsListener(context, lambda _peer, _address: None, secrets.token_bytes, now=0.0)


@pytest.mark.requirement("SEC-051")
def test_an_address_that_has_not_answered_costs_nothing(context, monkeypatch):
    begun = []
    monkeypatch.setattr(DtlsConnection, "listen", lambda *_: begun.append(1))
    listener = listener_of(context)
    for port in range(50):
        listener.receive(HELLO, ("192.0.2.1", port), 0.0)
    assert begun == []
    assert listener.half_open == 0


@pytest.mark.requirement("SEC-098")
def test_no_stranger_is_answered_with_more_than_it_sent(context):
    listener = listener_of(context)
    answered = 0
    for size in range(len(HELLO) + 1):
        listener.receive(HELLO[:size], ("192.0.2.1", size), 0.0)
        answers = listener.datagrams()
        assert sum(len(answer) for answer, _ in answers) <= size
        assert all(address == ("192.0.2.1", size) for _, address in answers)
        answered += len(answers)
    assert answered > 0
