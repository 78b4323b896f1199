"""The emulated neighbourhood of a data folder: made on the first start, enrolled in the registry, found again later."""

import asyncio
import secrets
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime

from meterworks.registry import Registry, RowOutcome, ShipmentNotice, UsagePointId, shipment_accepted
from meterworks.runtime import ClockSettings, SystemClock, get_logger, load_clock, save_clock
from meterworks.system.configuration import Layout
from meterworks.system.device_credential import first_key_digests, supply_devices
from meterworks.system.errors import ConfigurationError
from meterworks.system.seal import admit_sealed, seal_file, seal_rule
from meterworks.trust.audit import Spool
from meterworks.trust.pki import Provisioning, SystemPki
from meterworks.world import Neighbourhood, open_neighbourhood

__all__ = ["certify_neighbourhood", "enrol_neighbourhood", "find_neighbourhood"]

log = get_logger("system.neighbourhood")
TRANSPORT_KEY_SIZE = 32
SPOOL = "command"  # its acts are taken up by the appender at its start
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
    """Make every meter with its keys and its maker's certificate, as a factory does; what is there stays."""
    titles = [neighbourhood.specification(index).system_title for index in range(len(neighbourhood))]
    if supply_devices(layout.device_certificates, pki, titles):
        log.info("meters made with certificates of their maker", meters=len(titles))


async def enrol_neighbourhood(neighbourhood: Neighbourhood, registry: Registry, layout: Layout, pki: SystemPki) -> None:
    """Bring usage points and meters into the registry, as a maker's sealed shipment comes in; what is there stays.

    The shipment names the meters' first keys, so with it they may enrol.
    """
    points = neighbourhood.usage_points()
    known = await registry.usage_points_by_id([UsagePointId(point.id) for point in points])
    await registry.add_usage_points([point for point in points if point.id not in known])
    counts = await registry.count_devices()
    if counts.total >= len(neighbourhood):
        return
    transport_key = secrets.token_bytes(TRANSPORT_KEY_SIZE)
    sealed = await asyncio.to_thread(_sealed_shipment, neighbourhood, transport_key, layout, pki)

    async def before(notice: ShipmentNotice) -> None:
        await asyncio.to_thread(_receive, notice, layout, pki)

    result = await registry.import_shipment(sealed, "json", transport_key=transport_key, before=before)
    refused = [row for row in result.rows if row.outcome is RowOutcome.REFUSED]
    if refused:
        raise ConfigurationError(
            f"{len(refused)} meters of the neighbourhood cannot be enrolled, the first: {refused[0].message};"
            " start with an empty data folder"
        )
    log.info("neighbourhood enrolled", meters=len(result.rows))


def _sealed_shipment(neighbourhood: Neighbourhood, transport_key: bytes, layout: Layout, pki: SystemPki) -> bytes:
    """The neighbourhood's shipment under the seal of this system's own maker, for this system."""
    keys = first_key_digests(layout.device_certificates)
    return seal_file(neighbourhood.shipment(transport_key), pki, owner=layout.configuration.pki.owner, keys=keys)


def _receive(notice: ShipmentNotice, layout: Layout, pki: SystemPki) -> None:
    """Record the shipment, for the appender that is not there yet, and admit its devices to enrolment."""
    spool = Spool(layout.spool(SPOOL), bytes_max=layout.configuration.audit.spool_bytes_max)
    at = SystemClock(load_clock(layout.clock)).now()
    event = shipment_accepted(notice, actor="process:supervisor", at=at)
    spool.keep([replace(event, machine_at=datetime.now(UTC))])
    if notice.seal:
        admit_sealed(notice.seal, seal_rule(layout), Provisioning(pki.ledger))
