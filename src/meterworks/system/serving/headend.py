"""The head-end process: collect and command. It asks the process `pki` to certify its keys and those of meters."""

import asyncio

from meterworks.headend import EstCertifier, HeadEnd, HeadendChannels, OwnCredentials, RegistryDirectory
from meterworks.system.serving.process import Ground, answering_as_ready, until_stopped
from meterworks.trust.pki import EstClient
from meterworks.trust.tls import Interface, client_context

__all__ = ["serve"]


def _give_keys(headend: HeadEnd, ground: Ground) -> None:
    """Say who certifies, and where our own key pairs toward meters lie; the vault is opened when one is wanted."""
    layout = ground.layout
    certifier = EstCertifier(lambda: EstClient(layout.est_url, client_context(ground.tls, Interface.EST)))
    title = bytes.fromhex(layout.headend.system_title)
    headend.certifier = certifier
    headend.policy_keys = layout.policy_keys
    headend.own_keys = OwnCredentials(
        lambda: ground.vault, layout.tls_folder(ground.name), certifier, system_title=title
    )


async def serve(ground: Ground, stopping: asyncio.Event) -> None:
    """Collect and command."""
    headend = HeadEnd(
        bus=ground.bus,
        database=ground.database,
        directory=RegistryDirectory(ground.registry),
        clock=ground.clock,
        settings=ground.layout.headend,
        registry=ground.registry,
        audit=ground.audit,
    )
    headend.restore_mark = ground.layout.counter_mark
    if ground.layout.configuration.fleet.tls:
        headend.channels = HeadendChannels(ground.tls, audit=ground.audit)
    _give_keys(headend, ground)
    running = asyncio.create_task(until_stopped(stopping, headend.run(), headend.stop))
    ready = asyncio.create_task(headend.ready.wait())
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    async with answering_as_ready(ground.bus, "headend"):
        await running
