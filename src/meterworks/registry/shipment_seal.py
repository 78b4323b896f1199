"""The quality seal of a shipment: one line in front of the file, by which its maker answers for every octet of it.

The line is a JWS of `meterworks.trust.pki`: its manifest names owner and devices and holds the digest of the file
behind it. Seals are judged by the machine's clock.  Source: SECURITY fact sheet SEC-122; RFC 7515.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meterworks.registry.device import NewDevice
from meterworks.registry.errors import InvalidValueError, ShipmentSealError
from meterworks.registry.seal_rule import SealRule
from meterworks.trust import constant_time_equal
from meterworks.trust.pki import (
    CertificateRefused,
    ManufacturedDevice,
    ShipmentRefused,
    open_shipment,
)

__all__ = ["ShipmentSeal", "open_sealed", "sealed_file"]

_SEAL: Final = re.compile(rb"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")  # no CSV, JSON or XML begins like this
_ADVICE: Final = "nothing was imported; ask the maker for the shipment again"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentSeal:
    """A seal that holds. octets: as it came. devices: what the maker says it made, by identity."""

    maker: str
    number: str
    octets: bytes
    devices: Mapping[str, ManufacturedDevice]

    def check(self, device: NewDevice) -> None:
        """Raise InvalidValueError for a device that is not as the maker's manifest has it."""
        made = self.devices.get(device.identity)
        if made is None:
            raise InvalidValueError(f"the seal of {self.maker} does not name this device: ask the maker for a new seal")
        for name in ("serial", "model", "firmware"):
            if getattr(made, name) != getattr(device, name):
                raise InvalidValueError(
                    f"{name} is {getattr(device, name)!r}, the seal of {self.maker} says {getattr(made, name)!r}:"
                    " ask the maker which is true"
                )


def sealed_file(seal: bytes, content: bytes) -> bytes:
    """Put a seal in front of the file it was made for."""
    return seal + b"\n" + content


def open_sealed(data: bytes, rule: SealRule | None) -> tuple[ShipmentSeal | None, bytes]:
    """Part a shipment into its seal, None where it has none, and its file.

    rule: None where nobody's seals are known; then a sealed shipment is refused, never taken for an unsealed one.
    Raises ShipmentSealError for a seal that does not hold, and for none where one is required.
    """
    line, _, behind = data.partition(b"\n")
    line = line.removesuffix(b"\r")
    if _SEAL.fullmatch(line) is None:
        if rule is not None and rule.is_required:
            raise ShipmentSealError(
                "the shipment has no seal, and this system takes sealed ones only: ask the maker to seal it"
            )
        return None, data
    if rule is None:
        raise ShipmentSealError("the shipment is sealed, and no maker's root is known here to judge the seal by")
    return _judged(line, behind, rule), behind


def _judged(line: bytes, content: bytes, rule: SealRule) -> ShipmentSeal:
    try:
        shipment = open_shipment(
            line,
            maker_anchors=rule.maker_anchors,
            owner=rule.owner,
            at=rule.at,
            crls=None if rule.crls is None else rule.crls(),
            revocation=rule.revocation,
        )
    except (ShipmentRefused, CertificateRefused) as error:
        raise ShipmentSealError(f"the shipment's seal does not hold ({error}): {_ADVICE}", cause=error.code) from error
    if not constant_time_equal(shipment.file_digest.encode(), hashlib.sha256(content).hexdigest().encode()):
        raise ShipmentSealError(
            f"the shipment's file is not the one that {shipment.maker} sealed: {_ADVICE}", maker=shipment.maker
        )
    return ShipmentSeal(
        maker=shipment.maker,
        number=shipment.number,
        octets=line,
        devices={device.identity: device for device in shipment.devices},
    )
