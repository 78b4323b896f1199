"""Reading the audit trail is itself controlled (SEC-095)."""

from types import SimpleNamespace

import pytest
from tests.audited import START

from meterworks.catalogue import Role, reach_of
from meterworks.market.acts import Acts
from meterworks.market.trail_view import TrailView
from meterworks.runtime import ManualClock
from meterworks.trust.audit import AuditQuestion, MemoryAuditSink


class Empty:
    """A trail with nothing in it, which notes whether it was asked before the look was recorded."""

    def __init__(self, sink):
        self._sink = sink
        self.recorded_before = []

    async def records(self, question):
        self.recorded_before.append(self._sink.acts())
        return []


@pytest.mark.requirement("SEC-095")
async def test_only_auditors_read_the_trail_and_each_look_is_recorded_first():
    assert [role for role in Role if reach_of(role, "audit.read") is not None] == [Role.AUDITOR]
    sink = MemoryAuditSink()
    services = SimpleNamespace(database=None, audit_heads=(), clock=ManualClock(START))
    view = TrailView(services, Acts(sink))
    view._reader = Empty(sink)
    page = await view.page(SimpleNamespace(name="ada"), AuditQuestion(actor="account:olga"))
    assert (page.records, page.sealed, page.next) == ([], 0, None)
    assert view._reader.recorded_before == [["audit.read"]]
    assert (sink.events[0].actor, sink.events[0].facts["actor"]) == ("account:ada", "account:olga")
