"""A shipment that a person sends in: recorded, its devices admitted to enrolment, then imported."""

from meterworks.errors import MeterworksError, UsageError
from meterworks.market.acts import actor_of
from meterworks.market.principal import Principal
from meterworks.market.services import MarketServices
from meterworks.registry import (
    ShipmentFormat,
    ShipmentNotice,
    ShipmentResult,
    shipment_accepted,
    shipment_refused,
)
from meterworks.trust.pki import ADMIT_SUBJECT

__all__ = ["ShipmentTooLarge", "import_shipment"]

SEAL_SIZE_MAX = 7 * 2**20  # octets of a seal that fit one message of the bus: some 25,000 devices
ADMIT_S_MAX = 60.0


class ShipmentTooLarge(UsageError):
    """A seal that does not fit a message to the process that admits its devices. Facts: size."""

    code = "shipment-too-large"


async def import_shipment(
    services: MarketServices, principal: Principal, data: bytes, format_: ShipmentFormat, *, transport_key: bytes
) -> ShipmentResult:
    """Import a shipment as `Registry.import_shipment` does; a sealed one's devices may enrol from then on.

    Both outcomes are acts. Raises also what the authority refuses (EnrolmentRefused), UnreachableError where it is
    away, ShipmentTooLarge: then nothing was imported.
    """
    actor = actor_of(principal)

    async def before(notice: ShipmentNotice) -> None:
        if len(notice.seal) > SEAL_SIZE_MAX:
            raise ShipmentTooLarge(
                f"the seal has {len(notice.seal)} octets, more than {SEAL_SIZE_MAX}: import the shipment at the machine"
                " with `meterworks device add`",
                size=len(notice.seal),
            )
        await services.audit.append(shipment_accepted(notice, actor=actor))
        if notice.seal:
            await services.bus.request(ADMIT_SUBJECT, notice.seal, timeout_s=ADMIT_S_MAX)

    try:
        return await services.registry.import_shipment(data, format_, transport_key=transport_key, before=before)
    except MeterworksError as error:
        services.audit.post(shipment_refused(data, error, actor=actor))
        raise
