"""What each process reaches: subjects of the bus, vaults, stores. Judged by a table written by hand (SEC-084, SEC-031).

The matrix is that of the threat model: who has which business. It knows nothing of the product's own table.
"""

from collections.abc import Callable

import pytest

from meterworks.runtime import BusRight, ManualClock, MemoryBus
from meterworks.runtime.bus.contract import subject_matches
from meterworks.system import PrivilegeError, vault
from meterworks.system.configuration import Layout
from meterworks.system.privilege import bus_rights
from meterworks.system.serving.process import Ground
from meterworks.system.vault import make_secrets, secrets_for
from meterworks.trust.audit import MemoryAuditSink

ALL = {"headend", "writer", "fleet", "web", "pki", "audit", "supervisor", "command"}
PUBLISHERS = {
    "headend.read": {"web"},
    "headend.release": {"web"},
    "headend.keys.start": {"web", "command"},
    "headend.keys.control": {"web", "command"},
    "headend.status": {"web", "supervisor", "command"},
    "headend.anything": set(),
    "registry.changed": {"web"},
    "readings.set.17": {"headend"},
    "readings.committed": {"writer"},
    "$KV.last.17": {"headend"},
    "$KV.readings.epoch": {"writer"},
    "audit.append.web": {"web"},
    "audit.append.headend": {"headend"},
    "pki.anything": set(),
    "pki.retire": {"headend"},
    "$JS.API.DIRECT.GET.READINGS": {"headend", "writer"},
    "$JS.API.DIRECT.GET.KV_last": {"headend", "web"},
    "$JS.API.STREAM.PURGE.READINGS": {"writer"},
    "$JS.API.STREAM.UPDATE.READINGS": {"writer"},
    "$JS.API.STREAM.UPDATE.KV_last": {"headend"},
    "$JS.API.STREAM.CREATE.SPY": set(),
    "$JS.API.STREAM.DELETE.READINGS": set(),
    "$JS.API.CONSUMER.CREATE.READINGS": set(),
    "$SYS.REQ.SERVER.PING": set(),
    "_INBOX_web.x": set(),
}
LISTENERS = {
    "headend.read": {"headend"},
    "registry.changed": {"headend"},
    "readings.set.17": set(),
    "readings.committed": set(),
    "readings.status": {"writer"},
    "audit.append.web": {"audit"},
    "process.web": {"web"},
    "process.stores": {"supervisor"},
    ">": set(),
}
STORES = {
    "database": {"headend", "writer", "web", "audit", "supervisor", "command"},
    "keystore": {"headend", "web", "supervisor", "command"},
    "vault": {"headend", "web", "pki", "audit", "supervisor"},
}


def allowed(action: str, subject: str) -> set[str]:
    """Whom the bus's server is told to let do it, by its own rules: what is not listed is denied."""
    found = set()
    for right in bus_rights():
        user = right.as_user()
        patterns = user["permissions"][action].get("allow", [])
        if any(pattern == subject or subject_matches(pattern, subject) for pattern in patterns):
            found.add(user["user"].rpartition(":")[2])
    return found


@pytest.mark.requirement("SEC-084")
def test_each_subject_is_published_by_those_whose_business_it_is():
    found = {subject: allowed("publish", subject) for subject in PUBLISHERS}
    assert found == PUBLISHERS


@pytest.mark.requirement("SEC-084")
def test_each_subject_is_heard_by_those_whose_business_it_is():
    found = {subject: allowed("subscribe", subject) for subject in LISTENERS}
    assert found == LISTENERS


@pytest.mark.requirement("SEC-084")
def test_answers_come_where_nobody_else_listens():
    assert {name: allowed("subscribe", f"_INBOX_{name}.x") for name in ALL} == {name: {name} for name in ALL}


@pytest.mark.requirement("SEC-084")
def test_an_identity_without_rights_is_allowed_nothing():
    """The server allows everything where a list is empty, so that must not be told it."""
    assert BusRight(identity="urn:test:nobody", answers=False).as_user()["permissions"] == {
        "publish": {"deny": [">"]}, "subscribe": {"deny": [">"]},
    }  # fmt: skip
    silent = [right for right in bus_rights() if not right.answers]
    assert {right.identity.rpartition(":")[2] for right in silent} == {"command"}


@pytest.mark.requirement("SEC-031")
def test_each_identity_is_named_once_and_by_its_role():
    names = [right.identity for right in bus_rights()]
    assert sorted(names) == sorted(f"urn:meterworks:{name}:{name}" for name in ALL)


@pytest.mark.requirement("SEC-084")
def test_a_process_is_handed_the_secret_of_its_own_vault_only(layout: Layout):
    make_secrets(layout)
    handed = {name: set(secrets_for(layout, name)) for name in ("headend", "web", "writer", "fleet", "pki", "audit")}
    assert handed == {
        "headend": {"headend"}, "web": {"web"}, "writer": set(), "fleet": set(), "pki": {"pki"}, "audit": {"audit"},
    }  # fmt: skip


@pytest.mark.requirement("SEC-084")
def test_a_process_opens_no_vault_whose_secret_it_was_not_handed(layout: Layout):
    make_secrets(layout)
    with pytest.raises(PrivilegeError, match="handed no secret"):
        vault.open_vault(layout, "pki", vault.Secrets({"web": b"a secret of another vault"}))


def reaches(ask: Callable[[], object]) -> bool:
    """Whether the ground gives it, or would if its files were there."""
    try:
        ask()
    except PrivilegeError:
        return False
    except Exception:  # noqa: BLE001  # no key store and no vault lies in this folder
        return True
    return True


@pytest.mark.requirement("SEC-084")
def test_ground_gives_no_store_without_right(layout: Layout):
    found: dict[str, set[str]] = {store: set() for store in STORES}
    for name in ALL:
        ground = Ground(
            name=name, layout=layout, clock=ManualClock(0.0), bus=MemoryBus(), audit=MemoryAuditSink(), secrets=None
        )
        for store, who in found.items():
            if reaches(lambda ground=ground, store=store: getattr(ground, store)):
                who.add(name)
    assert found == STORES
