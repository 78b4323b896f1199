"""Layers of general protection: whose they are, which key, used once, in what order."""

from dataclasses import replace

import pytest
from tests.unit.protocols.dlms.security.bench import fresh, key_of, scalar_of

from meterworks.protocols.dlms import (
    ApduCipher,
    CountUp,
    GrowingCounter,
    SecurityContext,
    SecuritySuite,
    SoftwareKeyAgreement,
    SoftwareSigner,
)
from meterworks.protocols.dlms.security import (
    AlgorithmArc,
    CipherLayer,
    GeneralCiphering,
    GeneralHeader,
    GeneralLayer,
    GeneralSigning,
    IdentifiedKey,
    KeyChoice,
    LayerKeys,
    Layers,
    SignLayer,
    WrappedKey,
    wrap_key,
)
from meterworks.protocols.dlms.tag import CipherForm
from meterworks.protocols.errors import (
    CounterError,
    DecodeError,
    SignatureError,
    StateError,
    TagError,
    TitleError,
    WeakProtection,
)

SUITE = SecuritySuite.SUITE_1
CLIENT, METER = b"MWKclien", b"MWKmeter"
APDU = bytes.fromhex("c001c100080000010000ff0200")
TRANSACTION = bytes(range(1, 9))
FRESH = (KeyChoice.WRAPPED, KeyChoice.ONE_PASS, KeyChoice.STATIC)


def keys(first: int, second: int, **changes: object) -> LayerKeys:
    facts = LayerKeys(
        suite=SUITE,
        random_bytes=fresh(bytes((first,))),
        authentication_key=key_of(SUITE, 0xD0),
        kek=key_of(SUITE, 0x50),
        signer=SoftwareSigner(SUITE, scalar_of(SUITE, first)),
        peer_signing_key=SoftwareSigner(SUITE, scalar_of(SUITE, second)).public_key,
        key_agreement=SoftwareKeyAgreement(SUITE, scalar_of(SUITE, first + 50)),
        peer_agreement_key=SoftwareKeyAgreement(SUITE, scalar_of(SUITE, second + 50)).public_key,
    )
    return replace(facts, **changes)  # type: ignore[arg-type]


def context(own: bytes, peer: bytes) -> SecurityContext:
    return SecurityContext(
        own_title=own,
        peer_title=peer,
        cipher=ApduCipher(key_of(SUITE, 0x10), key_of(SUITE, 0xD0), SUITE, broadcast_key=key_of(SUITE, 0x30)),
        next_counter=CountUp(7).next,
        peer_counter=GrowingCounter(),
    )


def client(**changes: object) -> Layers:
    return Layers(keys(1, 101, **changes), context(CLIENT, METER), CLIENT, METER)


def meter(**changes: object) -> Layers:
    return Layers(keys(101, 1, **changes), context(METER, CLIENT), METER, CLIENT)


def general(
    choice: KeyChoice, transaction_id: bytes = TRANSACTION, arc: AlgorithmArc = AlgorithmArc.CURRENT
) -> GeneralLayer:
    return GeneralLayer(choice, 0x31, transaction_id, arc)


@pytest.mark.parametrize("choice", KeyChoice)
def test_each_key_is_told_and_found(choice: KeyChoice) -> None:
    message = client().apply(APDU, (general(choice),))
    assert APDU not in message
    opened = meter().remove(message, 0x30)
    assert opened.apdu == APDU
    (layer,) = opened.layers
    assert isinstance(layer, GeneralLayer)
    assert (layer.choice, layer.transaction_id) == (choice, TRANSACTION)
    assert opened.protection == 0x30
    assert opened.inner is not None
    assert opened.inner.counter == 7


@pytest.mark.parametrize("choice", KeyChoice)
def test_each_is_taken_once(choice: KeyChoice) -> None:
    receiver, message = meter(), client().apply(APDU, (general(choice),))
    receiver.remove(message, 0x30)
    with pytest.raises(CounterError):
        receiver.remove(message, 0x30)


