"""Seeded defects of the PKI: each makes exactly its own check fail."""

import importlib
from pathlib import Path

import cryptography.x509
from tests.security.seeded import Defect

import meterworks.registry.shipment_seal as shipment_seal
import meterworks.trust.pki.anatomy as anatomy
import meterworks.trust.pki.authority as authority
import meterworks.trust.pki.der as der
import meterworks.trust.pki.end_entity as end_entity
import meterworks.trust.pki.provisioning as provisioning
import meterworks.trust.pki.renewal as renewal
import meterworks.trust.pki.revocation as revocation
import meterworks.trust.pki.shipment as shipment
from meterworks.trust.pki.algorithm import SIGNATURE_ALGORITHMS, SignatureAlgorithm, Standing

__all__ = ["DEFECTS"]

validate = importlib.import_module("meterworks.trust.pki.validate")  # its package has a function of this name


def _nothing(*_arguments, **_more):
    return None


def _any_identity(monkeypatch):
    real = end_entity._check_named
    monkeypatch.setattr(end_entity, "_check_named", lambda entry, _identity, _role: real(entry, None, None))


def _octets_behind(monkeypatch):
    real = der.whole
    monkeypatch.setattr(der, "whole", lambda data: next(der.elements(data)) if data[-1:] == b"\x00" else real(data))


def _sha_1_accepted(monkeypatch):
    table = dict(SIGNATURE_ALGORITHMS)
    table["1.2.840.10045.4.1"] = SignatureAlgorithm("ecdsa-with-SHA1", Standing.ACCEPTED, 256)
    monkeypatch.setattr(anatomy, "SIGNATURE_ALGORITHMS", table)


def _random_in_use(monkeypatch):
    """The source of the tokens as the scan reads it, with another generator in it."""
    real = Path.read_text

    def read(self, *arguments, **more):
        text = real(self, *arguments, **more)
        return f"import random\n{text}" if self.parts[-2:] == ("trust", "token.py") else text

    monkeypatch.setattr(Path, "read_text", read)


def _tokens_stay(monkeypatch):
    real = provisioning._fault_of_token

    def forgetful(found, identity, key, at):
        return real((*found[:3], None) if found else None, identity, key, at)

    monkeypatch.setattr(provisioning, "_fault_of_token", forgetful)


def _possession_unproven(monkeypatch):
    real = authority.x509.load_der_x509_csr

    class Believed:
        is_signature_valid = True

        def __init__(self, request):
            self._request = request

        def public_key(self):
            return self._request.public_key()

    class Believing:
        """The library, but for the reading of requests."""

        load_der_x509_csr = staticmethod(lambda data: Believed(real(data)))

        def __getattr__(self, name):
            return getattr(cryptography.x509, name)

    monkeypatch.setattr(authority, "x509", Believing())


def _maker_stays(monkeypatch):
    def admits(self, identity):
        record = self.device(identity)
        if record.state is provisioning.DeviceState.SCRAPPED:
            raise provisioning.EnrolmentRefused("scrapped", identity=identity)
        return record

    monkeypatch.setattr(provisioning.Provisioning, "admits_maker", admits)


def _any_key_of_the_maker(monkeypatch):
    admits = provisioning.Provisioning.admits_maker
    monkeypatch.setattr(
        provisioning.Provisioning, "admits_first_credential", lambda self, identity, _key: admits(self, identity)
    )


def _scrap_is_forgotten(monkeypatch):
    monkeypatch.setattr(provisioning.Provisioning, "scrap", _nothing)


def _keys_shared(monkeypatch):
    import meterworks.trust.pki.ledger as ledger

    monkeypatch.setattr(ledger, "_bind_one_by_one", _nothing)


def _late(monkeypatch):
    monkeypatch.setattr(renewal, "RENEWAL_SHARE", 0.99)


def _unread_signature(monkeypatch):
    real = validate._check_link

    def check(entry, key, issuer, profile):
        try:
            real(entry, key, issuer, profile)
        except validate.CertificateRefused as refusal:
            if refusal.reason is not validate.Reason.BAD_SIGNATURE:
                raise

    monkeypatch.setattr(validate, "_check_link", check)


def _lists_unchecked(monkeypatch):
    monkeypatch.setattr(revocation, "_check_signature", _nothing)


def _seal_unchecked(monkeypatch):
    monkeypatch.setattr(shipment, "_check_seal", _nothing)


def _file_unread(monkeypatch):
    monkeypatch.setattr(shipment_seal, "constant_time_equal", lambda *_: True)


DEFECTS: tuple[Defect, ...] = (
    Defect("signatures are not checked", "test_a_path_is_judged_by_every_rule", _unread_signature),
    Defect(
        "names and roles are not compared",
        "test_a_certificate_serves_its_own_identity_and_role_only",
        _any_identity,
    ),
    Defect(
        "octets behind a value are dropped",
        "test_what_is_signed_is_accepted_in_its_canonical_form_only",
        _octets_behind,
    ),
    Defect("SHA-1 is accepted", "test_algorithms_are_rows_and_unknown_ones_are_read_over", _sha_1_accepted),
    Defect("a token is drawn by chance alone", "test_security_code_uses_the_systems_generator_only", _random_in_use),
    Defect("anybody signs revocation lists", "test_revoked_stale_forged_and_rolled_back_is_refused", _lists_unchecked),
    Defect("a token serves twice", "test_a_device_enrols_once_with_its_own_token_and_key", _tokens_stay),
    Defect(
        "the key of a maker's certificate is not compared with the sealed one",
        "test_a_makers_certificate_opens_enrolment_for_the_sealed_key_only",
        _any_key_of_the_maker,
    ),
    Defect("possession is taken for granted", "test_a_request_proves_possession_of_its_key", _possession_unproven),
    Defect("a seal is not checked", "test_a_shipment_is_what_its_maker_sealed_for_this_owner", _seal_unchecked),
    Defect("a seal's file is another", "test_the_file_behind_a_seal_is_the_one_that_was_sealed", _file_unread),
    Defect("the maker keeps its access", "test_after_commissioning_the_maker_opens_nothing", _maker_stays),
    Defect("scrapping is forgotten", "test_a_scrapped_device_does_not_come_back", _scrap_is_forgotten),
    Defect("a key is certified twice", "test_a_key_that_two_devices_share_is_caught", _keys_shared),
    Defect("renewal comes late", "test_renewal_is_due_long_before_the_end_and_alarms_follow", _late),
)
