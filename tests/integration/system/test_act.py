"""Acts of the system's own processes, each caused where it happens."""

import asyncio
from types import SimpleNamespace

import pytest
from tests.audited import SIGNER
from tests.integration.system.authorities import quick_pki

from meterworks.headend import KeyCampaign, KeyPurpose
from meterworks.headend.key_run import KeyNews
from meterworks.headend.key_telegraph import KeyTelegraph
from meterworks.registry import KeyKind, KeySelection
from meterworks.runtime import ManualClock, MemoryBus
from meterworks.system.configuration import Layout, load_configuration
from meterworks.system.migration import migrate
from meterworks.system.serving import Ground
from meterworks.system.serving import audit as appender
from meterworks.system.serving.pki import EnrolmentApplication
from meterworks.system.serving.process import _told
from meterworks.trust.audit import AuditQuestion, MemoryAuditSink, TrailReader
from meterworks.trust.pki import PeerRole


def test_a_process_tells_that_it_begins_and_how_it_ends():
    audit = MemoryAuditSink()
    with _told(SimpleNamespace(name="writer", audit=audit)):
        pass
    with pytest.raises(RuntimeError), _told(SimpleNamespace(name="writer", audit=audit)):
        raise RuntimeError("secret")
    assert audit.acts() == ["process.started", "process.stopped", "process.started", "process.failed"]
    assert (audit.events[3].object, audit.events[3].cause) == ("process:writer", "RuntimeError")


async def test_a_new_root_and_each_new_list_are_told(tmp_path):
    pki, audit, stopping = quick_pki(tmp_path), MemoryAuditSink(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def publish():
        loop.call_soon_threadsafe(stopping.set)
        return pki.write_public(tmp_path / "public")

    pki.authority("services").revoke(pki.issue_service(PeerRole.WRITER).certificate)
    pki.renew("root")
    told = SimpleNamespace(maintain=lambda now: ["root"], ledger=pki.ledger, authority=pki.authority)
    application = EnrolmentApplication(told, SimpleNamespace(), audit, publish=publish)
    await application.maintain(stopping)
    assert {(event.act, event.object) for event in audit.events} >= {
        ("crl.published", "authority:services"),
        ("crl.published", "authority:root-2"),
        ("root.changed", "authority:root"),
    }
    pki.close()


async def test_the_appender_tells_of_its_key_and_of_the_settings(tmp_path, monkeypatch):
    layout = Layout(load_configuration(command_line={"system.data": tmp_path}).configuration)
    monkeypatch.setattr(appender, "head_key", lambda _vault, made=[True, False]: (SIGNER, made.pop(0)))
    monkeypatch.setattr(Ground, "vault", None)
    acts = []
    for _ in range(2):
        ground = Ground(name="audit", layout=layout, clock=ManualClock(0.0), bus=MemoryBus(), audit=MemoryAuditSink())
        await migrate(ground.database)
        stopping = asyncio.Event()
        stopping.set()
        await appender.serve(ground, stopping)
        records = await TrailReader(ground.database).records(AuditQuestion(limit=50))
        acts.append([record.event.act for record in reversed(records)])
        await ground.opened.aclose()
    assert acts[0] == ["audit.opened", "key.generated", "configuration.loaded"]
    assert acts[1][3:] == ["audit.resumed", "configuration.loaded"]


@pytest.mark.parametrize(
    ("kind", "act"),
    [
        ("key-changed", "key.rotated"),
        ("key-recovered", "key.fell_back"),
        ("key-job-failed", "key.change_failed"),
        ("counter-low", "key.exhausting"),
        ("policy-raised", "policy.raised"),
        ("known-key", "key.known"),
    ],
)
def test_news_of_keys_are_acts(kind, act):
    audit, incidents = MemoryAuditSink(), []
    book = SimpleNamespace(add_incident=lambda kind, **_: incidents.append(kind))
    KeyTelegraph(book, audit).tell(KeyNews(device_id=7, kind=kind, detail="why"))
    (event,) = audit.events
    assert (event.act, event.object, event.cause) == (act, "device:7", "why")
    assert incidents == ([] if kind in ("key-changed", "policy-raised") else [kind])


async def test_a_campaign_is_on_record_before_it_begins_and_before_it_changes():
    audit = MemoryAuditSink()
    telegraph = KeyTelegraph(SimpleNamespace(), audit)
    campaign = KeyCampaign(
        id="0" * 32, purpose=KeyPurpose.EMERGENCY, kinds=(KeyKind.GUEK,), selection=KeySelection(),
        reason="a meter was opened", started_by="olivia", created_at=ManualClock(0.0).now(),
    )  # fmt: skip
    await telegraph.started(campaign, 2)
    await telegraph.changed(campaign, "paula")
    assert audit.acts() == ["campaign.started", "campaign.changed"]
    assert [event.actor for event in audit.events] == ["account:olivia", "account:paula"]