@pytest.mark.parametrize("choice", FRESH)
def test_counters_may_begin_anew_under_a_fresh_key_where_that_is_tolerated(choice: KeyChoice) -> None:
    strict, tolerant = meter(), meter(fresh_counters=True)
    for receiver in (strict, tolerant):
        receiver.remove(client().apply(APDU, (general(KeyChoice.IDENTIFIED),)), 0x30)  # counter 7
    other = client(random_bytes=fresh(b"other"))
    again = other.apply(APDU, (general(choice, b"another"),))  # counter 7 once more, under a key of its own
    with pytest.raises(CounterError):
        strict.remove(again, 0x30)
    assert tolerant.remove(again, 0x30).apdu == APDU
    with pytest.raises(CounterError, match="key"):
        tolerant.remove(again, 0x30)


@pytest.mark.parametrize("choice", KeyChoice)
def test_each_altered_octet_is_noticed(choice: KeyChoice) -> None:
    message = client().apply(APDU, (general(choice),))
    for position in range(len(message)):
        altered = bytearray(message)
        altered[position] ^= 0x04
        with pytest.raises((TagError, TitleError, WeakProtection, DecodeError, SignatureError)):
            meter().remove(bytes(altered), 0x30)


@pytest.mark.parametrize("arc", AlgorithmArc)
@pytest.mark.parametrize("choice", [KeyChoice.ONE_PASS, KeyChoice.STATIC])
def test_the_old_algorithm_id_is_taken_where_that_is_tolerated(choice: KeyChoice, arc: AlgorithmArc) -> None:
    message = client().apply(APDU, (general(choice, arc=arc),))
    (layer,) = meter(old_algorithm_id=True).remove(message, 0x30).layers
    assert isinstance(layer, GeneralLayer)
    assert layer.arc is arc  # the answer takes the same
    if arc is AlgorithmArc.OLD:
        with pytest.raises(TagError):
            meter().remove(message, 0x30)


@pytest.mark.parametrize(
    ("choice", "missing"),
    [
        (KeyChoice.WRAPPED, "kek"),
        (KeyChoice.ONE_PASS, "key_agreement"),
        (KeyChoice.ONE_PASS, "peer_signing_key"),
        (KeyChoice.STATIC, "key_agreement"),
        (KeyChoice.STATIC, "peer_agreement_key"),
    ],
)
def test_a_receiver_without_the_key_refuses(choice: KeyChoice, missing: str) -> None:
    message = client().apply(APDU, (general(choice),))
    with pytest.raises(WeakProtection):
        meter(**{missing: None}).remove(message, 0x30)


@pytest.mark.parametrize(
    ("choice", "missing"),
    [
        (KeyChoice.WRAPPED, "kek"),
        (KeyChoice.ONE_PASS, "signer"),
        (KeyChoice.ONE_PASS, "peer_agreement_key"),
        (KeyChoice.STATIC, "key_agreement"),
    ],
)
def test_a_sender_without_the_key_says_so(choice: KeyChoice, missing: str) -> None:
    with pytest.raises(StateError):
        client(**{missing: None}).apply(APDU, (general(choice),))


def test_an_ephemeral_key_that_another_signed_is_refused() -> None:
    stranger = SoftwareSigner(SUITE, scalar_of(SUITE, 70))
    with pytest.raises(SignatureError):
        meter().remove(client(signer=stranger).apply(APDU, (general(KeyChoice.ONE_PASS),)), 0x30)


def test_a_key_wrapped_under_another_kek_is_refused() -> None:
    with pytest.raises(TagError):
        meter(kek=bytes(16)).remove(client().apply(APDU, (general(KeyChoice.WRAPPED),)), 0x30)


def handmade(info: object, *, control: int = 0x31, header: GeneralHeader | None = None, counter: int = 9) -> bytes:
    """Give a general-ciphering APDU made by hand under the global key."""
    header = header or GeneralHeader(transaction_id=TRANSACTION, originator=CLIENT, recipient=METER)
    cipher = ApduCipher(key_of(SUITE, 0x10), key_of(SUITE, 0xD0), SUITE)
    body = cipher.protect(control, CLIENT, counter, APDU, header.to_bytes())[5:]
    message = GeneralCiphering(header=header, key_info=info, control=control, counter=counter, body=body)  # type: ignore[arg-type]
    return message.to_bytes()


