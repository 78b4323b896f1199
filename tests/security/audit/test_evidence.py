"""Evidence: original octets, verifiable by anyone, years later."""

import pytest
from tests.audited_evidence import Signer, malleated, raw
from tests.security.audit.sealed import KEYS, sealed_evidence

from meterworks.trust.audit import AuditFormatError, EvidenceFile
from meterworks.trust.audit.signed import check_signature

DEVICE = "device:4D4D4D0000BC614E"


@pytest.mark.requirement("SEC-046")
def test_a_response_that_the_device_did_not_sign_proves_nothing():
    signer = Signer()
    response = signer.item(1, kind="response", subject=DEVICE, sender=DEVICE)
    check_signature(response.certificates[0], response.content, response.signature, form="der")
    forged = signer.item(1, kind="response", sender=DEVICE, content=b"done", signature=response.signature)
    with pytest.raises(AuditFormatError, match="does not fit"):
        sealed_evidence(forged).check(KEYS)


@pytest.mark.requirement("SEC-047")
def test_evidence_verifies_when_its_certificates_have_long_expired():
    signer = Signer()  # valid for an hour of 2026; nothing here asks for today's date
    for number in range(3):
        file = EvidenceFile.decode(sealed_evidence(signer.item(number)).encode())
        assert file.check(KEYS).subject == f"request:{number}"


@pytest.mark.requirement("SEC-047")
def test_a_changed_octet_of_evidence_fails():
    file = sealed_evidence(Signer().item(1))
    changed = file.document.replace(b'"organisation:17"', b'"organisation:18"')
    with pytest.raises(AuditFormatError, match="another document"):
        EvidenceFile(document=changed, proof=file.proof).check(KEYS)


@pytest.mark.requirement("SEC-049")
def test_the_other_signature_of_an_order_makes_no_second_order():
    signer = Signer()
    item = signer.item(1)
    again = signer.item(1, signature=malleated(item.signature))
    check_signature(again.certificates[0], again.content, again.signature, form="der")
    as_raw = signer.item(1, signature=raw(again.signature), signature_form="raw")
    assert item.evidence_id == again.evidence_id == as_raw.evidence_id
    assert item.evidence_id != signer.item(2).evidence_id
