"""AES-GCM of the suites: what is refused, what is not checked and says so."""

import pytest

from meterworks.protocols.dlms import ApduCipher, CountUp, GrowingCounter, SecurityContext, SecuritySuite
from meterworks.protocols.dlms.security import COUNTER_MAX, Unprotected, Unverified
from meterworks.protocols.dlms.tag import CipherForm
from meterworks.protocols.errors import DecodeError, StateError, SuiteError, TagError, WeakProtection

TITLE, PEER = b"MWK00001", b"MWK00002"
APDU = bytes.fromhex("c001c100080000010000ff0200")


def cipher(suite: int = 0, *, broadcast: bool = False) -> ApduCipher:
    size = 32 if suite == SecuritySuite.SUITE_2 else 16
    return ApduCipher(bytes(size), bytes(range(size)), suite, broadcast_key=b"B" * size if broadcast else None)


@pytest.mark.parametrize("suite", [0, 1, 2])
@pytest.mark.parametrize("bits", [0x10, 0x20, 0x30])
@pytest.mark.parametrize("header", [b"", b"\x08transact"])
def test_what_a_suite_protects_it_opens(suite: int, bits: int, header: bytes) -> None:
    protected = cipher(suite).protect(bits, TITLE, 7, APDU, header)
    assert protected[0] == bits | suite
    assert protected[1:5] == b"\x00\x00\x00\x07"
    assert len(protected) == 5 + len(APDU) + (12 if bits & 0x10 else 0)
    assert cipher(suite).unprotect(bits | suite, TITLE, 7, protected[5:], header) == APDU


@pytest.mark.parametrize("bits", [0x10, 0x30])
def test_the_header_is_authenticated(bits: int) -> None:
    protected = cipher(1).protect(bits, TITLE, 7, APDU, b"header")
    with pytest.raises(TagError):
        cipher(1).unprotect(bits | 1, TITLE, 7, protected[5:], b"Header")


@pytest.mark.parametrize(("ours", "theirs"), [(0, 1), (1, 0), (1, 2), (2, 1), (2, 0)])
def test_another_suite_is_refused(ours: int, theirs: int) -> None:
    protected = cipher(theirs).protect(0x30, TITLE, 7, APDU)
    with pytest.raises(SuiteError):
        cipher(ours).unprotect(protected[0], TITLE, 7, protected[5:])


def test_compression_is_refused_in_so_many_words() -> None:
    with pytest.raises(WeakProtection, match="compressed"):
        cipher().unprotect(0xB0, TITLE, 7, bytes(20))


@pytest.mark.parametrize("size", range(12))
@pytest.mark.parametrize("control", [0x10, 0x30])
def test_a_truncated_tag_is_no_tag(control: int, size: int) -> None:
    whole = cipher().protect(control, TITLE, 7, b"")
    with pytest.raises(DecodeError):
        cipher().unprotect(control, TITLE, 7, whole[5 : 5 + size])


@pytest.mark.parametrize("bits", [0x10, 0x20, 0x30])
def test_the_broadcast_key_is_another_key(bits: int) -> None:
    protected = cipher(broadcast=True).protect_broadcast(bits, TITLE, 7, APDU)
    assert protected[0] == bits | 0x40
    assert cipher(broadcast=True).unprotect(protected[0], TITLE, 7, protected[5:]) == APDU
    with pytest.raises(WeakProtection):
        cipher().unprotect(protected[0], TITLE, 7, protected[5:])
    if bits & 0x10:
        with pytest.raises(TagError):  # the bit itself is authenticated
            cipher(broadcast=True).unprotect(bits, TITLE, 7, protected[5:])


def test_without_a_broadcast_key_none_is_used() -> None:
    with pytest.raises(StateError):
        cipher().protect_broadcast(0x30, TITLE, 7, APDU)


