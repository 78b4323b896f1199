"""Faults of privacy: each is what somebody might well write, and one check notices it."""

from typing import Any

import pytest
from tests.security.seeded import Defect

from meterworks.catalogue import DATA_CLASSES, Role
from meterworks.catalogue import retention as catalogue_retention
from meterworks.market import AccessLog, Consents, ConsentState, Retention, document, reading_access, subject_export
from meterworks.market import retention as market_retention
from meterworks.market.scope import Scope
from meterworks.registry import Registry, Span

__all__ = ["DEFECTS"]


def _a_supplier_sees_all_time(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Registry.visible_spans

    async def spans(self: Any, viewer: Any, points: Any, from_: Any, to: Any = None) -> Any:
        if viewer.role is Role.SUPPLIER:
            return dict.fromkeys(points, (Span(starts_at=from_, ends_at=to),))
        return await sound(self, viewer, points, from_, to)

    monkeypatch.setattr(Registry, "visible_spans", spans)


def _rows_are_not_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_access, "clip", lambda columns, _ranges: columns)


def _any_consent_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def in_force(self: Any, organisation_id: int, _purpose: str, points: Any) -> Any:
        given = await self.of(organisation_id=organisation_id)
        ended = (ConsentState.PROPOSED, ConsentState.WITHDRAWN)
        stand = [each for each in given if each.state(self.now()) not in ended and each.usage_point_id in points]
        return {each.usage_point_id: [each] for each in stand}

    monkeypatch.setattr(Consents, "in_force", in_force)


def _sight_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    sound, known = Scope.device, {}

    async def device(self: Any, principal: Any, device_id: int, asked: Any, **more: Any) -> Any:
        key = (id(self), principal.name, device_id)
        if key not in known:
            known[key] = await sound(self, principal, device_id, asked, **more)
        return known[key]

    monkeypatch.setattr(Scope, "device", device)


def _withdrawal_is_for_show(monkeypatch: pytest.MonkeyPatch) -> None:
    async def end(self: Any, _reference: str, **_: Any) -> Any:
        return (await self.of())[0]

    monkeypatch.setattr(Consents, "end", end)


def _detail_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_access, "check_detail", lambda *_: None)


def _sums_may_be_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_access, "is_coarse", lambda _: False)


def _accesses_are_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = AccessLog.record

    async def record(self: Any, entries: Any) -> None:
        await sound(self, [entry for entry in entries if entry.request_id != "r"])

    monkeypatch.setattr(AccessLog, "record", record)


def _the_person_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = document.access_document

    def shown(entry: Any, recipient: Any, *, with_person: bool) -> dict[str, object]:
        return sound(entry, recipient, with_person=with_person or entry.role == "other_user")

    monkeypatch.setattr(document, "access_document", shown)


def _days_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> int:
        return 0

    monkeypatch.setattr(Retention, "_recent_days", nothing)


def _the_log_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tuple(row for row in market_retention._RECORDS if row[0] != "access-log")
    monkeypatch.setattr(market_retention, "_RECORDS", rows)


def _a_package_is_made_as_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = subject_export._as_consumer

    def as_operator(by: Any, consumer_id: int) -> Any:
        return type(by)(**{**_fields(sound(by, consumer_id)), "role": Role.OPERATOR, "consumer_id": None})

    monkeypatch.setattr(subject_export, "_as_consumer", as_operator)


def _fields(principal: Any) -> dict[str, Any]:
    return {name: getattr(principal, name) for name in principal.__dataclass_fields__}


def _a_class_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    without = {name: row for name, row in DATA_CLASSES.items() if name != "consent"}
    monkeypatch.setattr(catalogue_retention, "DATA_CLASSES", without)


DEFECTS: tuple[Defect, ...] = (
    Defect(
        "a supplier sees all time",
        "test_what_is_outside_the_right_is_like_an_unknown_meter",
        _a_supplier_sees_all_time,
    ),
    Defect("rows are not clipped", "test_a_new_tenant_sees_nothing_of_before", _rows_are_not_clipped),
    Defect(
        "any consent counts",
        "test_only_a_consent_of_this_purpose_meter_and_time_opens_readings",
        _any_consent_counts,
    ),
    Defect(
        "sight is remembered",
        "test_a_read_under_way_is_not_given_out_after_a_withdrawal",
        _sight_is_remembered,
    ),
    Defect("a withdrawal is for show", "test_a_withdrawal_holds_from_the_next_access_on", _withdrawal_is_for_show),
    Defect("detail is not checked", "test_a_daily_purpose_is_refused_half_hours", _detail_is_not_checked),
    Defect("sums may be cut", "test_a_daily_sum_cannot_be_cut_into_its_half_hours", _sums_may_be_cut),
    Defect("accesses are not logged", "test_the_consumer_sees_who_received_what_and_why", _accesses_are_not_logged),
    Defect(
        "the person is shown",
        "test_a_reader_is_shown_by_organisation_and_role_not_by_person",
        _the_person_is_shown,
    ),
    Defect("recent days are forgotten", "test_what_is_past_its_limit_is_in_no_store", _days_are_forgotten),
    Defect(
        "the access log is forgotten",
        "test_no_entry_of_the_log_outlives_its_limit_or_names_a_consumer",
        _the_log_is_forgotten,
    ),
    Defect(
        "a package is made as the operator",
        "test_a_consumer_takes_away_their_own_time_and_nobody_elses",
        _a_package_is_made_as_the_operator,
    ),
    Defect("a class of data is missing", "test_every_table_and_flow_is_in_the_register", _a_class_is_missing),
)
