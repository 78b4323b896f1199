"""Faults put into the audit trail on purpose, each of which one check must notice."""

import hashlib
from dataclasses import replace

from tests.security.seeded import Defect

from meterworks.market import acts
from meterworks.readings import origin
from meterworks.system import origin as system_origin
from meterworks.trust.audit import bus_sink, evidence, head, record, room, trail, verify
from meterworks.trust.audit.model import AuditRecordRow


def _time_goes_back(monkeypatch):
    """The verifier does not look at the appender's clock."""
    check = verify.TrailVerifier._find

    def deaf(self, place, kind, sentence, number=None):
        if kind != "back-dated":
            check(self, place, kind, sentence, number)

    monkeypatch.setattr(verify.TrailVerifier, "_find", deaf)


def _acknowledged_early(monkeypatch):
    """The appender lets the disk take its time."""

    async def hasty(self, rows):
        await self._database.insert(AuditRecordRow, rows, settled=False)

    monkeypatch.setattr(trail.AuditTrail, "_insert", hasty)


def _privileged_acts_wait_too(monkeypatch):
    """No act must be recorded before it is done."""
    monkeypatch.setattr(bus_sink._Entry, "must", property(lambda self: False))


def _causes_are_dropped(monkeypatch):
    """Records do not tell why."""
    sound = record.canonical
    monkeypatch.setattr(record, "canonical", lambda fields: sound(fields | {"cause": ""}))


def _marks_are_not_compared(monkeypatch):
    """The verifier does not compare records with the marks of their heads."""
    monkeypatch.setattr(verify.TrailVerifier, "_check_mark", lambda self, place, leaf: None)


def _tails_are_not_missed(monkeypatch):
    """The verifier does not ask whether a head covers more than there is."""
    sound = verify.TrailVerifier._find

    def deaf(self, place, kind, sentence, number=None):
        if kind != "truncated":
            sound(self, place, kind, sentence, number)

    monkeypatch.setattr(verify.TrailVerifier, "_find", deaf)


def _messages_are_mixed_up(monkeypatch):
    """The book says of some readings that they came in another message."""
    sound, first = origin._line, hashlib.sha256(b"as the meter sent it 0").hexdigest()

    def mixed(one, rows, slices):
        line = sound(one, rows, slices)
        return replace(line, message="5f" * 32) if line.message == first else line

    monkeypatch.setattr(origin, "_line", mixed)


def _rows_are_not_compared(monkeypatch):
    """Any rows are those that were stored."""
    monkeypatch.setattr(system_origin, "rows_digest", lambda _rows: _Any())


class _Any(str):
    """Equal to everything."""

    __slots__ = ()

    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


def _unproved_is_proved(monkeypatch):
    """It does not matter whether a message is known."""
    sound = system_origin.ReadingProof.is_proved

    def proved(self):
        return sound.fget(self) or (self.line is not None and not self.line.message and self.rows)

    monkeypatch.setattr(system_origin.ReadingProof, "is_proved", property(proved))


def _the_chain_is_not_computed(monkeypatch):
    """The book's own word is taken for its states."""

    def told(self):
        for entry in (origin._entry(line) for path in self._files() for line in origin._lines(path)):
            if "batch" in entry:
                yield origin.Anchor(batches=entry["batch"], lines=entry["lines"], digest=entry["digest"])

    monkeypatch.setattr(origin.OriginBook, "states", told)


def _heads_are_believed(monkeypatch):
    """Any signature will do for a head."""
    monkeypatch.setattr(head.SignedHead, "verified_by", lambda self, key: True)


def _losses_are_not_told(monkeypatch):
    """What goes when storage is full goes without a word."""
    monkeypatch.setattr(room.Loss, "facts", lambda self: {"first": self.first, "count": 0, "dropped": "0"})


def _signatures_are_not_checked(monkeypatch):
    """Evidence is shown as good whatever was signed."""
    monkeypatch.setattr(evidence, "check_signature", lambda *arguments, **options: None)


def _certificates_are_judged_today(monkeypatch):
    """Evidence is judged by the date of whoever looks."""
    sound = evidence.check_chain
    monkeypatch.setattr(
        evidence, "check_chain", lambda chain, lists, *, at: sound(chain, lists, at=at.replace(year=2036))
    )


def _documents_are_not_compared(monkeypatch):
    """Nobody asks whether the record tells of this document."""
    monkeypatch.setattr(evidence.EvidenceFile, "_is_told_by", lambda self, record: True)


def _named_by_the_signature(monkeypatch):
    """Evidence is named by its signature's octets."""
    monkeypatch.setattr(
        evidence.EvidenceItem, "evidence_id", property(lambda self: hashlib.sha256(self.signature).hexdigest())
    )


def _looks_are_not_recorded(monkeypatch):
    """Who looks at the trail leaves no trace."""

    async def silent(self, act, **fields):
        return None

    monkeypatch.setattr(acts.Acts, "record", silent)


DEFECTS = (
    Defect(
        "readings tell of another message",
        "test_a_stored_reading_is_shown_against_the_message_it_came_in",
        _messages_are_mixed_up,
    ),
    Defect(
        "stored rows are not compared",
        "test_a_stored_row_that_was_changed_is_not_what_its_message_brought",
        _rows_are_not_compared,
    ),
    Defect(
        "readings of nobody count as proved",
        "test_a_row_without_a_proved_origin_is_marked_as_such",
        _unproved_is_proved,
    ),
    Defect(
        "the book of origins is believed as it lies",
        "test_the_book_cannot_be_changed_behind_an_anchor",
        _the_chain_is_not_computed,
    ),
    Defect(
        "looks leave no trace",
        "test_only_auditors_read_the_trail_and_each_look_is_recorded_first",
        _looks_are_not_recorded,
    ),
    Defect("back-dating unseen", "test_a_back_dated_a_moved_and_a_removed_record_are_named", _time_goes_back),
    Defect(
        "answered before the disk", "test_an_act_is_acknowledged_when_it_is_on_disk_and_not_before", _acknowledged_early
    ),
    Defect(
        "privileged acts wait",
        "test_a_privileged_act_is_refused_where_it_cannot_be_recorded_and_others_wait_on_disk",
        _privileged_acts_wait_too,
    ),
    Defect("no cause", "test_each_catalogued_act_appears_once_with_all_its_fields", _causes_are_dropped),
    Defect("edits unseen", "test_the_verifier_names_the_first_record_that_was_touched", _marks_are_not_compared),
    Defect("cut tails unseen", "test_a_cut_tail_is_known_by_the_heads_kept_elsewhere", _tails_are_not_missed),
    Defect("any head", "test_a_head_that_nobody_signed_is_not_believed", _heads_are_believed),
    Defect("silent losses", "test_noise_gives_way_to_what_matters_and_the_loss_is_told", _losses_are_not_told),
    Defect("any signature", "test_a_response_that_the_device_did_not_sign_proves_nothing", _signatures_are_not_checked),
    Defect(
        "judged today", "test_evidence_verifies_when_its_certificates_have_long_expired", _certificates_are_judged_today
    ),
    Defect("any document", "test_a_changed_octet_of_evidence_fails", _documents_are_not_compared),
    Defect("named by signature", "test_the_other_signature_of_an_order_makes_no_second_order", _named_by_the_signature),
)
