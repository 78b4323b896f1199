"""Certificates of meters that were replaced: the pki process is told, and revokes them.

It is told when a job is done, and of all again once a day, so that what was not heard is not forgotten; what is revoked
already is passed over there.  Source: SEC-126.
"""

from collections.abc import Iterable
from typing import Final

import orjson
from cryptography import x509

from meterworks.errors import MeterworksError
from meterworks.registry import KeyHand, KeyState
from meterworks.runtime import Bus, get_logger
from meterworks.trust.pki import RETIRE_SUBJECT, certificate_identity

__all__ = ["CertificateRetirement", "retired_of"]

log = get_logger("headend.key_retirement")
BATCH_MAX: Final = 250
ANSWER_S: Final = 30.0


class CertificateRetirement:
    """Tells the pki process of certificates that are used no more."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def tell(self, hands: Iterable[KeyHand]) -> bool:
        """Tell of the certificates of devices that were replaced; False where nobody heard it."""
        rows = [row for hand in hands for row in retired_of(hand)]
        try:
            for start in range(0, len(rows), BATCH_MAX):
                question = orjson.dumps({"certificates": rows[start : start + BATCH_MAX]})
                await self._bus.request(RETIRE_SUBJECT, question, timeout_s=ANSWER_S)
        except MeterworksError as error:
            log.warning("replaced certificates are not revoked yet", certificates=len(rows), cause=str(error))
            return False
        return True


def retired_of(hand: KeyHand) -> list[dict[str, str]]:
    """Identity, serial number and reason of each certificate that was in force and is not any more."""
    rows = []
    for each in hand.versions:
        if each.certificate is None or each.activated_at is None or each.ended_at is None:
            continue
        certificate = x509.load_der_x509_certificate(each.certificate)
        reason = "keyCompromise" if each.state is KeyState.COMPROMISED else "superseded"
        identity, serial = certificate_identity(certificate), f"{certificate.serial_number:x}"
        rows.append({"identity": identity, "serial": serial, "reason": reason})
    return rows
