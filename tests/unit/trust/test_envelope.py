"""Sealed files: only a named recipient opens them, whole and unchanged, whatever holds the recipient's key."""

import io
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.trust.keystore.vaults import token_bench

from meterworks.trust import (
    EnvelopeError,
    EnvelopeWriter,
    FileKeyVault,
    KeyMaterialError,
    KeyStore,
    KeyUsage,
    KeyUsageError,
    open_envelope,
    read_recipient,
    recipient_id,
)
from meterworks.trust.envelope import CHUNK_SIZE

KIND = "backup"
CONTENT = bytes(range(256)) * 1024  # four chunks


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    return FileKeyVault(tmp_path_factory.mktemp("vault"), KeyStore(bytes(range(32))))


@pytest.fixture(scope="module")
def key(vault):
    return vault.generate("recipient", KeyUsage.AGREE, "P-256")


@pytest.fixture(scope="module")
def other(vault):
    return vault.generate("other", KeyUsage.AGREE, "P-384")


def sealed(content, *keys, kind=KIND):
    target = io.BytesIO()
    writer = EnvelopeWriter(target, kind, [key.public_key for key in keys])
    writer.write(content)
    writer.close()
    return target.getvalue()


def opened(envelope, key, kind=KIND):
    return open_envelope(io.BytesIO(envelope), kind, key).read()


@pytest.mark.parametrize("size", [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, len(CONTENT)])
def test_a_recipient_opens_it_whole(key, size):
    assert opened(sealed(CONTENT[:size], key), key) == CONTENT[:size]


def test_each_recipient_opens_it_on_a_curve_of_its_own(key, other):
    envelope = sealed(b"content", key, other)
    assert opened(envelope, key) == opened(envelope, other) == b"content"


def test_nobody_else_opens_it(key, other):
    with pytest.raises(EnvelopeError, match="sealed to others"):
        opened(sealed(b"content", key), other)


def test_it_shows_nothing_of_its_content(key):
    envelope = sealed(b"a consumer's readings" * 10, key)
    assert b"consumer" not in envelope
    assert sealed(b"x", key) != sealed(b"x", key)


def test_a_token_opens_it():
    bench = token_bench()
    try:
        key = bench.vault.generate("recipient", KeyUsage.AGREE, "P-384")
        assert opened(sealed(b"content", key), key) == b"content"
    finally:
        bench.close()


def test_a_signing_key_opens_nothing(vault):
    key = vault.generate("signs", KeyUsage.SIGN, "P-256")
    with pytest.raises(KeyUsageError):
        opened(sealed(b"content", key), key)


def test_an_envelope_of_another_kind_is_refused(key):
    with pytest.raises(EnvelopeError, match="holds no escrow"):
        opened(sealed(b"content", key), key, kind="escrow")


def test_the_kind_is_bound_to_the_key_and_not_only_written(key):
    envelope = sealed(b"content", key).replace(b'"kind": "backup"', b'"kind": "escrow"')
    with pytest.raises(EnvelopeError, match="first line was changed"):
        opened(envelope, key, kind="escrow")


def test_a_recipient_added_later_does_not_open(key, other):
    ours, theirs = sealed(b"content", key), sealed(b"content", other)
    line, _, body = ours.partition(b"\n")
    facts = json.loads(line)
    facts["recipients"] += json.loads(theirs.partition(b"\n")[0])["recipients"]
    changed = json.dumps(facts).encode() + b"\n" + body
    for reader in (key, other):
        with pytest.raises(EnvelopeError):
            opened(changed, reader)


@settings(max_examples=25, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_no_octet_can_be_changed(place, change):
    key = KEY
    envelope = bytearray(ENVELOPE)
    envelope[int(place * len(envelope))] ^= change
    with pytest.raises(EnvelopeError):
        opened(bytes(envelope), key)


@pytest.fixture(scope="module", autouse=True)
def _sealed_once(key):
    global KEY, ENVELOPE  # hypothesis and fixtures of a function do not go together
    KEY, ENVELOPE = key, sealed(CONTENT[: CHUNK_SIZE + 100], key)


@pytest.mark.parametrize("cut", [1, 16, 116, 117, 200, CHUNK_SIZE])
def test_a_cut_envelope_is_noticed(cut):
    with pytest.raises(EnvelopeError, match="ends too early"):
        opened(ENVELOPE[:-cut], KEY)


def test_chunks_cannot_change_places(key):
    envelope = sealed(CONTENT, key)
    line, _, body = envelope.partition(b"\n")
    size = CHUNK_SIZE + 16
    with pytest.raises(EnvelopeError):
        opened(line + b"\n" + body[size : 2 * size] + body[:size] + body[2 * size :], key)


def test_an_envelope_that_was_not_closed_does_not_open(key):
    target = io.BytesIO()
    EnvelopeWriter(target, KIND, [key.public_key]).write(CONTENT[: CHUNK_SIZE + 1])
    with pytest.raises(EnvelopeError):
        opened(target.getvalue(), key)


@pytest.mark.parametrize("content", [b"", b"{}\n", b"garbage", b"null\n", b'{"format": "meterworks-envelope-1"}\n'])
def test_what_is_no_envelope_is_told(key, content):
    with pytest.raises(EnvelopeError, match="no sealed file"):
        opened(content, key)


@pytest.mark.parametrize("count", [0, 17])
def test_an_envelope_has_recipients(key, count):
    with pytest.raises(KeyMaterialError, match="1 to 16 recipients"):
        EnvelopeWriter(io.BytesIO(), KIND, [key.public_key] * count)


def test_a_recipient_is_read_from_pem(key):
    pem = key.public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert recipient_id(read_recipient(pem)) == recipient_id(key.public_key)
    for wrong in (b"", b"-----BEGIN CERTIFICATE-----\n", ec_pem(ec.SECP521R1())):
        with pytest.raises(KeyMaterialError):
            read_recipient(wrong)


def ec_pem(curve):
    return (
        ec.generate_private_key(curve)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
