"""Taking an exported part of the audit trail out of the database, at the machine and while the system is down."""

import asyncio
import getpass

from meterworks.runtime import FolderLock, SystemClock, load_clock
from meterworks.system.configuration import Layout
from meterworks.system.serving.audit import head_key
from meterworks.system.trail import started_database
from meterworks.system.vault import open_vault
from meterworks.trust.audit import AuditTrail, HeadBook

__all__ = ["prune_trail"]


async def prune_trail(layout: Layout, bundle: bytes) -> int:
    """Take the records out that a bundle holds, as `AuditTrail.prune` does; gives how many went.

    There is one appender, and pruning is an act of its own: so the appender may not run. Raises FolderInUseError where
    it does, ConfigurationError where there is no system yet, AuditFormatError for a bundle that does not verify or does
    not begin with the oldest records.
    """
    with FolderLock(layout.heads[0], purpose="pruning the audit trail"):
        database = started_database(layout)
        try:
            signer, _ = await asyncio.to_thread(lambda: head_key(open_vault(layout, "audit")))
            clock = SystemClock(load_clock(layout.clock))
            trail = AuditTrail(
                database, HeadBook(layout.heads), signer, clock=clock, settings=layout.configuration.audit
            )
            async with trail.appending():
                return await trail.prune(bundle, actor=f"person:{getpass.getuser()}")
        finally:
            await database.close()
