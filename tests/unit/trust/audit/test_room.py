"""Room in the trail: pruning what a bundle holds, and proofs of what is left."""

import pytest
from tests.audited import SIGNER, event, place_in

from meterworks.trust.audit import (
    AuditFormatError,
    AuditQuestion,
    AuditUsageError,
    TrailReader,
    check_bundle,
    make_bundle,
    prove_record,
)
from meterworks.trust.audit.room import Loss, oldest_place

KEYS = [SIGNER.public_key]


async def test_what_a_bundle_holds_can_go_and_everything_else_still_verifies(tmp_path):
    async with place_in(tmp_path) as place:
        async with place.appending() as trail:
            await trail.append([event(number) for number in range(600)])
            await trail.seal()
            reader = TrailReader(place.database)
            bundle = await make_bundle(reader, place.heads())
            with pytest.raises(AuditFormatError, match="does not verify"):
                await trail.prune(bundle.replace(b'"user-3"', b'"user-4"').replace(b"user-5", b"user-6"), actor="x")
            assert await trail.prune(bundle, actor="account:olga") == 512
            assert trail.held == trail.size - 512
            with pytest.raises(AuditFormatError, match="oldest records"):
                await trail.prune(bundle, actor="account:olga")
        verdict = await place.verdict()
        assert (verdict.sound, verdict.absent, verdict.records) == (True, 512, 90)
        assert await oldest_place(place.database) == 512
        told = (await reader.records(AuditQuestion(act="audit.pruned")))[0]
        assert (told.event.cause, told.event.facts["first"], told.event.facts["end"]) == ("account:olga", 0, 512)
        later = TrailReader(place.database)
        assert (await prove_record(later, 560, place.heads())).check(KEYS).event.facts["number"] == 559
        with pytest.raises(AuditUsageError, match="was pruned"):
            await prove_record(later, 100, place.heads())
        assert check_bundle(await make_bundle(later, place.heads()), KEYS).sound


async def test_records_that_somebody_took_out_are_not_excused(tmp_path):
    async with place_in(tmp_path) as place:
        async with place.appending() as trail:
            await trail.append([event(number) for number in range(300)])
        async with place.database.transaction() as connection:
            await connection.exec_driver_sql("DELETE FROM audit_record WHERE sequence IN (40, 41)")
        finding = (await place.verdict()).finding
    assert (finding.record, finding.kind) == (40, "deleted")


async def test_a_bundle_of_what_no_head_covers_is_refused(tmp_path):
    async with place_in(tmp_path) as place:
        with pytest.raises(AuditUsageError, match="no signed head"):
            await make_bundle(TrailReader(place.database), [])


@pytest.mark.parametrize("data", [b"{}", b"[]", b'{"format":"other"}', b"not json"])
def test_what_is_no_bundle_is_refused(data):
    with pytest.raises(AuditFormatError):
        check_bundle(data, KEYS)


def test_a_loss_tells_each_place_by_a_bit():
    assert Loss(first=256, places=[256, 258]).facts() == {"first": 256, "count": 2, "dropped": "5"}
