"""The audit process: the one that appends to the trail, signs its heads, and takes acts of all others."""

import asyncio
import hashlib
from pathlib import Path

from meterworks.runtime import FolderLock
from meterworks.system.privilege import PRIVILEGES
from meterworks.system.serving.process import Ground, answering_as_ready
from meterworks.trust import KeyNotFoundError, KeyUsage, KeyVault, PrivateKey
from meterworks.trust.audit import APPENDER, AuditEvent, AuditTrail, Fact, HeadBook, Spool, serve_appends
from meterworks.trust.pki import PeerRole

__all__ = ["HEAD_KEY", "head_key", "serve"]

HEAD_KEY = "audit-head"
TAKEN_UP_EVENTS = 500


def head_key(vault: KeyVault) -> tuple[PrivateKey, bool]:
    """The key that signs tree heads, and whether it was made just now, as on the first start."""
    try:
        return vault.key(HEAD_KEY), False
    except KeyNotFoundError:
        return vault.generate(HEAD_KEY, KeyUsage.SIGN, "P-256"), True


async def serve(ground: Ground, stopping: asyncio.Event) -> None:
    """Append until asked to stop. Raises FolderInUseError where another process appends already."""
    layout = ground.layout
    signer, is_new = await asyncio.to_thread(lambda: head_key(ground.vault))
    with FolderLock(layout.heads[0], purpose="the audit trail's appender"):
        trail = AuditTrail(
            ground.database,
            HeadBook(layout.heads),
            signer,
            clock=ground.clock,
            settings=layout.configuration.audit,
        )
        async with trail.appending(), serve_appends(ground.bus, trail, PRIVILEGES):
            if is_new:
                await trail.append([AuditEvent(act="key.generated", actor=APPENDER, object=f"key:{HEAD_KEY}")])
            await trail.append([_loaded(ground)])
            await _take_up(ground.layout.spool(PeerRole.COMMAND.value), trail)
            async with answering_as_ready(ground.bus, ground.name):
                await stopping.wait()


async def _take_up(path: Path, trail: AuditTrail) -> None:
    """Append what commands kept while the system was down."""
    spool = Spool(path, bytes_max=0)
    while True:
        events, size = await asyncio.to_thread(spool.read, TAKEN_UP_EVENTS)
        if not size:
            return
        await trail.append(events, source=f"process:{PeerRole.COMMAND.value}")
        await asyncio.to_thread(spool.forget, size)


def _loaded(ground: Ground) -> AuditEvent:
    """The settings this start runs with, by the digest of the file that all processes read."""
    path = ground.layout.run / "settings.toml"
    digest: Fact = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
    return AuditEvent(act="configuration.loaded", actor=APPENDER, object="system", facts={"sha256": digest})