@pytest.mark.parametrize(
    ("info", "error"),
    [
        (IdentifiedKey(1), WeakProtection),  # says broadcast, its control octet says unicast
        (IdentifiedKey(2), WeakProtection),
        (WrappedKey(wrap_key(key_of(SUITE, 0x50), bytes(32))), DecodeError),  # a key of another suite
        (WrappedKey(wrap_key(key_of(SUITE, 0x50), bytes(16)), 1), WeakProtection),
        (None, WeakProtection),  # no key, and none was sent before
    ],
)
def test_keys_that_do_not_fit_are_refused(info: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        meter().remove(handmade(info), 0x30)


@pytest.mark.parametrize(
    ("originator", "recipient"), [(METER, METER), (CLIENT, CLIENT), (b"", METER), (CLIENT, b""), (b"MWKother", METER)]
)
def test_titles_must_be_those_of_the_association(originator: bytes, recipient: bytes) -> None:
    header = GeneralHeader(transaction_id=TRANSACTION, originator=originator, recipient=recipient)
    with pytest.raises(TitleError):
        meter().remove(handmade(IdentifiedKey(0), header=header), 0x30)


def test_date_time_and_other_information_are_taken_and_authenticated() -> None:
    header = GeneralHeader(
        transaction_id=b"", originator=CLIENT, recipient=METER, date_time=bytes(12), other_information=b"other"
    )
    message = handmade(IdentifiedKey(0), header=header)
    assert meter().remove(message, 0x30).apdu == APDU
    with pytest.raises(TagError):
        meter().remove(message.replace(b"other", b"Other"), 0x30)


@pytest.mark.parametrize("choice", [KeyChoice.WRAPPED, KeyChoice.ONE_PASS])
def test_a_later_message_may_leave_the_key_out(choice: KeyChoice) -> None:
    sender, receiver = client(random_bytes=lambda size: b"r" * size), meter()
    receiver.remove(sender.apply(APDU, (general(choice),)), 0x30)
    cipher, _ = client(random_bytes=lambda size: b"r" * size)._key_to_send(general(choice))
    header = GeneralHeader(transaction_id=b"later", originator=CLIENT, recipient=METER)
    for counter, error in ((8, None), (8, CounterError), (6, CounterError), (9, None)):
        body = cipher.protect(0x31, CLIENT, counter, APDU, header.to_bytes())[5:]
        message = GeneralCiphering(header=header, key_info=None, control=0x31, counter=counter, body=body).to_bytes()
        if error is None:
            assert receiver.remove(message, 0x30).apdu == APDU
        else:
            with pytest.raises(error):
                receiver.remove(message, 0x30)


@pytest.mark.parametrize(
    ("around", "protection"),
    [
        ((SignLayer(TRANSACTION),), 0x100),
        ((SignLayer(TRANSACTION), CipherLayer(CipherForm.GENERAL_GLO, 0x30)), 0x130),
        ((CipherLayer(CipherForm.GENERAL_GLO, 0x30), SignLayer(TRANSACTION)), 0x130),
        ((SignLayer(TRANSACTION), general(KeyChoice.ONE_PASS)), 0x130),
        ((general(KeyChoice.STATIC), SignLayer(TRANSACTION)), 0x130),
        ((SignLayer(TRANSACTION), CipherLayer(CipherForm.GLO, 0x10)), 0x110),
    ],
)
def test_layers_are_peeled_in_any_order(around: tuple[SignLayer, ...], protection: int) -> None:
    message = client().apply(APDU, around)
    opened = meter().remove(message, protection)
    assert (opened.apdu, opened.protection, len(opened.layers)) == (APDU, protection, len(around))
    with pytest.raises(WeakProtection):
        meter().remove(message, protection | 0x400)


def test_more_layers_than_three_are_refused() -> None:
    message = client().apply(APDU, (SignLayer(b"1"), SignLayer(b"2"), SignLayer(b"3"), SignLayer(b"4")))
    with pytest.raises(DecodeError, match="layers"):
        meter().remove(message, 0)


def test_a_signature_alone_is_taken_once_and_in_order() -> None:
    sender, receiver = client(), meter()
    first, second = (sender.apply(APDU, (SignLayer(sender.new_transaction_id()),)) for _ in range(2))
    receiver.remove(second, 0x100)
    for message in (second, first):
        with pytest.raises(CounterError):
            receiver.remove(message, 0x100)


@pytest.mark.parametrize("missing", ["peer_signing_key", "signer"])
def test_signing_needs_its_keys(missing: str) -> None:
    sender = client(**{missing: None}) if missing == "signer" else client()
    if missing == "signer":
        with pytest.raises(StateError):
            sender.apply(APDU, (SignLayer(TRANSACTION),))
        return
    with pytest.raises(WeakProtection):
        meter(peer_signing_key=None).remove(sender.apply(APDU, (SignLayer(TRANSACTION),)), 0x100)


def test_each_altered_octet_of_a_signed_message_is_noticed() -> None:
    message = client().apply(APDU, (SignLayer(TRANSACTION),))
    for position in range(len(message)):
        altered = bytearray(message)
        altered[position] ^= 0x04
        if altered[0] != 0xDF:
            continue  # no layer any more: refused for lack of protection
        with pytest.raises((SignatureError, TitleError, DecodeError)):
            meter().remove(bytes(altered), 0x100)


def test_a_signature_over_the_length_too_is_taken_where_that_is_tolerated() -> None:
    signer = SoftwareSigner(SUITE, scalar_of(SUITE, 1))
    header = GeneralHeader(transaction_id=TRANSACTION, originator=CLIENT, recipient=METER)
    unsigned = GeneralSigning(header=header, content=APDU, signature=b"")
    message = replace(unsigned, signature=signer.sign(unsigned.signed_with_length)).to_bytes()
    assert meter(signed_length=True).remove(message, 0x100).apdu == APDU
    with pytest.raises(SignatureError):
        meter().remove(message, 0x100)


@pytest.mark.parametrize("choice", KeyChoice)
def test_a_tag_without_the_header_is_taken_and_answered_alike_where_that_is_tolerated(choice: KeyChoice) -> None:
    bare = replace(general(choice), is_bare=True)
    (layer,) = meter(bare_headers=True).remove(client().apply(APDU, (bare,)), 0x30).layers
    assert layer == replace(bare, control=layer.control)  # type: ignore[union-attr]
    (strict,) = meter(bare_headers=True).remove(client().apply(APDU, (general(choice),)), 0x30).layers
    assert isinstance(strict, GeneralLayer)
    assert not strict.is_bare
    with pytest.raises(TagError):
        meter().remove(client().apply(APDU, (bare,)), 0x30)


def test_an_ephemeral_key_signed_with_its_number_is_taken_where_that_is_tolerated() -> None:
    class Numbering(SoftwareSigner):
        def sign(self, message: bytes) -> bytes:
            return super().sign(b"\x01" + message)

    message = client(signer=Numbering(SUITE, scalar_of(SUITE, 1))).apply(APDU, (general(KeyChoice.ONE_PASS),))
    assert meter(bare_headers=True).remove(message, 0x30).apdu == APDU
    with pytest.raises(SignatureError):
        meter().remove(message, 0x30)


def test_without_symmetric_keys_there_are_only_signatures() -> None:
    bare = Layers(keys(101, 1), None, METER, CLIENT)
    with pytest.raises(WeakProtection):
        bare.remove(client().apply(APDU, (general(KeyChoice.IDENTIFIED),)), 0x30)
    with pytest.raises(WeakProtection):
        bare.remove(client().apply(APDU, (CipherLayer(CipherForm.GLO, 0x30),)), 0x30)
    with pytest.raises(StateError):
        bare.apply(APDU, (CipherLayer(CipherForm.GLO, 0x30),))
    assert bare.remove(client().apply(APDU, (SignLayer(TRANSACTION),)), 0x100).inner is None


def test_transaction_ids_grow() -> None:
    layers = client()
    made = [layers.new_transaction_id() for _ in range(4)]
    assert made == sorted(set(made))
    assert {len(octets) for octets in made} == {8}


def test_the_overhead_told_is_never_exceeded() -> None:
    layers = client()
    for around in ((general(choice),) for choice in KeyChoice):
        assert len(layers.apply(APDU, around)) - len(APDU) <= layers.overhead(around)
    signed = (SignLayer(TRANSACTION), general(KeyChoice.ONE_PASS))
    assert len(layers.apply(APDU, signed)) - len(APDU) <= layers.overhead(signed) <= Layers.OVERHEAD_MAX
