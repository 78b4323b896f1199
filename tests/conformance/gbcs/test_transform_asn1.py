"""ASN.1 commands of the GB reference set: each of their requests becomes the payload that is there, octet by octet."""

from base64 import b64encode

import pytest
from asn1crypto.core import Sequence
from tests.conformance.gbcs.reference_pair import pairs, rewritten, situation_of

from meterworks.companions.gb.transform import transform
from meterworks.protocols.gbcs import MessageKind
from meterworks.protocols.gbcs.asn1 import Asn1Payload

REPLACING = ("DigitalSigningCertificate", "KeyAgreementCertificate", "KeyAgreementTopUpCertificate")


@pytest.fixture(scope="module")
def folder(shared_folder):
    found = shared_folder / "vectors" / "gb"
    if not found.is_dir():
        pytest.skip(f"no GB vectors at {found}")
    return found


def content(payload, message, *, native=True):
    read = Asn1Payload.from_bytes(message.message_code, MessageKind.COMMAND, payload)
    return read.value if native else read.content


def certificates_in(pair):
    """The certificates that a message holds, by the leaves of its request."""
    there = content(pair.message.payload, pair.message, native=False)
    if not isinstance(there, Sequence):
        return {}
    fields = {name: there[name] for name in there.native}
    if "replacements" in fields:
        held = [encoded(one["certificate"]) for one in fields["replacements"]]
        names = [one.name for one in leaves(pair.request.body) if one.name in REPLACING]
        texts = {name: [text] for name, text in zip(names, held, strict=True)}
        return texts | {"Certificate": [encoded(one) for one in fields["path_certificates"]]}
    return {}


def leaves(element):
    return [leaf for child in element.children for leaf in leaves(child)] or [element]


def encoded(certificate):
    return b64encode(certificate.dump()).decode()


def test_every_request_becomes_its_command(folder):
    written = [pair for pair in pairs(folder) if pair.message.payload[0] not in (0x01, 0xD9)]
    assert written
    renewed, differing = [], {}
    for pair in written:
        situation = situation_of(pair, folder)
        made = transform(pair.request, situation).payload
        if made != pair.message.payload:  # the set's certificates were made anew after its messages
            renewed.append(pair.name)
            made = transform(rewritten(pair, certificates_in(pair)).request, situation).payload
        if made != pair.message.payload:
            differing[pair.name] = (content(made, pair.message), content(pair.message.payload, pair.message))
    first = "".join(
        f"\n{name}\n  made  {made!s:.900}\n  there {there!s:.900}" for name, (made, there) in differing.items()
    )
    assert not differing, f"{len(differing)} of {len(written)} differ:{first}"
    assert all("CS02" in name for name in renewed), renewed  # nothing else carries certificates of the request
    assert len(renewed) < len(written) / 2
