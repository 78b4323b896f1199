"""Evidence: kept once, shown with its proof, verifiable when everything has expired."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.audited import SIGNER, START, TestSigner, place_in
from tests.audited_evidence import SIGNED_AT, Signer, malleated, raw

from meterworks.runtime import ManualClock
from meterworks.trust.audit import (
    ActNotRecorded,
    AuditFormatError,
    AuditUsageError,
    Evidence,
    EvidenceFile,
    EvidenceItem,
    MemoryAuditSink,
    TrailSink,
)

KEYS = [SIGNER.public_key]


@pytest.fixture(scope="module")
def signer():
    return Signer()


async def kept(folder, item):
    """The evidence file of one item, as a stranger gets it."""
    async with place_in(folder) as place:
        async with place.appending() as trail:
            archive = Evidence(place.database, TrailSink(trail), clock=ManualClock(START))
            answer = await archive.keep(item)
        return await archive.show(answer.evidence_id, place.heads())


async def test_what_is_shown_are_the_octets_as_they_came(tmp_path, signer):
    item = signer.item(1, about={"address": "198.51.100.7"})
    file = await kept(tmp_path, item)
    shown = EvidenceFile.decode(file.encode()).check(KEYS)
    assert shown == item
    assert file.received_at == START
    assert START < file.recorded_at < START + timedelta(seconds=1)


@pytest.mark.parametrize("form", ["raw", "der"])
async def test_both_forms_of_signatures_verify(tmp_path, signer, form):
    item = signer.item(1)
    if form == "raw":
        item = signer.item(1, signature=raw(item.signature), signature_form="raw")
    assert (await kept(tmp_path, item)).check(KEYS).signature_form == form


async def test_evidence_without_a_signature_tells_what_proved_its_sender(tmp_path):
    item = EvidenceItem(
        kind="response", subject="device:1", sender="device:1", content=b"\xcc\x20", proved_by="gmac, key 7"
    )
    assert (await kept(tmp_path, item)).check(KEYS).proved_by == "gmac, key 7"


async def test_the_same_content_is_kept_once_whatever_the_signature(tmp_path, signer):
    async with place_in(tmp_path) as place, place.appending() as trail:
        archive = Evidence(place.database, TrailSink(trail), clock=ManualClock(START))
        item = signer.item(1)
        first = await archive.keep(item)
        size = trail.size
        second = await archive.keep(signer.item(1, signature=malleated(item.signature)))
        assert (first.duplicate, second.duplicate) == (False, True)
        assert first.evidence_id == second.evidence_id
        assert trail.size == size
        assert await archive.of_subject("request:1") == [first.evidence_id]


async def test_evidence_that_is_not_recorded_is_not_acknowledged(tmp_path, signer):
    class AwaySink(MemoryAuditSink):
        async def append(self, event):
            raise ActNotRecorded("away")

    async with place_in(tmp_path) as place:
        archive = Evidence(place.database, AwaySink(), clock=ManualClock(START))
        with pytest.raises(ActNotRecorded):
            await archive.keep(signer.item(1))
        with pytest.raises(AuditUsageError, match="not in the trail yet"):
            await archive.show(signer.item(1).evidence_id, [])
        with pytest.raises(AuditUsageError, match="no evidence"):
            await archive.show("0" * 64, [])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: Signer(revoked_at=SIGNED_AT - timedelta(hours=1)).item(), "was revoked", id="revoked"),
        pytest.param(
            lambda: Signer(list_at=SIGNED_AT - timedelta(hours=2)).item(), "no revocation list", id="old list"
        ),
        pytest.param(lambda: Signer(authority=False).item(), "no authority's", id="no authority"),
        pytest.param(lambda: Signer().item(revocation=[]), "no revocation list", id="no list"),
        pytest.param(lambda: Signer().item(content=b"other"), "does not fit", id="other content"),
        pytest.param(lambda: Signer().item(signature=b"\x30\x00"), "signature", id="broken signature"),
        pytest.param(lambda: Signer().item(signature=bytes(63), signature_form="raw"), "64 octets", id="short"),
        pytest.param(lambda: Signer().item(certificates=[b"x"]), "not a certificate", id="no certificate"),
        pytest.param(lambda: Signer().item(revocation=[b"x"]), "not a revocation list", id="odd list"),
        pytest.param(
            lambda: Signer().item(certificates=[Signer().certificate.public_bytes(Encoding.DER)]),
            "not issued by",
            id="no anchor",
        ),
    ],
)
async def test_evidence_that_proves_nothing_is_told(tmp_path, make, message):
    file = await kept(tmp_path, make())
    with pytest.raises(AuditFormatError, match=message):
        file.check(KEYS)


async def test_a_chain_that_had_expired_by_then_does_not_hold(tmp_path, signer):
    async with place_in(tmp_path) as place:
        place.now.at += timedelta(hours=1)
        async with place.appending() as trail:
            archive = Evidence(place.database, TrailSink(trail), clock=ManualClock(START))
            answer = await archive.keep(signer.item(1))
        file = await archive.show(answer.evidence_id, place.heads())
    with pytest.raises(AuditFormatError, match="was not valid at"):
        file.check(KEYS)


async def test_a_changed_octet_fails(tmp_path, signer):
    data = (await kept(tmp_path, signer.item(1))).encode()
    for place in range(0, len(data), 97):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises((AuditFormatError, AuditUsageError)):
            EvidenceFile.decode(changed).check(KEYS)


async def test_another_key_proves_nothing(tmp_path, signer):
    file = await kept(tmp_path, signer.item(1))
    with pytest.raises(AuditFormatError, match="not signed by this key"):
        file.check([TestSigner(5).public_key])


@pytest.mark.parametrize(
    "fields",
    [
        {"signature": b"x"},
        {"signature": b"x", "signature_form": "raw"},
        {"signature_form": "pss", "proved_by": "x"},
        {},
    ],
)
def test_an_item_that_cannot_prove_anything_is_refused(fields):
    with pytest.raises(AuditUsageError):
        EvidenceItem(kind="request", subject="request:1", sender="nobody", content=b"", **fields)
