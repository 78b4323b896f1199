"""The appender dies at any moment, the disk is full, a second one starts: nothing acknowledged is lost."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.audited import event, place_in

from meterworks.errors import MeterworksError
from meterworks.runtime import DatabaseUnreachableError, FolderInUseError, FolderLock
from meterworks.trust.audit import AuditQuestion, TrailReader

ROOT = Path(__file__).resolve().parents[3]
CHANCE = random.Random(20_261_121)


def killed_after(folder, number, lines):
    """The numbers an appender acknowledged before it was killed."""
    command = [sys.executable, "-m", "tests.faults.audit.appender", str(folder), str(number)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        acknowledged = []
        for line in process.stdout:
            acknowledged.append(int(line))
            if len(acknowledged) == lines:
                process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    return acknowledged


async def test_nothing_acknowledged_is_lost_and_the_chain_stays_whole(tmp_path):
    acknowledged: list[int] = []
    for _ in range(2):
        acknowledged += killed_after(tmp_path, len(acknowledged) and acknowledged[-1] + 101, CHANCE.randrange(5, 40))
    async with place_in(tmp_path, head_records=4) as place:
        place.now.at = place.now.at.replace(year=2027)
        async with place.appending() as trail:
            await trail.append([event(90_000)])
        records = await TrailReader(place.database).records(AuditQuestion(act="login.failed", limit=1_000))
        verdict = await place.verdict()
    found = [record.event.facts["number"] for record in records]
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found))
    assert verdict.sound
    assert verdict.sealed == verdict.records


async def test_a_full_disk_refuses_and_the_trail_goes_on_when_there_is_room(tmp_path, monkeypatch):
    async with place_in(tmp_path) as place:
        async with place.appending() as trail:
            await trail.append([event(1)])

            async def full(rows):
                raise DatabaseUnreachableError("the database does not serve: database or disk is full")

            monkeypatch.setattr(trail, "_insert", full)
            with pytest.raises(MeterworksError, match="disk is full"):
                await trail.append([event(2)])
            monkeypatch.undo()
            await trail.append([event(2), event(3)])
        verdict = await place.verdict()
    assert (verdict.sound, verdict.records) == (True, 4)


def test_a_second_appender_is_refused_at_the_door(tmp_path):
    with FolderLock(tmp_path, purpose="the audit trail's appender"):
        with pytest.raises(FolderInUseError, match="the audit trail's appender"):
            FolderLock(tmp_path, purpose="another").acquire()
