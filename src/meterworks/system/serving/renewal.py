"""Certificates of the system's processes are renewed while they run: at two thirds of their life, by EST.

Whoever uses the files takes up the new ones at its next handshake; connections that stand go on. Renewal asks the
process `pki`; while that is away it is tried again, for the third of the lifetime that is left.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

from meterworks.runtime import SystemClock, get_logger, together
from meterworks.system.configuration import Layout
from meterworks.trust.audit import AuditEvent, AuditSink, Outcome
from meterworks.trust.pki import EnrolmentFiles, EstClient, ExpiryAlarm, Renewer
from meterworks.trust.tls import Interface, client_context

__all__ = ["renew_certificates", "renewing"]

log = get_logger("system.renewal")


async def renew_certificates(layout: Layout, names: Iterable[str], audit: AuditSink | None = None) -> None:
    """Renew the certificates of these processes for as long as the task lives. Judged by the machine's clock."""
    await together(*(_renewer(layout, name, audit).run() for name in names))


def _renewer(layout: Layout, name: str, audit: AuditSink | None) -> Renewer:
    files = layout.tls(name)
    assert files.certificate is not None
    assert files.key is not None
    client = EstClient(layout.est_url, client_context(files, Interface.EST))

    async def alarm(found: ExpiryAlarm) -> None:
        log.error("certificate ends and has no successor", name=found.name, days=found.days)
        if audit is not None:
            facts = {"days": found.days}
            event = AuditEvent(
                act="certificate.expiring",
                actor=f"process:{name}",
                object=f"process:{found.name}",
                outcome=Outcome.FAILURE,
                facts=facts,
            )
            await audit.append(event)

    return Renewer(name, EnrolmentFiles(files.certificate, files.key, client), SystemClock(), alarm=alarm)


@contextlib.asynccontextmanager
async def renewing(layout: Layout, name: str, audit: AuditSink) -> AsyncIterator[None]:
    """Renew a process's own certificate while inside."""
    task = asyncio.create_task(renew_certificates(layout, [name], audit), name=f"renewal of {name}")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
