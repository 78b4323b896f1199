"""Protection, counters and their refusals."""

import pytest

from meterworks.protocols.dlms import ApduCipher, CountUp, GrowingCounter, SecurityContext
from meterworks.protocols.dlms.security import COUNTER_MAX, OVERHEAD
from meterworks.protocols.dlms.tag import DEDICATED_OF, FORM_OF, GLOBAL_OF, CipherForm
from meterworks.protocols.errors import CounterError, DecodeError, StateError, TagError, TitleError, WeakProtection

CIPHER = ApduCipher(bytes(16), bytes(range(16)))
DEDICATED = ApduCipher(bytes(range(16)), bytes(range(16)))
GET = bytes.fromhex("c001c100080000010000ff0200")
CLIENT, METER = b"CLI00001", b"MET00001"


def ends(*, dedicated: ApduCipher | None = None, lowest: int = 0) -> tuple[SecurityContext, SecurityContext]:
    """Give a client's context and that of its meter."""
    client = SecurityContext(
        own_title=CLIENT, peer_title=METER, cipher=CIPHER, next_counter=CountUp(7).next,
        peer_counter=GrowingCounter(), dedicated=dedicated,
    )  # fmt: skip
    meter = SecurityContext(
        own_title=METER, peer_title=CLIENT, cipher=CIPHER, next_counter=CountUp().next,
        peer_counter=GrowingCounter(lowest), dedicated=dedicated,
    )  # fmt: skip
    return client, meter


@pytest.mark.parametrize("form", list(CipherForm))
@pytest.mark.parametrize("control", [0x10, 0x20, 0x30])
def test_what_one_end_protects_the_other_opens(form: CipherForm, control: int) -> None:
    client, meter = ends(dedicated=DEDICATED)
    protected = client.protect(GET, form, control)
    assert len(protected) <= len(GET) + OVERHEAD[form]
    opened = meter.unprotect(protected, control)
    assert (opened.apdu, opened.form, opened.control) == (GET, form, control)
    assert opened.counter == (0 if form & 1 else 7)


@pytest.mark.parametrize("position", range(1, 33))
def test_each_altered_octet_is_noticed(position: int) -> None:
    client, meter = ends()
    protected = bytearray(client.protect(GET, CipherForm.GLO, 0x30))
    if position >= len(protected):
        position = len(protected) - 1
    protected[position] ^= 0x01
    with pytest.raises((TagError, DecodeError, WeakProtection)):
        meter.unprotect(bytes(protected), 0x30)


def test_a_used_counter_is_refused_after_its_tag_was_verified() -> None:
    client, meter = ends()
    protected = client.protect(GET, CipherForm.GLO, 0x30)
    meter.unprotect(protected, 0x30)
    with pytest.raises(CounterError) as refused:
        meter.unprotect(protected, 0x30)
    assert refused.value.lowest == 8
    with pytest.raises(TagError):  # a forged message with a low counter tells nothing about counters
        meter.unprotect(protected[:-1] + bytes((protected[-1] ^ 1,)), 0x30)


def test_a_forged_high_counter_moves_nothing() -> None:
    client, meter = ends()
    forged = bytearray(client.protect(GET, CipherForm.GLO, 0x30))
    forged[3:7] = b"\xff\xff\xff\xf0"
    with pytest.raises(TagError):
        meter.unprotect(bytes(forged), 0x30)
    assert meter.unprotect(client.protect(GET, CipherForm.GLO, 0x30), 0x30).counter == 8


def test_less_protection_than_asked_for_is_refused() -> None:
    client, meter = ends()
    for control in (0x10, 0x20):
        with pytest.raises(WeakProtection):
            meter.unprotect(client.protect(GET, CipherForm.GLO, control), 0x30)


@pytest.mark.parametrize("control", [0x31, 0x70, 0xB0, 0x00])
def test_other_suites_keys_and_compression_are_refused(control: int) -> None:
    _, meter = ends()
    with pytest.raises(WeakProtection):
        meter.unprotect(bytes((0xC8, 22, control)) + bytes(21), 0)


def test_another_title_is_refused() -> None:
    client, meter = ends()
    protected = client.protect(GET, CipherForm.GENERAL_GLO, 0x30)
    with pytest.raises(TitleError):
        meter.unprotect(protected.replace(CLIENT, b"CLI00002"), 0x30)


def test_an_empty_title_means_the_associated_one() -> None:
    client, meter = ends()
    protected = client.protect(GET, CipherForm.GENERAL_GLO, 0x30)
    assert meter.unprotect(b"\xdb\x00" + protected[10:], 0x30).apdu == GET


def test_a_service_in_the_form_of_another_is_refused() -> None:
    client, meter = ends()
    protected = client.protect(GET, CipherForm.GLO, 0x30)
    with pytest.raises(DecodeError):
        meter.unprotect(b"\xc9" + protected[1:], 0x30)


def test_a_dedicated_key_that_was_not_agreed_is_refused() -> None:
    client, _ = ends(dedicated=DEDICATED)
    _, meter = ends()
    with pytest.raises(WeakProtection):
        meter.unprotect(client.protect(GET, CipherForm.DED, 0x30), 0x30)
    with pytest.raises(StateError):
        meter.protect(GET, CipherForm.DED, 0x30)


def test_a_service_without_own_form_goes_out_in_the_general_one() -> None:
    client, meter = ends()
    push = bytes.fromhex("0f000000010000")
    protected = client.protect(push, CipherForm.GLO, 0x30)
    assert protected[0] == 0xDB
    assert meter.unprotect(protected, 0x30).apdu == push


def test_a_key_is_dead_at_the_end_of_its_counter() -> None:
    with pytest.raises(StateError, match="used up"):
        CIPHER.protect(0x30, CLIENT, COUNTER_MAX, GET)
    CIPHER.protect(0x30, CLIENT, COUNTER_MAX - 1, GET)
    with pytest.raises(StateError):
        CIPHER.gmac(CLIENT, COUNTER_MAX + 1, b"")


@pytest.mark.parametrize("octets", ["", "c0", "c8", "c800", "c8053000000001ff", "db0701", "db08" + "00" * 8 + "04"])
def test_malformed_ciphered_apdus_are_refused(octets: str) -> None:
    _, meter = ends()
    with pytest.raises(DecodeError):
        meter.unprotect(bytes.fromhex(octets), 0)


def test_tags_of_ciphered_services_are_those_of_the_standard() -> None:
    assert [GLOBAL_OF[tag] for tag in (0x01, 0x08, 0xC0, 0xC4, 0xC7)] == [0x21, 0x28, 0xC8, 0xCC, 0xCF]
    assert [DEDICATED_OF[tag] for tag in (0x01, 0x08, 0xC0, 0xC4, 0xC7)] == [0x41, 0x48, 0xD0, 0xD4, 0xD7]
    assert len(FORM_OF) == 2 * len(GLOBAL_OF) + 2
