"""What is broken on purpose in the keys of meters, and which check must notice."""

import hashlib

import pytest
from tests.security.device_keys import test_device_keys
from tests.security.seeded import Defect

from meterworks.devices import MeterView, meter_key
from meterworks.headend import key_rotation, key_service
from meterworks.headend.key_job import KeyPurpose
from meterworks.headend.restore import RestoreMark
from meterworks.protocols.dlms import SecuritySuite
from meterworks.registry import key_version

__all__ = ["DEFECTS"]


def _no_alarm(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(key_service.KeyService, "_counter_low", lambda self, device_id, left: None)


def _restore_unnoticed(patch: pytest.MonkeyPatch) -> None:
    async def never(self: RestoreMark, store: object) -> bool:
        return False

    patch.setattr(RestoreMark, "shows_restore", never)


def _one_key_for_all_kinds(patch: pytest.MonkeyPatch) -> None:
    def draw(kinds, present, suite, random):  # type: ignore[no-untyped-def]  # stands in for any draw
        key = random(16)
        return {kind: key for kind in kinds if kind in present}

    patch.setattr(key_rotation, "draw_keys", draw)


def _same_keys_everywhere(patch: pytest.MonkeyPatch) -> None:
    def draw(kinds, present, suite, random):  # type: ignore[no-untyped-def]  # stands in for any draw
        return {kind: hashlib.sha256(kind.encode()).digest()[:16] for kind in kinds if kind in present}

    patch.setattr(key_rotation, "draw_keys", draw)


def _maker_keeps_the_master_key(patch: pytest.MonkeyPatch) -> None:
    async def nobody(self: key_service.KeyService, device_ids: object) -> None:
        return None

    patch.setattr(key_service.KeyService, "meet", nobody)


def _old_key_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(key_version, "_ended", lambda version, now: version)


def _emergency_waits(patch: pytest.MonkeyPatch) -> None:
    first = key_service.KeyService._goes_first

    def later(self: key_service.KeyService, job: key_service.KeyJob) -> bool:
        emergency = self._campaigns[job.campaign_id].purpose is KeyPurpose.EMERGENCY
        tried = job.attempts > 0 and not job.is_half_done
        return first(self, job) and not (emergency and tried and len(self._fleet.devices) > 1)

    patch.setattr(key_service.KeyService, "_goes_first", later)


def _suite_may_fall(patch: pytest.MonkeyPatch) -> None:
    raised = meter_key.raise_suite

    def any_suite(view: MeterView, suite: SecuritySuite) -> bool:
        return raised(view, suite) or True

    patch.setattr(test_device_keys, "raise_suite", any_suite)


DEFECTS: tuple[Defect, ...] = (
    Defect("no-alarm", "test_a_key_is_renewed_before_its_counter_ends_and_nothing_wraps", _no_alarm),
    Defect(
        "restore-unnoticed",
        "test_an_older_database_is_noticed_and_a_key_begins_where_nobody_counted",
        _restore_unnoticed,
    ),
    Defect("one-key-for-all-kinds", "test_no_two_keys_of_a_meter_are_the_same", _one_key_for_all_kinds),
    Defect("same-keys-everywhere", "test_all_keys_of_one_meter_open_no_other", _same_keys_everywhere),
    Defect(
        "maker-keeps-its-keys",
        "test_the_keys_of_the_maker_are_all_replaced_at_the_first_contact_and_refused_after_it",
        _maker_keeps_the_master_key,
    ),
    Defect("old-key-stays", "test_a_rotation_survives_a_loss_at_every_step", _old_key_stays),
    Defect(
        "emergency-waits", "test_an_emergency_goes_before_any_other_traffic_and_lists_who_it_missed", _emergency_waits
    ),
    Defect("suite-may-fall", "test_a_meter_moves_to_higher_suites_and_never_back", _suite_may_fall),
)
