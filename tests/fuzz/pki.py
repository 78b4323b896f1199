"""Fuzz targets for what the PKI reads from strangers: certificates, lists, requests, shipments and enrolments.

A target takes any octets and raises only where we are wrong; it tells whether they were taken or refused.
"""

from collections.abc import Callable
from functools import cache

from tests.unit.trust.pki import forge

from meterworks.errors import MeterworksError
from meterworks.trust.pki import (
    CertificateSubject,
    CrlStore,
    ManufacturedDevice,
    PeerRole,
    Shipment,
    certificates_of,
    certification_request,
    encode_certificates,
    import_leniently,
    open_shipment,
    read_request,
    seal_shipment,
    validate,
)

__all__ = ["PKI_TARGETS", "example_of"]


@cache
def _maker() -> tuple[forge.Party, forge.Party]:
    root = forge.party("maker-ca", CertificateSubject(identity="maker 1"))
    return root, forge.party("maker-seal", CertificateSubject(identity="Acme", role=PeerRole.MAKER), root)


def _outcome(work, *arguments, **more) -> str:
    try:
        work(*arguments, **more)
    except MeterworksError:
        return "refused"
    return "taken"


def _fuzz_certificate(octets: bytes) -> str:
    w = forge.world()
    anchors = [w.root.certificate]
    return _outcome(validate, [octets, w.sub.der], profile="dlms-1-tls", trust_anchors=anchors, crls=None, at=forge.NOW)


def _fuzz_lenient(octets: bytes) -> str:
    return _outcome(import_leniently, octets)


def _fuzz_list(octets: bytes) -> str:
    return _outcome(CrlStore().accept, octets, forge.world().sub.certificate, at=forge.NOW)


def _fuzz_request(octets: bytes) -> str:
    return _outcome(read_request, octets)


def _fuzz_answer(octets: bytes) -> str:
    return _outcome(certificates_of, octets)


def _fuzz_shipment(octets: bytes) -> str:
    return _outcome(open_shipment, octets, maker_anchors=[_maker()[0].certificate], owner="u", at=forge.NOW)


@cache
def _examples() -> dict[str, bytes]:
    w = forge.world()
    _, seal = _maker()
    device = ManufacturedDevice(serial="1", identity=forge.DEVICE, model="M", firmware="1", keys={})
    shipment = Shipment(number="1", maker="Acme", owner="u", made_at=forge.NOW, devices=(device,))
    return {
        "_fuzz_certificate": w.leaf.der,
        "_fuzz_lenient": w.leaf.der,
        "_fuzz_list": forge.crl(w.sub, revoked=(5,)),
        "_fuzz_request": certification_request(w.leaf.key, w.leaf.certificate),
        "_fuzz_answer": encode_certificates([w.leaf.certificate, w.sub.certificate]),
        "_fuzz_shipment": seal_shipment(shipment, seal.key, [seal.certificate]),
    }


def example_of(target: Callable[[bytes], str]) -> bytes:
    """The octets that a target takes as they are."""
    return _examples()[target.__name__]


PKI_TARGETS = (_fuzz_certificate, _fuzz_lenient, _fuzz_list, _fuzz_request, _fuzz_answer, _fuzz_shipment)
