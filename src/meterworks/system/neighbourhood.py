"""The emulated neighbourhood of a data folder: made on the first start, enrolled in the registry, found again later."""

import asyncio
import secrets
import socket
import time
from dataclasses import replace

from meterworks.registry import Registry, RowOutcome, UsagePointId
from meterworks.runtime import ClockSettings, SystemClock, get_logger, load_clock, save_clock
from meterworks.system.configuration import Layout
from meterworks.system.device_credential import supply_devices
from meterworks.system.errors import ConfigurationError
from meterworks.system.seal import seal_file
from meterworks.trust.pki import SystemPki
from meterworks.world import Neighbourhood, open_neighbourhood

__all__ = ["certify_neighbourhood", "enrol_neighbourhood", "find_neighbourhood"]

log = get_logger("system.neighbourhood")
TRANSPORT_KEY_SIZE = 32
FIRST_METER_ADDRESS = "127.16.0.1"


def _loopback_has_many_addresses() -> bool:
    """On Linux all of 127.0.0.0/8 is there; elsewhere meters share one address and have a port each."""
    with socket.socket() as probe:
        try:
            probe.bind((FIRST_METER_ADDRESS, 0))
        except OSError:
            return False
    return True


def find_neighbourhood(layout: Layout) -> Neighbourhood:
    """Give the data folder's neighbourhood; on the first start make it, and set the system's clock for it.

    Raises NeighbourhoodError where the settings ask for another than was made, ReplayFileError for a file that cannot
    be replayed.
    """
    settings = replace(
        layout.configuration.neighbourhood,
        port=layout.meter_port,
        single_address=layout.configuration.neighbourhood.single_address or not _loopback_has_many_addresses(),
    )
    clock = SystemClock(load_clock(layout.clock))
    neighbourhood = open_neighbourhood(layout.world, settings, now_epoch_s=clock.epoch_s())
    if not layout.clock.exists():
        _set_clock(layout, neighbourhood)
    return neighbourhood


def _set_clock(layout: Layout, neighbourhood: Neighbourhood) -> None:
    """The machine's time; for a file replayed unshifted its end, and so much later that its last interval is due."""
    now_s = time.time()
    starts_s = neighbourhood.clock_starts_epoch_s
    if starts_s is not None:
        starts_s += layout.headend.grace_s
    save_clock(
        layout.clock,
        ClockSettings(
            anchor_epoch_s=now_s,
            offset_s=0.0 if starts_s is None else starts_s - now_s,
            rate=layout.configuration.clock.rate,
        ),
    )


def certify_neighbourhood(neighbourhood: Neighbourhood, layout: Layout, pki: SystemPki) -> None:
    """Give every meter its first certificate and key, the way a maker's shipment brings them; what is there stays."""
    titles = [neighbourhood.specification(index).system_title for index in range(len(neighbourhood))]
    if supply_devices(layout.device_certificates, pki, titles):
        log.info("meters certified", meters=len(titles))


async def enrol_neighbourhood(neighbourhood: Neighbourhood, registry: Registry, layout: Layout, pki: SystemPki) -> None:
    """Bring usage points and meters into the registry, as a maker's sealed shipment comes in; what is there stays."""
    points = neighbourhood.usage_points()
    known = await registry.usage_points_by_id([UsagePointId(point.id) for point in points])
    await registry.add_usage_points([point for point in points if point.id not in known])
    counts = await registry.count_devices()
    if counts.total >= len(neighbourhood):
        return
    transport_key = secrets.token_bytes(TRANSPORT_KEY_SIZE)
    sealed = await asyncio.to_thread(_sealed_shipment, neighbourhood, transport_key, layout, pki)
    result = await registry.import_shipment(sealed, "json", transport_key=transport_key)
    refused = [row for row in result.rows if row.outcome is RowOutcome.REFUSED]
    if refused:
        raise ConfigurationError(
            f"{len(refused)} meters of the neighbourhood cannot be enrolled, the first: {refused[0].message};"
            " start with an empty data folder"
        )
    log.info("neighbourhood enrolled", meters=len(result.rows))


def _sealed_shipment(neighbourhood: Neighbourhood, transport_key: bytes, layout: Layout, pki: SystemPki) -> bytes:
    """The neighbourhood's shipment under the seal of this system's own maker, for this system."""
    return seal_file(neighbourhood.shipment(transport_key), pki, owner=layout.configuration.pki.owner)
