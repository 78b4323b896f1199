"""What is broken on purpose around certified keys, and which check must notice."""

import pytest
from tests.security.seeded import Defect

from meterworks.headend import key_certificate, key_expiry, key_policy, key_rotation, key_statement
from meterworks.headend.key_job import KeyEvent
from meterworks.registry import shipment
from meterworks.trust.pki import read_request

__all__ = ["DEFECTS"]


def _agrees_once(patch: pytest.MonkeyPatch) -> None:
    asked = key_rotation.KeyRotation._is_to_agree

    async def never_again(self, run):  # type: ignore[no-untyped-def]  # stands in for any method
        return run.job.step != key_rotation.AGREE and await asked(self, run)

    patch.setattr(key_rotation.KeyRotation, "_is_to_agree", never_again)


def _import_believed(patch: pytest.MonkeyPatch) -> None:
    bring = key_certificate.CertificateRenewal._bring

    async def believed(self, run, meter, kind, der):  # type: ignore[no-untyped-def]  # stands in for any method
        if not run.job.is_half_done:
            await bring(self, run, meter, kind, der)
        else:
            await self._access.write(run, events=() if str(run.job.state) == "answered" else (KeyEvent.ANSWERED,))

    patch.setattr(key_certificate.CertificateRenewal, "_bring", believed)


def _any_request(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(key_certificate, "_checked_request", lambda run, kind, request: read_request(request))


def _renewed_at_the_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(key_expiry, "renewal_time", lambda certificate: certificate.not_valid_after_utc)


def _any_signature(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(key_statement, "_verify", lambda key, algorithm, signed, signature: None)


def _policy_as_asked(patch: pytest.MonkeyPatch) -> None:
    from tests.security.certified_keys import test_certified_keys

    def asked(present: int, wanted: int, device_id: int) -> int:
        return wanted

    patch.setattr(key_policy, "raised_policy", asked)
    patch.setattr(test_certified_keys, "raised_policy", asked)


def _known_keys_taken(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(shipment, "_refuse_known", lambda shipped: None)


DEFECTS: tuple[Defect, ...] = (
    Defect("agrees-once", "test_an_agreement_survives_a_loss_at_every_step", _agrees_once),
    Defect("import-believed", "test_a_certificate_is_replaced_whatever_is_lost", _import_believed),
    Defect("any-request", "test_a_meter_gets_a_certificate_for_its_own_new_key_only", _any_request),
    Defect(
        "renewed-at-the-end",
        "test_a_certificate_of_a_meter_is_renewed_long_before_its_end_and_told_of",
        _renewed_at_the_end,
    ),
    Defect("any-signature", "test_only_a_signed_policy_raises_a_meter", _any_signature),
    Defect("policy-as-asked", "test_whatever_is_asked_for_no_policy_falls", _policy_as_asked),
    Defect("known-keys-taken", "test_a_shipment_with_a_key_that_everyone_knows_is_refused", _known_keys_taken),
)
