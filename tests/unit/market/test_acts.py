"""Acts on their way to the trail: names fit for it, and a log where there is none."""

from meterworks.market import Acts, acts
from meterworks.market.acts import LoggedActs, actor_of
from meterworks.trust.audit import MemoryAuditSink, Outcome


def test_what_somebody_typed_is_made_printable_and_short():
    audit = MemoryAuditSink()
    Acts(audit).tell("login.failed", by="nobody", on="account:\x00\n" + "x" * 500, outcome=Outcome.FAILURE)
    (event,) = audit.events
    assert event.object.startswith("account:??xxx")
    assert len(event.object) == 128


async def test_without_a_trail_acts_go_to_the_log(monkeypatch):
    logged = []
    monkeypatch.setattr(acts.log, "info", lambda sentence, **facts: logged.append(facts), raising=False)
    await Acts(LoggedActs()).record("password.changed", by="account:ann", on="account:ann")
    assert [facts["act"] for facts in logged] == ["password.changed"]


def test_nobody_has_a_name_too():
    assert actor_of(None) == "nobody"