@pytest.mark.parametrize("control", [0x00, 0x40])
def test_what_is_not_protected_is_refused(control: int) -> None:
    with pytest.raises(WeakProtection):
        cipher(broadcast=True).unprotect(control, TITLE, 7, APDU)
    with pytest.raises(StateError):
        cipher().protect(control, TITLE, 7, APDU)


@pytest.mark.parametrize("counter", [-1, COUNTER_MAX, COUNTER_MAX + 1])
def test_a_used_up_counter_protects_nothing(counter: int) -> None:
    with pytest.raises(StateError, match="used up"):
        cipher().protect(0x30, TITLE, counter, APDU)


def test_without_authentication_key_nothing_is_checked_and_nothing_authenticated() -> None:
    blind = ApduCipher(bytes(16), None)
    genuine = cipher().protect(0x30, TITLE, 7, APDU)
    assert blind.unprotect(0x30, TITLE, 7, genuine[5:]) == APDU
    assert blind.unprotect(0x10, TITLE, 7, cipher().protect(0x10, TITLE, 7, APDU)[5:]) == APDU
    assert blind.unprotect(0x30, TITLE, 7, genuine[5:-1] + b"?") == APDU  # a false tag
    assert blind.protect(0x20, TITLE, 7, APDU) == cipher().protect(0x20, TITLE, 7, APDU)
    for control in (0x10, 0x30):
        with pytest.raises(StateError):
            blind.protect(control, TITLE, 7, APDU)
    with pytest.raises(StateError):
        blind.gmac(TITLE, 7, b"challenge")


def context(own: bytes, peer: bytes, key: ApduCipher) -> SecurityContext:
    return SecurityContext(
        own_title=own, peer_title=peer, cipher=key, next_counter=CountUp().next, peer_counter=GrowingCounter()
    )


@pytest.mark.parametrize(
    ("key", "control", "kind"),
    [
        (cipher(), 0x30, Unprotected),
        (cipher(), 0x10, Unprotected),
        (cipher(), 0x20, Unverified),
        (ApduCipher(bytes(16), None), 0x30, Unverified),
        (ApduCipher(bytes(16), None), 0x10, Unverified),
    ],
)
def test_what_was_not_checked_is_marked(key: ApduCipher, control: int, kind: type[Unprotected]) -> None:
    protected = context(TITLE, PEER, cipher()).protect(APDU, CipherForm.GLO, control)
    opened = context(PEER, TITLE, key).unprotect(protected, 0)
    assert type(opened) is kind
    assert opened.is_verified is (kind is Unprotected)
    assert opened.apdu == APDU


def test_new_keys_hold_from_the_next_message_with_counters_of_their_own() -> None:
    sender, receiver = context(TITLE, PEER, cipher()), context(PEER, TITLE, cipher())
    receiver.unprotect(sender.protect(APDU, CipherForm.GLO, 0x30), 0x30)
    other = ApduCipher(b"N" * 16, bytes(range(16)))
    count = CountUp()
    sender.change_cipher(other, count.next)
    protected = sender.protect(APDU, CipherForm.GLO, 0x30)
    assert protected[3:7] == bytes(4)
    with pytest.raises(TagError):
        receiver.unprotect(protected, 0x30)
    receiver.change_cipher(other, peer_counter=GrowingCounter())
    assert receiver.unprotect(protected, 0x30).apdu == APDU
    assert receiver.lowest_counter() == 1


def test_own_counter_moves_ahead_only() -> None:
    counter = CountUp(5)
    counter.skip_to(3)
    assert counter.peek() == 5
    counter.skip_to(9)
    assert (counter.next(), counter.next()) == (9, 10)


def test_the_window_of_a_peer_is_never_lowered() -> None:
    counter = GrowingCounter(3)
    assert [counter.accept(value) for value in (3, 3, 10, 4, 9, 10, 11)] == [
        True,
        False,
        True,
        False,
        False,
        False,
        True,
    ]
    assert counter.lowest() == 12
